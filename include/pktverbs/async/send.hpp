// SPDX-License-Identifier: Apache-2.0
// acquire, flush: wait for sends to complete in a coroutine.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stop_token>
#include <utility>

#include <pktverbs/async/executor.hpp>
#include <pktverbs/queue.hpp>

namespace pktverbs::async {

/// The base of operations on a queue's send side. The queue must outlive it; one coroutine waits for a queue's send
/// side at a time.
class SendOperation : public Operation {
protected:
    /// Made by acquire() or flush().
    SendOperation(Executor* executor, Queue& queue, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept
        : Operation{executor, timeout, std::move(stop)}, queue_{queue} {}

    /// Whether the operation is complete, as far as completions have been collected.
    virtual bool is_done() noexcept = 0;
    /// Returns the queue.
    Queue& queue() const noexcept { return queue_; }

private:
    int fd() const noexcept final { return queue_.send_fd(); }
    bool attempt(Cause cause) noexcept final {
        if (cause == Cause::readable) queue_.drain_send();
        if (is_done() || cause >= Cause::timeout || stop().stop_requested()) return true;
        const bool more_to_come = queue_.arm_send();
        return is_done() || !more_to_come;
    }

    Queue& queue_;
};

/// Waits for free packets: `co_await` returns what Queue::acquire(count, timeout, stop) would.
class [[nodiscard]] Acquire final : public SendOperation {
public:
    /// Made by acquire().
    Acquire(Executor* executor, Queue& queue, std::size_t count, std::chrono::nanoseconds timeout,
            std::stop_token stop) noexcept
        : SendOperation{executor, queue, timeout, std::move(stop)},
          count_{std::min<std::size_t>(count, queue.limits().send_packets)} {}
    /// Returns the packets. Throws std::system_error if the executor could not watch the queue's descriptor.
    SendList await_resume() {
        check();
        return std::move(list_);
    }

private:
    bool is_done() noexcept override {
        list_.append(queue().acquire(count_ - list_.size()));
        return list_.size() == count_;
    }

    std::size_t count_;
    SendList list_;
};

/// Waits until all packets are sent: `co_await` returns what Queue::flush(timeout, stop) would.
class [[nodiscard]] Flush final : public SendOperation {
public:
    /// Made by flush().
    Flush(Executor* executor, Queue& queue, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept
        : SendOperation{executor, queue, timeout, std::move(stop)} {}
    /// Returns whether all packets were sent. Throws std::system_error if the executor could not watch the queue's
    /// descriptor.
    bool await_resume() const {
        check();
        return done_;
    }

private:
    bool is_done() noexcept override { return done_ = queue().flush(std::chrono::nanoseconds::zero()); }

    bool done_ = false;
};

/// Takes free packets, in a coroutine that knows its executor, such as a Task spawned on one.
inline Acquire acquire(Queue& queue, std::size_t count, std::chrono::nanoseconds timeout = no_timeout,
                       std::stop_token stop = {}) noexcept {
    return {nullptr, queue, count, timeout, std::move(stop)};
}
/// Waits until all packets are sent, in a coroutine that knows its executor.
inline Flush flush(Queue& queue, std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept {
    return {nullptr, queue, timeout, std::move(stop)};
}
/// Takes free packets in a coroutine of another kind.
inline Acquire acquire(Executor& executor, Queue& queue, std::size_t count,
                       std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept {
    return {&executor, queue, count, timeout, std::move(stop)};
}
/// Waits until all packets are sent, in a coroutine of another kind.
inline Flush flush(Executor& executor, Queue& queue, std::chrono::nanoseconds timeout = no_timeout,
                   std::stop_token stop = {}) noexcept {
    return {&executor, queue, timeout, std::move(stop)};
}

}  // namespace pktverbs::async
