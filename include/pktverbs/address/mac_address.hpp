// SPDX-License-Identifier: Apache-2.0
// MacAddress: a 48-bit Ethernet address as a value.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// An Ethernet MAC address as a value, with parsing, text and comparison.
class MacAddress {
public:
    /// The length of an address in bytes.
    static constexpr std::size_t size = 6;
    /// The octets of an address, in wire order.
    using Bytes = std::array<std::uint8_t, size>;

    /// 00:00:00:00:00:00.
    constexpr MacAddress() noexcept = default;
    /// Makes an address of its octets, in wire order.
    constexpr explicit MacAddress(const Bytes& bytes) noexcept : bytes_{bytes} {}
    /// Parses "02:00:5e:10:00:01", with ':' or '-' and one or two hex digits per octet. Throws std::invalid_argument
    /// with the text in the message.
    PKTVERBS_EXPORT explicit MacAddress(std::string_view text);

    /// Parses like the constructor, but returns nullopt for bad text.
    PKTVERBS_EXPORT static std::optional<MacAddress> parse(std::string_view text) noexcept;

    /// Returns the address with all bits set.
    static constexpr MacAddress broadcast() noexcept { return MacAddress{Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }

    /// Returns the octets, in wire order.
    constexpr const Bytes& bytes() const noexcept { return bytes_; }
    /// Whether the group bit is set (IEEE 802, first bit on the wire); true for broadcast, too.
    constexpr bool is_multicast() const noexcept { return (bytes_[0] & 1) != 0; }
    /// Whether all bits are set.
    constexpr bool is_broadcast() const noexcept { return *this == broadcast(); }
    /// Whether no bit is set.
    constexpr bool is_zero() const noexcept { return *this == MacAddress{}; }

    /// Returns "02:00:5e:10:00:01", in lower case.
    PKTVERBS_EXPORT std::string to_string() const;

    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) noexcept = default;

private:
    Bytes bytes_{};
};

}  // namespace pktverbs
