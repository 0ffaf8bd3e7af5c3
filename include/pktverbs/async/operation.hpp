// SPDX-License-Identifier: Apache-2.0
// Operation: the base of what a coroutine can wait for on an Executor.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <utility>

#include <pktverbs/async/task.hpp>
#include <pktverbs/async/waiter.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::async {

/// Lets a coroutine wait on an Executor; the base of all awaitables here, and of your own.
///
/// A derived class says what to try and when to try again. An operation is made, awaited once and ended by one co_await
/// expression. It is tried, and its coroutine resumed, in the executor's thread.
class PKTVERBS_EXPORT Operation : public Waiter {
public:
    /// Operations by the time when they end, for the executor.
    using Timers = std::multimap<std::chrono::steady_clock::time_point, Operation*>;

    bool await_ready() const noexcept { return false; }
    /// Throws std::system_error (EINVAL) if neither the operation nor the coroutine knows an executor.
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> by) {
        coroutine_ = by;
        return suspend(executor_ ? executor_ : executor_of(by));
    }

protected:
    /// Why it is tried. Later ones take precedence: at `timeout` and `stopped` it must complete.
    enum class Cause : std::uint8_t { start, readable, timeout, stopped };

    /// If `executor` is null, it is the coroutine's. A timeout of zero or less never waits.
    Operation(Executor* executor, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept
        : executor_{executor}, timeout_{timeout}, stop_{std::move(stop)} {}
    virtual ~Operation();

    /// Returns the descriptor that is readable when it should be tried again, or -1. Only one operation or hook
    /// may wait for it on the same executor.
    virtual int fd() const noexcept = 0;
    /// Tries. Returns whether it is complete; if not, fd() becomes readable later.
    virtual bool attempt(Cause cause) noexcept = 0;

    /// Returns the stop token that ends the wait.
    const std::stop_token& stop() const noexcept { return stop_; }
    /// For await_resume(): throws std::system_error if the executor could not watch fd(): EBUSY if another coroutine
    /// or a hook already waits for it, or the errno of epoll_ctl(2).
    void check() const;

private:
    friend class Executor;
    struct Wake {
        Executor* executor;
        void operator()() const noexcept;
    };

    bool suspend(Executor* executor);

    Executor* executor_;
    std::chrono::nanoseconds timeout_;
    std::stop_token stop_;
    std::optional<std::stop_callback<Wake>> stop_callback_;
    std::optional<Timers::iterator> timer_;
    int watched_fd_ = -1;
    int error_ = 0;
    Cause cause_ = Cause::start;
    bool is_suspended_ = false;
    bool is_due_ = false;  ///< will be tried soon
};

}  // namespace pktverbs::async
