// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/duration.hpp>

#include <cstdint>

#include "base/quantity.hpp"

namespace pktverbs {

namespace {

struct TimeUnit {
    std::string_view name;
    std::chrono::nanoseconds length;
};
constexpr TimeUnit time_units[] = {
    {"", std::chrono::seconds{1}},        {"ns", std::chrono::nanoseconds{1}}, {"us", std::chrono::microseconds{1}},
    {"ms", std::chrono::milliseconds{1}}, {"s", std::chrono::seconds{1}},      {"min", std::chrono::minutes{1}},
    {"h", std::chrono::hours{1}},
};

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept {
    const auto quantity = Quantity::parse(text);
    if (!quantity) return std::nullopt;
    for (const auto& unit : time_units) {
        if (unit.name != quantity->unit) continue;
        const auto count = quantity->times(static_cast<std::uint64_t>(unit.length.count()));
        if (!count || *count > static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count())) break;
        return std::chrono::nanoseconds{static_cast<std::int64_t>(*count)};
    }
    return std::nullopt;
}

}  // namespace pktverbs
