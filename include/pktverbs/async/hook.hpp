// SPDX-License-Identifier: Apache-2.0
// Hook: a function that an executor calls: when a descriptor is readable, after a time, or soon.
#pragma once

#include <chrono>
#include <map>

#include <pktverbs/async/waiter.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::async {

class Executor;

/// Lets callbacks share an executor with coroutines. Neither copied nor moved; must end before its executor, and may
/// end while it is called. To be used in the executor's thread, where it is called, inside run() and step() only. What
/// the function throws leaves them, and nothing else is lost by it.
class PKTVERBS_EXPORT Hook : private Waiter {
public:
    /// A function and what it is called with. It returns whether it did anything.
    struct Call {
        bool (*function)(void*);
        void* object;
    };
    /// `Hook::call<&Reader::read>(reader)`: a member function without arguments that returns bool. The object must
    /// outlive the hook, or end it.
    template <auto member, class Object>
    static Call call(Object& object) noexcept {
        return {[](void* of) { return (static_cast<Object*>(of)->*member)(); }, &object};
    }

    Hook(Executor& executor, Call call);
    ~Hook() { cancel(); }

    /// Each time that `fd` is readable, until cancel(), which must come before `fd` is closed. Throws
    /// std::system_error: EBUSY if something else waits for it here, or what epoll_ctl(2) said.
    void watch(int fd);
    /// Once, after a time. Of call_after() and call_soon(), the later one counts.
    void call_after(std::chrono::nanoseconds time) noexcept;
    /// Once, in this step or the next one.
    void call_soon() noexcept;
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
    Timers::node_type node_;  ///< while it has no time: to set one takes no memory
};

}  // namespace pktverbs::async
