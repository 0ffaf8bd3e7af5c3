// SPDX-License-Identifier: Apache-2.0
// RateSearch: finds the highest rate without loss by trials.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace tool {

/// What came of sending at one rate for some time. Rates are in one unit throughout a search. A value.
struct Trial {
    double asked = 0;                 ///< 0: as fast as it goes
    std::chrono::nanoseconds time{};  ///< for how long
    double offered = 0;               ///< the rate at which it was sent
    double delivered = 0;             ///< the rate at which it arrived
    std::uint64_t sent = 0, lost = 0;
    bool is_behind = false;  ///< it arrived more slowly than it was sent: what is between them filled up
    bool is_short = false;   ///< the sender did not reach the rate

    double loss() const noexcept { return sent > 0 ? static_cast<double>(lost) / static_cast<double>(sent) : 1; }
};

struct SearchOptions {
    enum class Method : std::uint8_t {
        bisection,  ///< RFC 2544, 26.1: from the highest rate down, each trial as long
        phases,     ///< MLRsearch-like: short trials first, near what was delivered; a loss must happen twice
    };
    Method method = Method::phases;
    double max_rate = 0;        ///< 0: as fast as it goes
    double resolution = 0.005;  ///< how near each other the bounds are in the end
    double allowed_loss = 0;    ///< of 1
    std::chrono::nanoseconds trial_time = std::chrono::seconds{1};
};

struct SearchResult {
    std::optional<Trial> best;       ///< the fastest good trial of the full time
    std::optional<Trial> worse;      ///< the slowest bad trial of the full time above it
    bool is_sender_limited = false;  ///< nothing was lost at the highest rate that could be sent
    bool is_finished = false;        ///< false: stopped before
    std::vector<Trial> trials;       ///< all, in order
};

/// Runs a trial at a rate; 0: as fast as it goes. nullopt: stopped.
using RunTrial = std::function<std::optional<Trial>(double rate, std::chrono::nanoseconds time)>;

/// Searches until the bounds are near enough, or a trial is stopped.
SearchResult search_rate(const SearchOptions& options, const RunTrial& run);

}  // namespace tool
