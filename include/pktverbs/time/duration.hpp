// SPDX-License-Identifier: Apache-2.0
// Durations as people write them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// "5s", "200ms", "1.5us", "10ns", "2min", "1h"; a number alone is seconds. Nothing may stand before, between or
/// behind; nullopt for anything else, and for more than nanoseconds hold, 292 years. "m" is refused: it is a minute to
/// some and a millisecond to others. What comes to a fraction of a nanosecond is rounded to the nearest.
PKTVERBS_EXPORT std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) noexcept;

/// Returns "1.5s", "200ms", "83us" or "10ns", which parse_duration() reads as the same time: the longest of these units
/// that the time has one of, with as many decimals as it needs. "0s" for 0. A negative time has a minus sign, which
/// parse_duration() refuses.
PKTVERBS_EXPORT std::string format_duration(std::chrono::nanoseconds time);

}  // namespace pktverbs
