// SPDX-License-Identifier: Apache-2.0
// scaled: numbers with the unit that fits them.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace pktverbs {

/// "1.5 G", for a unit to follow.
inline std::string scaled(double value) {
    for (const auto& [unit, name] : {std::pair{1e9, "G"}, {1e6, "M"}, {1e3, "k"}})
        if (value >= unit) return fmt::format("{:.6g} {}", value / unit, name);
    return fmt::format("{:.6g} ", value);
}

/// "7 ns", "1.5 ms", "83 s".
inline std::string scaled(std::chrono::nanoseconds time) {
    const auto value = static_cast<double>(time.count());
    for (const auto& [unit, name] : {std::pair{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}})
        if (value >= unit) return fmt::format("{:.4g} {}", value / unit, name);
    return fmt::format("{} ns", time.count());
}

}  // namespace pktverbs
