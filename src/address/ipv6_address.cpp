// SPDX-License-Identifier: Apache-2.0
// Ipv6Address and Ipv6Prefix: parsing and formatting.
#include <arpa/inet.h>

#include <algorithm>
#include <stdexcept>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/format.hpp>

#include "base/parse_decimal.hpp"

namespace pktverbs {

Ipv6Address::Ipv6Address(std::string_view text) {
    const auto address = parse(text);
    if (!address) {
        throw std::invalid_argument(
            fmt::format("bad IPv6 address '{}': expected groups of hex digits and no zone, like 2001:db8::1", text));
    }
    *this = *address;
}

std::optional<Ipv6Address> Ipv6Address::parse(std::string_view text) noexcept {
    // inet_pton stops at the first NUL, which the text may contain, and which a string_view may lack.
    std::array<char, INET6_ADDRSTRLEN> terminated{};
    if (text.size() >= terminated.size() || text.find('\0') != text.npos) return std::nullopt;
    std::copy(text.begin(), text.end(), terminated.begin());
    Bytes bytes{};
    if (inet_pton(AF_INET6, terminated.data(), bytes.data()) != 1) return std::nullopt;
    return Ipv6Address{bytes};
}

std::string Ipv6Address::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(AF_INET6, bytes_.data(), text.data(), static_cast<socklen_t>(text.size()));
    return text.data();
}

std::optional<Ipv6Prefix> Ipv6Prefix::parse(std::string_view text) noexcept {
    const auto slash = text.find('/');
    const auto address = Ipv6Address::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == text.npos) return Ipv6Prefix{*address};
    const auto length = parse_decimal(text.substr(slash + 1));
    if (!length || *length > 128) return std::nullopt;
    return Ipv6Prefix{*address, *length};
}

Ipv6Address Ipv6Prefix::mask() const noexcept {
    Ipv6Address::Bytes bytes{};
    int bits = length;
    for (auto& byte : bytes) {
        byte = static_cast<std::uint8_t>(0xff00 >> std::clamp(bits, 0, 8));
        bits -= 8;
    }
    return Ipv6Address{bytes};
}

std::string Ipv6Prefix::to_string() const { return fmt::format("{}/{}", address, length); }

}  // namespace pktverbs
