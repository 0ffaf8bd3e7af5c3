// SPDX-License-Identifier: Apache-2.0
// Executor::State: the tasks of an executor, and the operations and hooks that wait on it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <pktverbs/async/executor.hpp>
#include <pktverbs/async/hook.hpp>

#include "async/posted_calls.hpp"
#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"

namespace pktverbs::async {

/// Reports that an executor cannot watch a descriptor.
[[noreturn]] void throw_unwatched(int error);

/// An operation is in one of these lists: `waiting` for its descriptor, timer or stop; `due` to be tried in the next
/// step; `trying` in this step. It leaves the list when it ends. Hooks to be called and coroutines to be resumed have
/// two lists each for the same reason: what becomes due meanwhile comes after others have had their turn.
struct __attribute__((visibility("hidden"))) Executor::State {
    using Cause = Operation::Cause;
    using Clock = std::chrono::steady_clock;

    State();
    /// Ends everything that waits here.
    void close() noexcept;

    bool step(std::chrono::nanoseconds timeout);
    void post(std::function<void()> call);
    void wake() const noexcept { woken.set(); }
    void spawn(Task<> task);
    /// Whether there is nothing left to wait for.
    bool is_idle() const noexcept {
        return works == 0 && tasks.empty() && new_tasks.empty() && waiting.empty() && !has_due();
    }
    bool has_due() const noexcept {
        return !due.empty() || !trying.empty() || !due_hooks.empty() || !calling.empty() || !ready.empty() ||
               !resuming.empty();
    }
    /// Whether the next step has something to do at once.
    bool has_work() const noexcept { return has_due() || !new_tasks.empty() || ended_tasks != 0; }

    /// Tries it for the first time. Returns whether it is complete or has failed; otherwise it waits.
    bool begin(Operation& operation) noexcept;
    /// Lets it be tried again, or for the first time after others have had their turn.
    void make_due(Operation& operation, Cause cause) noexcept;
    /// Removes it from all lists.
    void forget(Operation& operation) noexcept;

    /// Returns 0 or an errno.
    int watch(Hook& hook, int fd) noexcept;
    void call_after(Hook& hook, std::chrono::nanoseconds time) noexcept;
    void call_soon(Hook& hook) noexcept;
    void forget(Hook& hook) noexcept;
    void resume_soon(Waiter& waiter) noexcept;

    /// How often a coroutine may complete an operation at once before others have their turn.
    static constexpr unsigned turns = 32;
    unsigned turns_left = turns;
    bool is_closing = false;
    bool is_running = false;  ///< inside run() or step()
    std::size_t works = 0;

    FileDescriptor epoll;
    Executor* executor = nullptr;

private:
    /// What waits for a descriptor: an operation, a hook or neither.
    struct Watcher {
        Operation* operation = nullptr;
        Hook* hook = nullptr;
    };

    bool start_tasks();
    bool do_due();
    bool try_due();
    bool call_due();
    bool resume_ready();
    bool is_complete(Operation& operation) noexcept;
    void sweep_tasks();
    void take_stops() noexcept;
    bool take_timers() noexcept;
    /// Until call_after() sets a new one.
    void stop_time(Hook& hook) noexcept;
    Clock::time_point next_time() const noexcept;
    void wind_timer() noexcept;
    /// Returns 0 or an errno.
    int enlist(Operation& operation) noexcept;
    int watch(Operation& operation) noexcept;
    int watch(int fd, std::uint32_t events) noexcept;
    Watcher watcher(int fd) const noexcept;
    void add(int fd) const;

    EventFd woken;
    FileDescriptor timer_fd;
    Operation::Timers timers;
    Hook::Timers hook_timers;
    Clock::time_point wound_to = Clock::time_point::max();
    std::vector<Watcher> watchers;  ///< by descriptor
    WaiterList waiting;
    WaiterList due;
    WaiterList trying;
    WaiterList due_hooks;
    WaiterList calling;
    WaiterList ready;  ///< to be resumed
    WaiterList resuming;
    std::vector<Task<>> new_tasks;
    std::vector<Task<>> tasks;
    std::size_t ended_tasks = 0;

    PostedCalls calls;
};

}  // namespace pktverbs::async
