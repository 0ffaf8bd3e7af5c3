// SPDX-License-Identifier: Apache-2.0
// sleep: lets a coroutine wait for a time.
#pragma once

#include <chrono>
#include <stop_token>
#include <utility>

#include <pktverbs/async/executor.hpp>

namespace pktverbs::async {

/// `co_await` gives true when the time has passed, false if `stop` was requested first.
class Sleep final : public Operation {
public:
    Sleep(Executor* executor, std::chrono::nanoseconds time, std::stop_token stop) noexcept
        : Operation{executor, time, std::move(stop)} {}
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

inline Sleep sleep(std::chrono::nanoseconds time, std::stop_token stop = {}) noexcept {
    return {nullptr, time, std::move(stop)};
}
/// For coroutines of other kinds.
inline Sleep sleep(Executor& executor, std::chrono::nanoseconds time, std::stop_token stop = {}) noexcept {
    return {&executor, time, std::move(stop)};
}

}  // namespace pktverbs::async
