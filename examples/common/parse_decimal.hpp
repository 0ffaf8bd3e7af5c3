// SPDX-License-Identifier: Apache-2.0
// parse_decimal: a number without a sign, as it stands in a longer text.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace example {

/// nullopt for anything else, also for a leading zero: one number has one text, and some readers take that for octal.
template <std::unsigned_integral Number>
std::optional<Number> parse_decimal(std::string_view text) {
    if (text.size() > 1 && text.front() == '0') return {};
    Number number = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end) return {};
    return number;
}

}  // namespace example
