// SPDX-License-Identifier: Apache-2.0
// Ipv4Address and Ipv4Prefix: parsing and formatting.

#include <algorithm>
#include <stdexcept>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/format.hpp>

#include "base/parse_decimal.hpp"

namespace pktverbs {

Ipv4Address::Ipv4Address(std::string_view text) {
    const auto address = parse(text);
    if (!address) {
        throw std::invalid_argument(
            fmt::format("bad IPv4 address '{}': expected four decimal octets, like 192.0.2.1", text));
    }
    *this = *address;
}

std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) noexcept {
    Bytes bytes{};
    for (std::size_t i = 0; i < size; ++i) {
        const auto dot = text.find('.');
        const bool is_last = i + 1 == size;
        if ((dot == text.npos) != is_last) return std::nullopt;
        const auto octet = parse_decimal(text.substr(0, dot));
        if (!octet) return std::nullopt;
        bytes[i] = *octet;
        if (!is_last) text.remove_prefix(dot + 1);
    }
    return Ipv4Address{bytes};
}

std::string Ipv4Address::to_string() const {
    return fmt::format("{}.{}.{}.{}", bytes_[0], bytes_[1], bytes_[2], bytes_[3]);
}

std::optional<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) noexcept {
    const auto slash = text.find('/');
    const auto address = Ipv4Address::parse(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == text.npos) return Ipv4Prefix{*address};
    const auto length = parse_decimal(text.substr(slash + 1));
    if (!length || *length > 32) return std::nullopt;
    return Ipv4Prefix{*address, *length};
}

Ipv4Address Ipv4Prefix::mask() const noexcept {
    Ipv4Address::Bytes bytes{};
    int bits = length;
    for (auto& byte : bytes) {
        byte = static_cast<std::uint8_t>(0xff00 >> std::clamp(bits, 0, 8));
        bits -= 8;
    }
    return Ipv4Address{bytes};
}

std::string Ipv4Prefix::to_string() const { return fmt::format("{}/{}", address, length); }

}  // namespace pktverbs
