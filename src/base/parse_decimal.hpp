// SPDX-License-Identifier: Apache-2.0
// parse_decimal: a number from 0 to 255, as addresses and prefix lengths are written.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace pktverbs {

/// The whole of `text`. A leading zero is refused: some readers take it for octal, and one number has one text.
inline std::optional<std::uint8_t> parse_decimal(std::string_view text) noexcept {
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    const char* const end = text.data() + text.size();
    std::uint8_t number = 0;
    const auto [next, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || next != end) return std::nullopt;
    return number;
}

}  // namespace pktverbs
