// SPDX-License-Identifier: Apache-2.0
// Schedule: when the frames of a capture fall due.
#pragma once

#include <algorithm>
#include <cstdint>

namespace pktverbs::soft::pcap {

/// Times are nanoseconds. Frames keep their recorded distances, divided by the speed; one that was recorded before the
/// frame ahead of it falls due with that. A further round begins when the last frame of the one before is due.
class Schedule {
public:
    explicit Schedule(double speed) noexcept : speed_{speed} {}

    /// The first frame is due then.
    void start(std::uint64_t at) noexcept { last_due_ = at; }
    void begin_round() noexcept { is_first_ = true; }

    /// When the next frame is due, which was recorded at that time.
    std::uint64_t due(std::uint64_t recorded) noexcept {
        if (is_first_) {
            is_first_ = false;
            round_start_ = last_due_;
            first_recorded_ = recorded;
        }
        // Signed: the first one need not be the earliest.
        const auto distance = static_cast<std::int64_t>(recorded - first_recorded_);
        if (distance > 0) last_due_ = std::max(last_due_, round_start_ + scaled(distance));
        return last_due_;
    }

private:
    std::uint64_t scaled(std::int64_t distance) const noexcept {
        if (speed_ == 1) return static_cast<std::uint64_t>(distance);  // a double has 53 bits
        return static_cast<std::uint64_t>(std::min(static_cast<double>(distance) / speed_, max_distance));
    }

    static constexpr double max_distance = 4e18;  ///< 126 years, which can be added to a time without overflow
    double speed_;
    bool is_first_ = true;
    std::uint64_t last_due_ = 0;
    std::uint64_t round_start_ = 0;
    std::uint64_t first_recorded_ = 0;
};

}  // namespace pktverbs::soft::pcap
