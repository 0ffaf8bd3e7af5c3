// SPDX-License-Identifier: Apache-2.0
// The blocks of a pcapng file as bytes (draft-ietf-opsawg-pcapng; section numbers are those of its version 02).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>

namespace pktverbs::pcapng {

/// What packets were captured from.
struct Interface {
    std::string name{};                 ///< if_name; empty: left out
    std::string comment{};              ///< opt_comment; empty: left out
    std::uint32_t snap_length = 0;      ///< most bytes of a packet that are kept; 0: all
    std::uint64_t bits_per_second = 0;  ///< 0: not known
};

/// What became of the packets that the interface received.
struct Statistics {
    std::chrono::nanoseconds start{};  ///< since 1970, as all times here
    std::chrono::nanoseconds end{};    ///< when the last packet could arrive
    std::uint64_t received = 0;        ///< packets that arrived
    std::uint64_t dropped = 0;         ///< of those, packets lost before the file
    std::uint64_t delivered = 0;       ///< those that are in the file
};

/// Section header (4.1) of a section of unknown length, in this machine's byte order. `program` is what wrote it.
PKTVERBS_EXPORT std::vector<std::uint8_t> section_header(std::string_view program);
/// Interface description (4.2): Ethernet, times in nanoseconds.
PKTVERBS_EXPORT std::vector<std::uint8_t> interface_description(const Interface& interface);
/// Interface statistics (4.6). `interface` is the number of its description in the section.
PKTVERBS_EXPORT std::vector<std::uint8_t> interface_statistics(const Statistics& statistics,
                                                               std::uint32_t interface = 0);

/// An enhanced packet block (4.3), without options, is this header, the bytes of the packet, zeros up to
/// a multiple of 4, and the length of the block once more.
struct PacketHeader {
    std::uint32_t type = 6;            ///< enhanced packet block
    std::uint32_t block_bytes = 0;     ///< of the whole block
    std::uint32_t interface = 0;       ///< the number of its description in the section
    std::uint32_t time_high = 0;       ///< nanoseconds since 1970: the upper half
    std::uint32_t time_low = 0;        ///< and the lower
    std::uint32_t captured_bytes = 0;  ///< that follow
    std::uint32_t original_bytes = 0;  ///< of the packet
};
static_assert(sizeof(PacketHeader) == 28);

/// Rounds up to a multiple of 4.
constexpr std::size_t padded(std::size_t bytes) noexcept { return (bytes + 3) & ~std::size_t{3}; }

/// Makes the header of a packet that had `original` bytes, of which `captured` follow. `time` is not negative.
constexpr PacketHeader packet_header(std::size_t captured, std::size_t original, std::chrono::nanoseconds time,
                                     std::uint32_t interface = 0) noexcept {
    const auto ticks = static_cast<std::uint64_t>(time.count());
    return {.block_bytes = static_cast<std::uint32_t>(sizeof(PacketHeader) + padded(captured) + 4),
            .interface = interface,
            .time_high = static_cast<std::uint32_t>(ticks >> 32),
            .time_low = static_cast<std::uint32_t>(ticks),
            .captured_bytes = static_cast<std::uint32_t>(captured),
            .original_bytes = static_cast<std::uint32_t>(original)};
}

}  // namespace pktverbs::pcapng
