// SPDX-License-Identifier: Apache-2.0
// Ipv6Address: an IPv6 address, and Ipv6Prefix: an address with a prefix length.
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

/// An IPv6 address as a value, with parsing, text and comparison. GIDs are such values, too.
class Ipv6Address {
public:
    /// The length of an address in bytes.
    static constexpr std::size_t size = 16;
    /// The octets of an address, in wire order.
    using Bytes = std::array<std::uint8_t, size>;

    /// The unspecified address, "::".
    constexpr Ipv6Address() noexcept = default;
    /// Makes an address of its octets, in wire order.
    constexpr explicit Ipv6Address(const Bytes& bytes) noexcept : bytes_{bytes} {}
    /// Parses the forms of RFC 4291, 2.2 ("2001:db8::1", "::ffff:192.0.2.1"), without a zone. Throws
    /// std::invalid_argument with the text in the message.
    PKTVERBS_EXPORT explicit Ipv6Address(std::string_view text);

    /// Parses like the constructor, but returns nullopt for bad text.
    PKTVERBS_EXPORT static std::optional<Ipv6Address> parse(std::string_view text) noexcept;

    /// Returns the link-local address of a MAC address: fe80::/64 and its modified EUI-64 (RFC 4291, appendix A). It is
    /// the GID with which an Ethernet verbs port shows its MAC address.
    static constexpr Ipv6Address link_local(const MacAddress& mac) noexcept {
        const auto& m = mac.bytes();
        return Ipv6Address{Bytes{0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 0x02), m[1], m[2], 0xff,
                                 0xfe, m[3], m[4], m[5]}};
    }

    /// Returns the MAC address that link_local() made this address from; nullopt for any other address.
    constexpr std::optional<MacAddress> link_local_mac() const noexcept {
        const MacAddress mac{MacAddress::Bytes{static_cast<std::uint8_t>(bytes_[8] ^ 0x02), bytes_[9], bytes_[10],
                                               bytes_[13], bytes_[14], bytes_[15]}};
        if (*this != link_local(mac)) return std::nullopt;
        return mac;
    }

    /// Returns the octets, in wire order.
    constexpr const Bytes& bytes() const noexcept { return bytes_; }
    /// Whether it is in ff00::/8 (RFC 4291, 2.7).
    constexpr bool is_multicast() const noexcept { return bytes_[0] == 0xff; }
    /// Whether it is the unspecified address.
    constexpr bool is_zero() const noexcept { return *this == Ipv6Address{}; }
    /// Returns the MAC address of a multicast group: 33:33 and the low 32 bits of the address (RFC 2464, 7).
    constexpr MacAddress multicast_mac() const noexcept {
        return MacAddress{MacAddress::Bytes{0x33, 0x33, bytes_[12], bytes_[13], bytes_[14], bytes_[15]}};
    }

    /// Returns the canonical text (RFC 5952).
    PKTVERBS_EXPORT std::string to_string() const;

    friend constexpr auto operator<=>(const Ipv6Address&, const Ipv6Address&) noexcept = default;

private:
    Bytes bytes_{};
};

/// An IPv6 address and a prefix length, as in "2001:db8::/32".
struct Ipv6Prefix {
    Ipv6Address address;        ///< bits after the prefix need not be 0
    std::uint8_t length = 128;  ///< how many leading bits count, 0 to 128

    /// Parses "2001:db8::/32", or an address alone as /128. Returns nullopt for bad text.
    PKTVERBS_EXPORT static std::optional<Ipv6Prefix> parse(std::string_view text) noexcept;
    /// Returns the mask as an address, in wire order.
    PKTVERBS_EXPORT Ipv6Address mask() const noexcept;
    /// Returns "2001:db8::/32".
    PKTVERBS_EXPORT std::string to_string() const;

    friend constexpr auto operator<=>(const Ipv6Prefix&, const Ipv6Prefix&) noexcept = default;
};

}  // namespace pktverbs
