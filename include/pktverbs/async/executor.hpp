// SPDX-License-Identifier: Apache-2.0
// Executor: runs coroutines in one thread, and waits for what they wait for.
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

/// Neither copied nor moved. An executor and all that waits on it is used by one thread at a time; only post() and
/// wake() may be called from any. Tasks run inside run(), run_for() and step() only, never inside another call.
/// What tasks use (contexts, queues) must outlive them: declare it before the executor, or let them end before it.
class PKTVERBS_EXPORT Executor {
public:
    /// Throws std::system_error.
    Executor();
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    /// Ends the tasks where they are suspended, last spawned first. Other coroutines that wait here are resumed, as if
    /// they had been stopped. Not from inside run() or step().
    ~Executor();

    /// Starts it at the next step, and ends it with the executor if it doesn't by itself. What leaves it leaves run()
    /// or step().
    void spawn(Task<> task);

    /// Until nothing is left to wait for, or until `stop` is requested, which ends this call and no task. True if
    /// nothing is left: every task has ended, and all Work. Throws what tasks, hooks and posted calls throw; may be
    /// called again.
    bool run(std::stop_token stop = {});
    /// The same, for `timeout` at most.
    bool run_for(std::chrono::nanoseconds timeout, std::stop_token stop = {});
    /// Waits until something happens, `timeout` at most, and handles it; whether anything did. nanoseconds::max()
    /// waits for ever. Throws like run().
    bool step(std::chrono::nanoseconds timeout);
    /// Readable when there is something to do: for another epoll instance or poll(2), followed by step(0ns).
    int fd() const noexcept;

    /// Calls it in the executor's thread, soon. Any thread.
    void post(std::function<void()> call);
    /// Lets step() return. Any thread.
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
