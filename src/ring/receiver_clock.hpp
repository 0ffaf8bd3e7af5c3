// SPDX-License-Identifier: Apache-2.0
// ReceiverClock: the clock for RingReceiverOptions::hand_over_after.
#pragma once

#include <chrono>

namespace pktverbs {

struct __attribute__((visibility("hidden"))) ReceiverClock {
    using time_point = std::chrono::steady_clock::time_point;
    static time_point now() noexcept { return source(); }

    /// steady_clock::now. Tests replace it by a clock that they move by hand.
    static time_point (*source)() noexcept;
};

}  // namespace pktverbs
