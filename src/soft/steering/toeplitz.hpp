// SPDX-License-Identifier: Apache-2.0
// Toeplitz: the hash by which receive-side scaling spreads frames.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs::soft {

/// As in Microsoft's "RSS hashing functions": every set bit of the input, first bit first, adds (exclusive or) the 32
/// bits of the key that begin at its position.
class Toeplitz {
public:
    static constexpr std::size_t key_bytes = 40;
    static constexpr std::size_t max_input = key_bytes - 4;  ///< bytes: two IPv6 addresses and two ports

    explicit Toeplitz(std::span<const std::uint8_t, key_bytes> key) noexcept;

    /// The hash of at most max_input bytes; 0 for none.
    std::uint32_t hash(std::span<const std::uint8_t> input) const noexcept;

private:
    /// The contribution of each value of each four bits of the input.
    std::array<std::array<std::uint32_t, 16>, 2 * max_input> parts_{};
};

}  // namespace pktverbs::soft
