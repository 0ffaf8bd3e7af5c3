// SPDX-License-Identifier: Apache-2.0
// Durations, sizes and rates as options.
#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/memory/size.hpp>
#include <pktverbs/time/duration.hpp>
#include <pktverbs/time/rate.hpp>
#include "command_line.hpp"

namespace example {

/// An option that holds a time from `low` to `high`: "200ms", or a number of seconds.
template <class Duration>
CommandLine::Option add_duration(CommandLine& app, const std::string& name, Duration& value,
                                 std::chrono::nanoseconds low, std::chrono::nanoseconds high, const std::string& help) {
    auto take = [&value, low, high](const std::string& text) {
        const auto time = pktverbs::parse_duration(text);
        if (!time || *time < low || *time > high)
            return fmt::format("'{}' is not a time from {} to {}, such as 1.5s, 200ms", text,
                               pktverbs::format_duration(low), pktverbs::format_duration(high));
        value = std::chrono::duration_cast<Duration>(*time);
        return std::string{};
    };
    return app.add_text(name, take, help).type_name("TIME");
}

/// An option that holds a size of `low` to `high` bytes: "64KiB", or a number of bytes.
template <class Bytes>
CommandLine::Option add_size(CommandLine& app, const std::string& name, Bytes& value, std::uint32_t low,
                             std::uint32_t high, const std::string& help) {
    auto take = [&value, low, high](const std::string& text) {
        const auto bytes = pktverbs::parse_size(text);
        if (!bytes || *bytes < low || *bytes > high)
            return fmt::format("'{}' is not a size from {} to {}, such as 1500, 8KiB", text, pktverbs::format_size(low),
                               pktverbs::format_size(high));
        value = static_cast<Bytes>(*bytes);
        return std::string{};
    };
    return app.add_text(name, take, help).type_name("SIZE");
}

/// An option that holds a rate, in bits those of frames: "10G", "1.5Mpps"; or a number of Gb/s. `zero_is_none`: 0 is no
/// rate at all.
inline CommandLine::Option add_rate(CommandLine& app, const std::string& name, std::optional<pktverbs::Rate>& value,
                                    const std::string& help, bool zero_is_none = false) {
    auto take = [&value, zero_is_none](const std::string& text) {
        value = pktverbs::Rate::parse(text, pktverbs::Rate::Unit::frame_bits);
        if (!value) value = pktverbs::Rate::parse(text + 'G', pktverbs::Rate::Unit::frame_bits);
        if (value || (zero_is_none && text == "0")) return std::string{};
        return fmt::format("'{}' is not a rate from 1 kb/s to 9 Tb/s, such as 10G, 1.5Mpps, or a number of Gb/s", text);
    };
    return app.add_text(name, take, help).type_name("RATE");
}

}  // namespace example
