// SPDX-License-Identifier: Apache-2.0
// Bytes: reads and writes numbers and addresses of a frame, big endian and at any alignment.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs::net {

/// Bytes of a frame that can be written.
using Bytes = std::span<std::uint8_t>;
/// Bytes of a frame to read.
using ConstBytes = std::span<const std::uint8_t>;

/// Reads the number that starts at `from`. All of its bytes must be there.
template <std::unsigned_integral Number>
constexpr Number load(const std::uint8_t* from) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) value = value << 8 | from[i];
    return static_cast<Number>(value);
}
/// Writes a number, starting at `to`.
template <std::unsigned_integral Number>
constexpr void store(std::uint8_t* to, Number number) noexcept {
    for (std::size_t i = 0; i < sizeof(Number); ++i)
        to[i] = static_cast<std::uint8_t>(number >> 8 * (sizeof(Number) - 1 - i));
}

/// A MacAddress, an Ipv4Address or an Ipv6Address.
template <class Type>
concept Address = requires(const Type& address) {
    { address.bytes() } -> std::convertible_to<const std::array<std::uint8_t, Type::size>&>;
};

/// Reads the address that starts at `from`.
template <Address Type>
constexpr Type load(const std::uint8_t* from) noexcept {
    typename Type::Bytes bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = from[i];
    return Type{bytes};
}
/// Writes an address, starting at `to`.
template <Address Type>
constexpr void store(std::uint8_t* to, const Type& address) noexcept {
    for (const std::uint8_t byte : address.bytes()) *to++ = byte;
}

}  // namespace pktverbs::net
