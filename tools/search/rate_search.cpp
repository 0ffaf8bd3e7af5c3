// SPDX-License-Identifier: Apache-2.0
#include "rate_search.hpp"

#include <algorithm>
#include <cmath>

namespace tool {

namespace {

/// Below this part of the first rate, there is none.
constexpr double lowest_part = 1e-5;
/// So often a trial is repeated that its sender spoiled.
constexpr int max_tries = 3;

struct Stopped {};

class Search {
public:
    Search(const SearchOptions& options, const RunTrial& run) : options_{options}, run_{run} {}

    SearchResult go() {
        try {
            if (options_.method == SearchOptions::Method::bisection)
                bisect();
            else
                phases();
            result_.is_finished = true;
        } catch (const Stopped&) {
        }
        choose();
        return std::move(result_);
    }

private:
    bool is_good(const Trial& trial) const noexcept {
        return trial.sent > 0 && !trial.is_behind && trial.loss() <= options_.allowed_loss;
    }
    Trial run(double rate, std::chrono::nanoseconds time) {
        const auto trial = run_(rate, time);
        if (!trial) throw Stopped{};
        result_.trials.push_back(*trial);
        return *trial;
    }
    /// Whether a rate is good. A sender that fell short of the rate shows nothing about it if all came.
    bool try_rate(double rate, std::chrono::nanoseconds time, int losses) {
        for (int tries = 0; tries < max_tries; ++tries) {
            const auto trial = run(rate, time);
            if (!is_good(trial)) {
                if (--losses <= 0) return false;
            } else if (!trial.is_short) {
                return true;
            }
        }
        return false;
    }

    void bisect() {
        const auto first = run(options_.max_rate, options_.trial_time);
        if (is_good(first)) {
            result_.is_sender_limited = true;
            return;
        }
        double low = 0, high = first.offered;  // if nothing could be sent, 0: no turn
        while (high - low > options_.resolution * high && high > first.offered * lowest_part) {
            const double middle = (low + high) / 2;
            (try_rate(middle, options_.trial_time, 1) ? low : high) = middle;
        }
    }

    void phases() {
        const auto first = run(options_.max_rate, options_.trial_time / 4);
        if (is_good(first)) {
            const auto whole = run(options_.max_rate, options_.trial_time);
            if (is_good(whole)) {
                result_.is_sender_limited = true;
                return;
            }
        }
        const double top = std::max(first.offered, result_.trials.back().offered);
        if (!(top > 0)) return;  // nothing could be sent: 0 would mean as fast as it goes
        const double lowest = top * lowest_part;
        const double guess = std::clamp(result_.trials.back().delivered, lowest, top);
        double low = guess, high = std::min(top, guess * (1 + 4 * options_.resolution));
        for (const int part : {4, 2, 1}) {
            const auto time = options_.trial_time / part;
            const double width = options_.resolution * part;
            // What held for a shorter time is where to begin, not more.
            for (double step = width; !try_rate(low, time, 2); step = std::min(2 * step, 0.5)) {
                high = low;
                low *= 1 - step;
                if (low < lowest) return;
            }
            for (double step = width; high < top && try_rate(high, time, 2); step *= 2) {
                low = high;
                high = std::min(top, high * (1 + step));
            }
            while (high - low > width * high) {
                const double middle = std::sqrt(low * high);
                (try_rate(middle, time, 2) ? low : high) = middle;
            }
        }
    }

    void choose() {
        for (const auto& trial : result_.trials) {
            if (trial.time < options_.trial_time) continue;
            if (is_good(trial) && (!result_.best || trial.offered > result_.best->offered)) result_.best = trial;
        }
        const double above = result_.best ? result_.best->offered : 0;
        for (const auto& trial : result_.trials)
            if (trial.time >= options_.trial_time && !is_good(trial) && trial.offered >= above &&
                (!result_.worse || trial.offered < result_.worse->offered))
                result_.worse = trial;
    }

    const SearchOptions& options_;
    const RunTrial& run_;
    SearchResult result_;
};

}  // namespace

SearchResult search_rate(const SearchOptions& options, const RunTrial& run) { return Search{options, run}.go(); }

}  // namespace tool
