// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/rate.hpp>

#include <fmt/core.h>

#include <cerrno>

#include <pktverbs/verbs/error.hpp>

#include "time/scaled.hpp"

namespace pktverbs {

namespace {

constexpr double most = 9e12;

}  // namespace

Rate::Rate(Unit unit, double per_second) : per_second_{per_second}, unit_{unit} {
    const double least = unit == Unit::packets ? 0.001 : 1000;
    if (!(per_second >= least && per_second <= most))  // a NaN is neither
        verbs::throw_message(EINVAL, fmt::format("cannot send at {} {} per second: a rate is between {} and {}",
                                                 per_second, unit == Unit::packets ? "packets" : "bits", least, most));
}

Rate Rate::wire_bits(double per_second) { return {Unit::wire_bits, per_second}; }
Rate Rate::frame_bits(double per_second) { return {Unit::frame_bits, per_second}; }
Rate Rate::packets(double per_second) { return {Unit::packets, per_second}; }

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
