// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/rate.hpp>

#include <fmt/core.h>

#include <cerrno>

#include <pktverbs/verbs/error.hpp>

#include "base/quantity.hpp"
#include "time/scaled.hpp"

namespace pktverbs {

namespace {

constexpr double max_rate = 9e12;
constexpr double min_rate(Rate::Unit unit) noexcept { return unit == Rate::Unit::packets ? 0.001 : 1000; }

}  // namespace

bool Rate::is_possible(Unit unit, double per_second) noexcept {
    return per_second >= min_rate(unit) && per_second <= max_rate;  // a NaN is neither
}

Rate::Rate(Unit unit, double per_second) : per_second_{per_second}, unit_{unit} {
    if (!is_possible(unit, per_second))
        verbs::throw_message(EINVAL,
                             fmt::format("cannot send at {} {} per second: a rate is between {} and {}", per_second,
                                         unit == Unit::packets ? "packets" : "bits", min_rate(unit), max_rate));
}

Rate Rate::wire_bits(double per_second) { return {Unit::wire_bits, per_second}; }
Rate Rate::frame_bits(double per_second) { return {Unit::frame_bits, per_second}; }
Rate Rate::packets(double per_second) { return {Unit::packets, per_second}; }

std::optional<Rate> Rate::parse(std::string_view text, Unit bits) noexcept {
    const auto quantity = Quantity::parse(text);
    if (!quantity || quantity->unit.empty()) return std::nullopt;
    std::string_view unit = quantity->unit;
    // "pps" and "bps" begin with no prefix.
    constexpr double factors[] = {1, 1e3, 1e6, 1e9, 1e12};
    const unsigned power = power_of_prefix(unit.front());
    if (power != 0) unit.remove_prefix(1);
    if (unit == "pps" || unit == "packets/s")
        bits = Unit::packets;
    else if (!unit.empty() && unit != "bps" && unit != "bit/s" && unit != "b/s")
        return std::nullopt;
    const double per_second = quantity->times(factors[power]);
    if (!is_possible(bits, per_second)) return std::nullopt;
    return Rate{bits, per_second};
}

std::string_view Rate::name(Unit unit) noexcept {
    switch (unit) {
        case Unit::wire_bits:
            return "bit/s on the wire";
        case Unit::frame_bits:
            return "bit/s of frames";
        case Unit::packets:
            return "packets/s";
    }
    return {};
}

std::string Rate::to_string() const { return scaled(per_second_) + std::string{name(unit_)}; }

}  // namespace pktverbs
