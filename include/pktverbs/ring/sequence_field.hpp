// SPDX-License-Identifier: Apache-2.0
// SequenceField: where a packet says which one it is.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Where the bytes begin that a field's offset counts.
enum class SequenceOrigin : std::uint8_t {
    frame,  ///< the Ethernet header
    /// What follows the UDP header, wherever that is: behind VLAN tags, IPv4 with options, IPv6 with extension headers.
    /// Frames without one have no number: of another protocol, cut short, and every fragment, also the first. Nor has
    /// a datagram that ends before the field; padding behind it is not a part of it.
    udp_payload,
};

/// A number in every frame, the same distance apart from one to the next: `width` bytes at `offset`, of which the bits
/// of `mask` count. Its wrap-around, at the width of the mask, is followed, whether the distance divides it or not.
struct SequenceField {
    SequenceOrigin from = SequenceOrigin::frame;
    std::uint32_t offset = 0;  ///< in bytes; of a frame, not across header_bytes of the ring
    std::uint32_t width = 8;   ///< in bytes, 1 to 8
    std::endian order = std::endian::big;
    std::uint64_t mask = ~std::uint64_t{0};  ///< of the number that was read; after `shift`, ones below zeros
    std::uint32_t shift = 0;                 ///< to the right, after the mask
    /// What sequence number 0 has there. A sender whose numbers differ from that by no multiple of the divisor is
    /// believed from its second packet on.
    std::uint64_t first = 0;
    /// From one packet to the next: at least 1, at most half of max_number(). Single numbers off the step do not match.
    std::uint64_t divisor = 1;

    /// The number in bytes that begin where the offset counts from, masked and shifted. They must reach as far as the
    /// field.
    std::uint64_t read(const std::uint8_t* start) const noexcept { return (load(start + offset) & mask) >> shift; }
    /// The number of a whole frame; none if it has none. SequenceReader reads frames in two parts.
    PKTVERBS_EXPORT std::optional<std::uint64_t> find(std::span<const std::uint8_t> frame) const noexcept;
    /// How many bytes there must be from where the offset counts.
    std::uint64_t end() const noexcept { return std::uint64_t{offset} + width; }
    /// The largest number that the field can hold.
    std::uint64_t max_number() const noexcept { return (mask & (~std::uint64_t{0} >> (64 - 8 * width))) >> shift; }
    /// Throws std::system_error (EINVAL) if it contradicts itself.
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
