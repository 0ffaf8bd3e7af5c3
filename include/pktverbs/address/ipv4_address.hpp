// SPDX-License-Identifier: Apache-2.0
// Ipv4Address: an IPv4 address, and Ipv4Prefix: an address with a prefix length.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs {

/// An IPv4 address as a value, with parsing, text and comparison.
class Ipv4Address {
public:
    /// The length of an address in bytes.
    static constexpr std::size_t size = 4;
    /// The octets of an address, in wire order.
    using Bytes = std::array<std::uint8_t, size>;

    /// 0.0.0.0.
    constexpr Ipv4Address() noexcept = default;
    /// Makes an address of its octets, in wire order.
    constexpr explicit Ipv4Address(const Bytes& bytes) noexcept : bytes_{bytes} {}
    /// Parses "192.0.2.1". Throws std::invalid_argument with the text in the message.
    PKTVERBS_EXPORT explicit Ipv4Address(std::string_view text);

    /// Parses like the constructor, but returns nullopt for bad text.
    PKTVERBS_EXPORT static std::optional<Ipv4Address> parse(std::string_view text) noexcept;

    /// Returns the octets, in wire order.
    constexpr const Bytes& bytes() const noexcept { return bytes_; }
    /// Whether it is in 224.0.0.0/4 (RFC 5771).
    constexpr bool is_multicast() const noexcept { return (bytes_[0] & 0xf0) == 0xe0; }
    /// Whether it is 0.0.0.0.
    constexpr bool is_zero() const noexcept { return *this == Ipv4Address{}; }
    /// Returns the MAC address of a multicast group: 01:00:5e and the low 23 bits of the address (RFC 1112, 6.4).
    constexpr MacAddress multicast_mac() const noexcept {
        return MacAddress{
            MacAddress::Bytes{0x01, 0x00, 0x5e, static_cast<std::uint8_t>(bytes_[1] & 0x7f), bytes_[2], bytes_[3]}};
    }

    /// Returns "192.0.2.1".
    PKTVERBS_EXPORT std::string to_string() const;

    friend constexpr auto operator<=>(const Ipv4Address&, const Ipv4Address&) noexcept = default;

private:
    Bytes bytes_{};
};

/// An IPv4 address and a prefix length, as in "192.0.2.0/24".
struct Ipv4Prefix {
    Ipv4Address address;       ///< bits after the prefix need not be 0
    std::uint8_t length = 32;  ///< how many leading bits count, 0 to 32

    /// Parses "192.0.2.0/24", or an address alone as /32. Returns nullopt for bad text.
    PKTVERBS_EXPORT static std::optional<Ipv4Prefix> parse(std::string_view text) noexcept;
    /// Returns the netmask, in wire order: 255.255.255.0 for /24.
    PKTVERBS_EXPORT Ipv4Address mask() const noexcept;
    /// Returns "192.0.2.0/24".
    PKTVERBS_EXPORT std::string to_string() const;

    friend constexpr auto operator<=>(const Ipv4Prefix&, const Ipv4Prefix&) noexcept = default;
};

}  // namespace pktverbs
