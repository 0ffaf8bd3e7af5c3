// SPDX-License-Identifier: Apache-2.0
// Executor: an event loop for coroutines.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>

#include <pktverbs/async/operation.hpp>
#include <pktverbs/async/task.hpp>
#include <pktverbs/async/waiter.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::async {

/// Runs coroutines in one thread, and waits for the packets, times and completions that they wait for.
///
/// Neither copied nor moved. One thread at a time uses an executor and everything that waits on it; any thread may call
/// post() and wake(). Tasks run inside run(), run_for() and step() only, never inside another call. What tasks use
/// (contexts, queues) must outlive them: declare it before the executor, or let them end before it.
class PKTVERBS_EXPORT Executor {
public:
    /// Throws std::system_error, for instance if no descriptor is left.
    Executor();
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    /// Ends the tasks where they are suspended, the last spawned first. Other coroutines that wait here are resumed as
    /// if stopped. Must not be called inside run() or step().
    ~Executor();

    /// Starts a task at the next step. The executor's end ends it. Exceptions that leave
    /// the task leave run() or step().
    void spawn(Task<> task);

    /// Runs until nothing is left to wait for, or until `stop` is requested, which ends this call but no task. Returns
    /// true if nothing is left: every task has ended, and all Work. Throws what tasks, hooks and posted calls throw;
    /// may be called again.
    bool run(std::stop_token stop = {});
    /// Runs likewise, but for no longer than `timeout`.
    bool run_for(std::chrono::nanoseconds timeout, std::stop_token stop = {});
    /// Waits until something happens, but no longer than `timeout`, and handles it. Returns whether anything happened.
    /// nanoseconds::max() waits forever. Throws like run().
    bool step(std::chrono::nanoseconds timeout);
    /// Returns a descriptor that is readable when there is something to do: for another epoll instance or poll(2),
    /// followed by step(0ns).
    int fd() const noexcept;

    /// Calls a function in the executor's thread, soon. Any thread may call it.
    void post(std::function<void()> call);
    /// Makes step() return. Any thread may call it.
    void wake() noexcept;
    /// For awaitables of your own that need no descriptor: resumes the waiter's coroutine in this step or the next
    /// one, never inside this call. It leaves the list it is in.
    void resume_soon(Waiter& waiter) noexcept;

private:
    friend class Hook;
    friend class Operation;
    friend class Work;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace pktverbs::async
