// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/size.hpp>

#include <fmt/core.h>

#include <cstddef>
#include <iterator>

#include "base/quantity.hpp"

namespace pktverbs {

namespace {

/// How many bytes a unit has; 0 for what is none.
std::uint64_t bytes_of_unit(std::string_view unit) noexcept {
    if (unit.empty() || unit == "B") return 1;
    const unsigned power = power_of_prefix(unit.front());
    const std::string_view rest = unit.substr(1);
    const bool is_binary = rest.empty() || rest == "iB";
    if (power == 0 || !(is_binary || rest == "B")) return 0;
    std::uint64_t bytes = 1;
    for (unsigned i = 0; i < power; ++i) bytes *= is_binary ? 1024 : 1000;
    return bytes;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    const auto quantity = Quantity::parse(text);
    if (!quantity) return std::nullopt;
    const std::uint64_t bytes = bytes_of_unit(quantity->unit);
    if (bytes == 0) return std::nullopt;
    return quantity->times(bytes);
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    for (; bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
    return fmt::format("{}{}", bytes, units[unit]);
}

}  // namespace pktverbs
