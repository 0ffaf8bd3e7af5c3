// SPDX-License-Identifier: Apache-2.0
// Operation: what a coroutine waits for on an Executor.
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

/// The base of all awaitables here, and of your own: say what to try, and when to try again. Made, awaited once, and
/// ended by one co_await expression. It is tried, and its coroutine resumed, in the executor's thread.
class PKTVERBS_EXPORT Operation : public Waiter {
public:
    using Timers = std::multimap<std::chrono::steady_clock::time_point, Operation*>;

    bool await_ready() const noexcept { return false; }
    /// Throws std::system_error (EINVAL) if neither the operation nor the coroutine knows an executor.
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> by) {
        coroutine_ = by;
        return suspend(executor_ ? executor_ : executor_of(by));
    }

protected:
    /// Why it is tried. The later ones are stronger: at `timeout` and `stopped` it must complete.
    enum class Cause : std::uint8_t { start, readable, timeout, stopped };

    /// `executor` may be null: then it is the coroutine's. Zero or less never waits.
    Operation(Executor* executor, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept
        : executor_{executor}, timeout_{timeout}, stop_{std::move(stop)} {}
    virtual ~Operation();

    /// The descriptor that is readable when it is to be tried again, or -1. Nobody else may wait for the same one on
    /// the same executor.
    virtual int fd() const noexcept = 0;
    /// Whether it is complete now; if not, fd() will be readable.
    virtual bool attempt(Cause cause) noexcept = 0;

    const std::stop_token& stop() const noexcept { return stop_; }
    /// For await_resume(): throws std::system_error if the executor could not watch fd(): EBUSY if another coroutine
    /// waits for it already, or what epoll_ctl(2) said.
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
    bool is_due_ = false;  ///< to be tried soon
};

}  // namespace pktverbs::async
