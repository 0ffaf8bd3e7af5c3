// SPDX-License-Identifier: Apache-2.0
// Waiter, WaiterList: a list of suspended coroutines.
#pragma once

#include <coroutine>
#include <utility>

namespace pktverbs::async {

/// Keeps a suspended coroutine in the list of those that wait for the same thing. It leaves the list when it ends, as
/// its coroutine is resumed or destroyed.
class Waiter {
public:
    Waiter() noexcept = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { unlink(); }

protected:
    friend class WaiterList;
    /// Leaves its list, if it is in one.
    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = next_ = this;
    }

    Waiter* previous_ = this;            ///< itself in no list
    Waiter* next_ = this;                ///< itself in no list
    std::coroutine_handle<> coroutine_;  ///< to resume
};

/// Lists suspended coroutines, first come, first served. It owns nothing.
class WaiterList {
public:
    /// Whether no coroutine waits.
    bool empty() const noexcept { return ends_.next_ == &ends_; }
    /// Returns the waiter that has waited longest. The list must not be empty.
    Waiter& front() const noexcept { return *ends_.next_; }
    /// Appends a waiter, which leaves any other list.
    void push(Waiter& waiter) noexcept {
        waiter.unlink();
        waiter.previous_ = ends_.previous_;
        waiter.next_ = &ends_;
        ends_.previous_->next_ = &waiter;
        ends_.previous_ = &waiter;
    }
    void push(Waiter& waiter, std::coroutine_handle<> coroutine) noexcept {
        waiter.coroutine_ = coroutine;
        push(waiter);
    }
    /// Removes the first one and resumes its coroutine.
    void resume_front() const {
        Waiter& waiter = front();
        waiter.unlink();
        waiter.coroutine_.resume();
    }

private:
    Waiter ends_;
};

}  // namespace pktverbs::async
