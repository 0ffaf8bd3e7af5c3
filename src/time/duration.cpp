// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/duration.hpp>

#include <fmt/core.h>

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

std::string format_duration(std::chrono::nanoseconds time) {
    struct Unit {
        std::uint64_t length;
        unsigned decimals;
        std::string_view name;
    };
    constexpr Unit units[] = {{1'000'000'000, 9, "s"}, {1'000'000, 6, "ms"}, {1'000, 3, "us"}, {1, 0, "ns"}};
    const bool is_negative = time.count() < 0;
    const auto magnitude = static_cast<std::uint64_t>(time.count());
    const std::uint64_t count = is_negative ? 0 - magnitude : magnitude;  // the least value has no positive one
    if (count == 0) return "0s";
    const Unit* unit = units;
    while (count < unit->length) ++unit;
    std::string text = fmt::format("{}{}", is_negative ? "-" : "", count / unit->length);
    if (const std::uint64_t rest = count % unit->length; rest != 0) {
        text += fmt::format(".{:0{}}", rest, unit->decimals);
        text.erase(text.find_last_not_of('0') + 1);
    }
    return text.append(unit->name);
}

}  // namespace pktverbs
