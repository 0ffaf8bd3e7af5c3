// SPDX-License-Identifier: Apache-2.0
// Window: the time in which a stream's frames are counted.
#pragma once

#include <cstdint>

#include "measure.hpp"

namespace bench {

/// The frames per second between two times, and this process's share of its processor then.
class Window {
public:
    static constexpr double skipped_seconds = 0.1;  ///< until both ends run

    explicit Window(double seconds) : end_{skipped_seconds + seconds} {}

    /// Call it often, with the number of frames until now.
    void look(std::uint64_t frames) {
        const double now = since_start_.seconds();
        if (begin_at_ == 0 && now >= skipped_seconds) {
            begin_at_ = now;
            cpu_ = measure::cpu_seconds();
            frames_ = frames;
        } else if (begin_at_ != 0 && end_at_ == 0 && now >= end_) {
            end_at_ = now;
            cpu_ = measure::cpu_seconds() - cpu_;
            frames_ = frames - frames_;
        }
    }
    bool is_over() const { return end_at_ != 0; }
    double per_second() const { return is_over() ? static_cast<double>(frames_) / (end_at_ - begin_at_) : 0; }
    double cpu_share() const { return is_over() ? cpu_ / (end_at_ - begin_at_) : 0; }

private:
    measure::Stopwatch since_start_;
    double end_;
    double begin_at_ = 0, end_at_ = 0;
    double cpu_ = 0;
    std::uint64_t frames_ = 0;
};

}  // namespace bench
