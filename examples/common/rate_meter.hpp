// SPDX-License-Identifier: Apache-2.0
// RateMeter: turns counts of packets and bytes into one printed line a second.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace example {

/// Its time starts when it is made.
class RateMeter {
public:
    using Clock = std::chrono::steady_clock;

    /// When the next line is due.
    Clock::time_point due() const noexcept { return last_.time + std::chrono::seconds{1}; }

    bool is_due() const noexcept { return Clock::now() >= due(); }

    /// "12.0 s: 1234567 packets, 80.9 Gb/s, 1.234 Mpps" since the last line.
    std::string line(std::uint64_t packets, std::uint64_t bytes) {
        const Sample now{Clock::now(), packets, bytes};
        auto text = format(last_, now);
        last_ = now;
        return text;
    }
    /// The same, from the beginning to `end`.
    std::string total(std::uint64_t packets, std::uint64_t bytes, Clock::time_point end = Clock::now()) const {
        return "total " + format(first_, {end, packets, bytes});
    }

private:
    struct Sample {
        Clock::time_point time = Clock::now();
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;
    };

    std::string format(const Sample& from, const Sample& to) const {
        const double seconds = std::max(0.0, std::chrono::duration<double>{to.time - from.time}.count());
        const double per_second = seconds > 0 ? 1 / seconds : 0;
        return fmt::format("{:.1f} s: {} packets, {:.3f} Gb/s, {:.4f} Mpps",
                           std::max(0.0, std::chrono::duration<double>{to.time - first_.time}.count()),
                           to.packets - from.packets, 8e-9 * static_cast<double>(to.bytes - from.bytes) * per_second,
                           1e-6 * static_cast<double>(to.packets - from.packets) * per_second);
    }

    Sample first_;
    Sample last_ = first_;
};

}  // namespace example
