// SPDX-License-Identifier: Apache-2.0
#include "soft/steering/toeplitz.hpp"

namespace pktverbs::soft {

Toeplitz::Toeplitz(std::span<const std::uint8_t, key_bytes> key) noexcept {
    const auto window = [key](std::size_t bit) {
        std::uint64_t bytes = 0;
        for (std::size_t i = 0; i < 5; ++i) {
            const std::size_t at = bit / 8 + i;
            bytes = bytes << 8 | (at < key_bytes ? key[at] : 0U);
        }
        return static_cast<std::uint32_t>(bytes >> (8 - bit % 8));
    };
    for (std::size_t part = 0; part < parts_.size(); ++part) {
        for (std::uint32_t value = 0; value < 16; ++value) {
            for (std::size_t bit = 0; bit < 4; ++bit) {
                if ((value & 8U >> bit) != 0) parts_[part][value] ^= window(4 * part + bit);
            }
        }
    }
}

std::uint32_t Toeplitz::hash(std::span<const std::uint8_t> input) const noexcept {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < input.size(); ++i) {
        sum ^= parts_[2 * i][input[i] >> 4] ^ parts_[2 * i + 1][input[i] & 0xf];
    }
    return sum;
}

}  // namespace pktverbs::soft
