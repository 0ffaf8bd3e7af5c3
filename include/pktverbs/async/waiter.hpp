// SPDX-License-Identifier: Apache-2.0
// Waiter: a suspended coroutine in the list of what it waits for.
#pragma once

#include <coroutine>
#include <utility>

namespace pktverbs::async {

/// A link of a WaiterList; leaves it when it ends, which is when its coroutine is resumed or destroyed.
class Waiter {
public:
    Waiter() noexcept = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { unlink(); }

protected:
    friend class WaiterList;
    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        previous_ = next_ = this;
    }

    Waiter* previous_ = this;
    Waiter* next_ = this;
    std::coroutine_handle<> coroutine_;
};

/// First come, first served. Owns nothing.
class WaiterList {
public:
    bool empty() const noexcept { return ends_.next_ == &ends_; }
    Waiter& front() const noexcept { return *ends_.next_; }
    /// A waiter of another list leaves that one.
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
    /// Resumes the first one. It is in no list then.
    void resume_front() const {
        Waiter& waiter = front();
        waiter.unlink();
        waiter.coroutine_.resume();
    }

private:
    Waiter ends_;
};

}  // namespace pktverbs::async
