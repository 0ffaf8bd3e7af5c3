// SPDX-License-Identifier: Apache-2.0
// WaitStrategy: how a queue waits, of its Options.
#pragma once

#include <chrono>

#include <pktverbs/options.hpp>

#include "base/deadline.hpp"

namespace pktverbs {

struct WaitStrategy {
    WaitMode mode;
    std::chrono::nanoseconds spin;

    bool spins() const noexcept { return mode != WaitMode::block; }
    /// When spinning ends and sleeping begins.
    Deadline spin_end() const noexcept {
        if (mode == WaitMode::busy_poll) return Deadline{no_timeout};
        return Deadline{mode == WaitMode::spin_then_block ? spin : std::chrono::nanoseconds::zero()};
    }
};

}  // namespace pktverbs
