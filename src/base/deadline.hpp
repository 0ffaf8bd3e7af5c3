// SPDX-License-Identifier: Apache-2.0
// Deadline: when a wait ends.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>

namespace pktverbs {

class Deadline {
public:
    using Clock = std::chrono::steady_clock;

    explicit Deadline(std::chrono::nanoseconds timeout) noexcept {
        if (timeout == std::chrono::nanoseconds::max()) return;  // forever
        const auto now = Clock::now();
        // A deadline so far off that adding to it might overflow counts as never.
        never_ = timeout > Clock::time_point::max() - now;
        if (!never_) at_ = now + timeout;
    }

    bool passed() const noexcept { return !never_ && Clock::now() >= at_; }

    /// The time left, at least 0; nanoseconds::max() for never.
    std::chrono::nanoseconds left() const noexcept {
        return never_ ? std::chrono::nanoseconds::max() : std::max(at_ - Clock::now(), Clock::duration::zero());
    }
    /// The same for ppoll(2); null for never.
    const timespec* left(timespec& space) const noexcept {
        if (never_) return nullptr;
        const auto rest = left();
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(rest);
        space.tv_sec = seconds.count();
        space.tv_nsec = (rest - seconds).count();
        return &space;
    }

    /// The time left, but no more than `most`.
    std::chrono::nanoseconds left_at_most(std::chrono::nanoseconds most) const noexcept {
        if (never_) return most;
        return std::clamp<std::chrono::nanoseconds>(at_ - Clock::now(), std::chrono::nanoseconds::zero(), most);
    }

private:
    bool never_ = true;
    Clock::time_point at_{};
};

}  // namespace pktverbs
