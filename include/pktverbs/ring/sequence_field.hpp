// SPDX-License-Identifier: Apache-2.0
// SequenceField: the place of the sequence number in a packet.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// The start of the bytes that a field's offset counts from.
enum class SequenceOrigin : std::uint8_t {
    frame,  ///< the Ethernet header
    /// The payload of the UDP header, wherever it is: behind VLAN tags, IPv4 with options, IPv6 with extension headers.
    /// These frames have no number: frames of another protocol, truncated frames, all fragments, and datagrams that end
    /// before the field (padding behind them does not count).
    udp_payload,
};

/// Describes where frames carry their sequence number, and how it counts.
///
/// The number is `width` bytes at `offset`, of which the bits of `mask` count. It grows by `divisor` from packet to
/// packet. A wrap-around at the width of the mask is followed, even if the divisor does not divide the range.
struct SequenceField {
    SequenceOrigin from = SequenceOrigin::frame;  ///< where `offset` counts from
    std::uint32_t offset = 0;                ///< in bytes; in a frame, the field must not cross the ring's header_bytes
    std::uint32_t width = 8;                 ///< in bytes, 1 to 8
    std::endian order = std::endian::big;    ///< its byte order
    std::uint64_t mask = ~std::uint64_t{0};  ///< of the bytes as a number; after `shift`, low bits without a gap
    std::uint32_t shift = 0;                 ///< bits to shift right, after the mask
    /// The number in the packet with sequence number 0. If a sender's numbers differ from it by no multiple of the
    /// divisor, they are believed from the second packet on.
    std::uint64_t first = 0;
    /// The step from one packet to the next: at least 1, at most half of max_number(). Single numbers off the step do
    /// not match.
    std::uint64_t divisor = 1;

    /// Returns the number, masked and shifted. `start` is where the offset counts from; the bytes must reach to the end
    /// of the field.
    std::uint64_t read(const std::uint8_t* start) const noexcept { return (load(start + offset) & mask) >> shift; }
    /// Returns the number of a whole frame; nullopt if it has none. SequenceReader reads frames in two parts.
    PKTVERBS_EXPORT std::optional<std::uint64_t> find(std::span<const std::uint8_t> frame) const noexcept;
    /// Returns how many bytes are needed from where the offset counts.
    std::uint64_t end() const noexcept { return std::uint64_t{offset} + width; }
    /// Returns the largest number that the field can hold.
    std::uint64_t max_number() const noexcept { return (mask & (~std::uint64_t{0} >> (64 - 8 * width))) >> shift; }
    /// Throws std::system_error (EINVAL) if the field contradicts itself.
    PKTVERBS_EXPORT void check() const;

private:
    template <class Number>
    static std::uint64_t load_as(const std::uint8_t* at, std::endian order) noexcept {
        Number number;
        std::memcpy(&number, at, sizeof number);
        if (order == std::endian::native) return number;
        if constexpr (sizeof number == 8) return __builtin_bswap64(number);
        if constexpr (sizeof number == 4) return __builtin_bswap32(number);
        return __builtin_bswap16(static_cast<std::uint16_t>(number));
    }
    std::uint64_t load(const std::uint8_t* at) const noexcept {
        switch (width) {
            case 8:
                return load_as<std::uint64_t>(at, order);
            case 4:
                return load_as<std::uint32_t>(at, order);
            case 2:
                return load_as<std::uint16_t>(at, order);
            default: {
                std::uint64_t number = 0;
                for (std::uint32_t i = 0; i < width; ++i)
                    number = number << 8 | at[order == std::endian::big ? i : width - 1 - i];
                return number;
            }
        }
    }
};

}  // namespace pktverbs
