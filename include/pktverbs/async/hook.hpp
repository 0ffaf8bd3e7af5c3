// SPDX-License-Identifier: Apache-2.0
// Hook: a function that an executor calls: when a descriptor is readable, after a time, or soon.
#pragma once

#include <chrono>
#include <map>

#include <pktverbs/async/waiter.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::async {

class Executor;

/// Calls a function from an executor, so that callbacks can share it with coroutines.
///
/// Neither copied nor moved. It must end before its executor, and may end while it is called. It is used and called in
/// the executor's thread, inside run() and step() only. Exceptions of the function leave those; no other
/// event is lost.
class PKTVERBS_EXPORT Hook : private Waiter {
public:
    /// A function and its argument. It returns whether it did anything.
    struct Call {
        bool (*function)(void*);
        void* object;  ///< its argument
    };
    /// `Hook::call<&Reader::read>(reader)`: a member function without arguments that returns bool. The object must
    /// outlive the hook, or end it.
    template <auto member, class Object>
    static Call call(Object& object) noexcept {
        return {[](void* of) { return (static_cast<Object*>(of)->*member)(); }, &object};
    }

    /// Waits for nothing at first.
    Hook(Executor& executor, Call call);
    ~Hook() { cancel(); }

    /// Calls it each time that `fd` is readable, until cancel(), which must come before `fd` is closed. Throws
    /// std::system_error: EBUSY if another hook or a coroutine waits for it on this executor, or the error of
    /// epoll_ctl(2).
    void watch(int fd);
    /// Calls it once, after a time. A later call_after() or call_soon() replaces this one.
    void call_after(std::chrono::nanoseconds time) noexcept;
    /// Calls it once, in this step or the next one.
    void call_soon() noexcept;
    /// Ends all of these: no more calls.
    void cancel() noexcept;

private:
    friend class Executor;
    using Timers = std::multimap<std::chrono::steady_clock::time_point, Hook*>;

    Executor* executor_;
    Call call_;
    int watched_fd_ = -1;
    bool is_timed_ = false;
    bool is_due_ = false;
    Timers::iterator timer_;
    Timers::node_type node_;  ///< while no time is set, so that setting one allocates nothing
};

}  // namespace pktverbs::async
