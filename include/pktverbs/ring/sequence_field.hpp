// SPDX-License-Identifier: Apache-2.0
// SequenceField: where a packet says which one it is.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// A number in every frame, the same distance apart from one to the next: `width` bytes at `offset`, of which the bits
/// of `mask` count. Its wrap-around, at the width of the mask, is followed.
struct SequenceField {
    std::uint32_t offset = 0;  ///< from the frame's first byte; not across header_bytes of the ring
    std::uint32_t width = 8;   ///< in bytes, 1 to 8
    std::endian order = std::endian::big;
    std::uint64_t mask = ~std::uint64_t{0};  ///< of the number that was read; after `shift`, ones below zeros
    std::uint32_t shift = 0;                 ///< to the right, after the mask
    std::uint64_t first = 0;                 ///< what sequence number 0 has there
    std::uint64_t divisor = 1;               ///< from one packet to the next; others do not match. At least 1

    /// The number in a frame's bytes, masked and shifted. They must reach as far as the field.
    std::uint64_t read(const std::uint8_t* frame) const noexcept { return (load(frame + offset) & mask) >> shift; }
    /// The largest number that the field can hold.
    std::uint64_t most() const noexcept { return (mask & (~std::uint64_t{0} >> (64 - 8 * width))) >> shift; }
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
