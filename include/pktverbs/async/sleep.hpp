// SPDX-License-Identifier: Apache-2.0
// sleep: waits for a time in a coroutine.
#pragma once

#include <chrono>
#include <stop_token>
#include <utility>

#include <pktverbs/async/executor.hpp>

namespace pktverbs::async {

/// Waits for a time: `co_await` returns true when it has passed, false if `stop` was requested first.
class Sleep final : public Operation {
public:
    /// Made by sleep().
    Sleep(Executor* executor, std::chrono::nanoseconds time, std::stop_token stop) noexcept
        : Operation{executor, time, std::move(stop)} {}
    /// Returns whether the time has passed.
    bool await_resume() const {
        check();
        return passed_;
    }

private:
    int fd() const noexcept override { return -1; }
    bool attempt(Cause cause) noexcept override {
        passed_ = cause == Cause::timeout && !stop().stop_requested();
        return cause != Cause::start || stop().stop_requested();
    }

    bool passed_ = false;
};

/// Waits in a coroutine that knows its executor, such as a Task spawned on one.
inline Sleep sleep(std::chrono::nanoseconds time, std::stop_token stop = {}) noexcept {
    return {nullptr, time, std::move(stop)};
}
/// Waits in a coroutine of another kind.
inline Sleep sleep(Executor& executor, std::chrono::nanoseconds time, std::stop_token stop = {}) noexcept {
    return {&executor, time, std::move(stop)};
}

}  // namespace pktverbs::async
