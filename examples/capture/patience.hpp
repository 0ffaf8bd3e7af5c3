// SPDX-License-Identifier: Apache-2.0
// Patience: how long a recording waits for the reader of its output.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

namespace capture {

/// Without limit while the recording runs; limited after its end or an interrupt, when a reader that reads nothing is
/// abandoned.
struct Patience {
    std::stop_token interrupted{};  ///< the user wants the program to end
    std::chrono::milliseconds after_interrupt{1'000};
    std::stop_token ended{};  ///< there is no more input; remaining output may still be written
    std::chrono::milliseconds after_end{10'000};

    /// The limit that applies now; none: wait on.
    std::optional<std::chrono::milliseconds> limit() const noexcept {
        if (interrupted.stop_requested()) return after_interrupt;
        if (ended.stop_requested()) return after_end;
        return {};
    }
};

}  // namespace capture
