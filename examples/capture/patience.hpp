// SPDX-License-Identifier: Apache-2.0
// Patience: how long a recording waits for whoever reads its output.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

namespace capture {

/// Without limit, until it is over: then a reader that takes nothing is given up.
struct Patience {
    std::stop_token interrupted{};  ///< somebody wants the program to end
    std::chrono::milliseconds after_interrupt{1'000};
    std::stop_token ended{};  ///< nothing more will come, but what is there may take its time
    std::chrono::milliseconds after_end{10'000};

    /// As things are now; none: wait on.
    std::optional<std::chrono::milliseconds> limit() const noexcept {
        if (interrupted.stop_requested()) return after_interrupt;
        if (ended.stop_requested()) return after_end;
        return {};
    }
};

}  // namespace capture
