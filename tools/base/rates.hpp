// SPDX-License-Identifier: Apache-2.0
// Rates: bits and packets per second, of some time or since the last report.
#pragma once

#include <chrono>
#include <cstdint>

namespace tool {

/// A value.
struct Rates {
    double bps = 0, pps = 0;

    /// The mean over a time; 0 over none.
    static Rates over(double seconds, std::uint64_t packets, std::uint64_t bytes) noexcept {
        const double per_second = seconds > 0 ? 1 / seconds : 0;
        return {8 * static_cast<double>(bytes) * per_second, static_cast<double>(packets) * per_second};
    }
};

/// Makes rates of counts that grow.
class RateMeter {
public:
    using Clock = std::chrono::steady_clock;

    explicit RateMeter(Clock::time_point start) noexcept : before_{start} {}

    /// Of the time since the last call. The counts are those of all the time.
    Rates read(Clock::time_point now, std::uint64_t packets, std::uint64_t bytes) noexcept {
        const auto rates =
            Rates::over(std::chrono::duration<double>{now - before_}.count(), packets - packets_, bytes - bytes_);
        before_ = now;
        packets_ = packets;
        bytes_ = bytes;
        return rates;
    }

private:
    Clock::time_point before_;
    std::uint64_t packets_ = 0, bytes_ = 0;
};

}  // namespace tool
