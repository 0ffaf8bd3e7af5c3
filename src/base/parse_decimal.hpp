// SPDX-License-Identifier: Apache-2.0
// parse_decimal: reads an unsigned number, as people write it in addresses, ports and options.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace pktverbs {

/// Reads all of `text`; nullopt for a number that the type can't hold. A leading zero is refused: some parsers take it
/// for octal, and each number has one text.
template <class Number = std::uint8_t>
std::optional<Number> parse_decimal(std::string_view text) noexcept {
    static_assert(std::is_unsigned_v<Number>, "from_chars takes a minus for others");
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    const char* const end = text.data() + text.size();
    Number number = 0;
    const auto [next, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || next != end) return std::nullopt;
    return number;
}

}  // namespace pktverbs
