// SPDX-License-Identifier: Apache-2.0
// StopOnSignal: turns Ctrl-C into a stop token.
#pragma once

#include <csignal>
#include <initializer_list>
#include <memory>
#include <stop_token>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Requests a stop when a signal comes.
///
/// A second signal, half a second later or more, has the same effect as without this object: by default it ends the
/// process, in case the program does not stop. Earlier ones count as the same request: timeout(1) sends its signal
/// twice, and users press Ctrl-C twice.
///
/// Make it before any other thread, and end it in the thread that made it: the signals are blocked in that thread and
/// in all that it starts, and a thread of this object waits for them, because a signal handler must not use a
/// stop_source. Callbacks of the token run in that thread. Programs executed meanwhile (execve(2),
/// posix_spawn(3)) start with the signals blocked. A signal is handled even if it was ignored before.
class StopOnSignal {
public:
    /// Throws std::system_error: EINVAL for a number that is no signal, or for a signal that cannot be blocked.
    PKTVERBS_EXPORT explicit StopOnSignal(std::initializer_list<int> caught = {SIGINT, SIGTERM});
    StopOnSignal(const StopOnSignal&) = delete;
    StopOnSignal& operator=(const StopOnSignal&) = delete;
    /// Unblocks the signals that it blocked.
    PKTVERBS_EXPORT ~StopOnSignal();

    /// Returns the token of the stop that a signal requests.
    PKTVERBS_EXPORT std::stop_token token() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace pktverbs
