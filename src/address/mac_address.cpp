// SPDX-License-Identifier: Apache-2.0
// MacAddress: parsing and formatting.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <stdexcept>
#include <system_error>

#include <pktverbs/address/mac_address.hpp>

namespace pktverbs {

MacAddress::MacAddress(std::string_view text) {
    const auto mac = parse(text);
    if (!mac) {
        throw std::invalid_argument(
            fmt::format("bad MAC address '{}': expected six hex octets, like 02:00:5e:10:00:01", text));
    }
    *this = *mac;
}

std::optional<MacAddress> MacAddress::parse(std::string_view text) noexcept {
    const char* at = text.data();
    const char* const end = at + text.size();
    char separator = 0;
    Bytes bytes{};
    for (std::size_t i = 0; i < size; ++i) {
        if (i > 0) {
            if (at == end || (*at != ':' && *at != '-') || (separator != 0 && *at != separator)) return std::nullopt;
            separator = *at++;
        }
        // Two digits at most, so an octet can't overflow; from_chars itself takes neither sign nor 0x.
        const auto digits = std::min<std::ptrdiff_t>(2, end - at);
        const auto [next, error] = std::from_chars(at, at + digits, bytes[i], 16);
        if (error != std::errc{}) return std::nullopt;
        at = next;
    }
    if (at != end) return std::nullopt;
    return MacAddress{bytes};
}

std::string MacAddress::to_string() const {
    const auto& b = bytes_;
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4], b[5]);
}

}  // namespace pktverbs
