// SPDX-License-Identifier: Apache-2.0
// Executor::State: the tasks of an executor, and the operations that wait on it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include <pktverbs/async/executor.hpp>

#include "base/file_descriptor.hpp"

namespace pktverbs::async {

/// An operation is in one of these lists: `waiting` for its descriptor, timer or stop; `due` to be tried in the next
/// step, or already in this one (`trying`). It leaves when it ends, by whatever way.
struct __attribute__((visibility("hidden"))) Executor::State {
    using Cause = Operation::Cause;
    using Clock = std::chrono::steady_clock;

    State();
    /// Ends what waits here.
    void close() noexcept;

    bool step(std::chrono::nanoseconds timeout);
    void post(std::function<void()> call);
    void wake() const noexcept;
    void spawn(Task<> task);
    /// There is nothing left to wait for.
    bool is_idle() const noexcept { return tasks.empty() && new_tasks.empty() && waiting.empty() && !has_due(); }
    bool has_due() const noexcept { return !due.empty() || !trying.empty(); }
    /// The next step has something to do at once.
    bool has_work() const noexcept { return has_due() || !new_tasks.empty() || ended_tasks != 0; }

    /// Tries it for the first time: complete, failed, or in the list of those that wait.
    bool begin(Operation& operation) noexcept;
    /// To be tried again, or for the first time when others have had their turn.
    void make_due(Operation& operation, Cause cause) noexcept;
    /// Out of everything that knows it.
    void forget(Operation& operation) noexcept;

    /// So often may a coroutine find what it wants at once before others have their turn.
    static constexpr unsigned turns = 32;
    unsigned turns_left = turns;
    bool is_closing = false;

    FileDescriptor epoll;
    Executor* executor = nullptr;

private:
    bool start_tasks();
    bool try_due();
    bool is_complete(Operation& operation) noexcept;
    void sweep_tasks();
    void take_calls();
    void take_stops() noexcept;
    bool take_timers() noexcept;
    void wind_timer() noexcept;
    /// 0 or an errno.
    int enlist(Operation& operation) noexcept;
    int watch(Operation& operation) noexcept;
    void add(int fd) const;

    FileDescriptor wake_fd;
    FileDescriptor timer_fd;
    Operation::Timers timers;
    Clock::time_point wound_to = Clock::time_point::max();
    std::vector<Operation*> watchers;  ///< by descriptor
    WaiterList waiting;
    WaiterList due;
    WaiterList trying;
    std::vector<Task<>> new_tasks;
    std::vector<Task<>> tasks;
    std::size_t ended_tasks = 0;

    class UncalledCalls;
    using Calls = std::list<std::function<void()>>;  ///< which are moved from list to list without memory

    std::mutex calls_mutex;
    Calls calls;
};

}  // namespace pktverbs::async
