// SPDX-License-Identifier: Apache-2.0
// DeviceEvents: takes a device's asynchronous events, marks the queues that they concern, and wakes all waiters.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "base/event_fd.hpp"
#include "context/event_log.hpp"

namespace pktverbs {

class QueueState;

/// Any thread, except where it says otherwise.
class DeviceEvents {
public:
    /// Throws std::system_error. `device` is for errors.
    DeviceEvents(const verbs::Provider& provider, ibv_context& context, std::string_view device);

    // Before the first event is taken.
    void add(QueueState& queue) { queues_.push_back(&queue); }
    void wake_also(const EventFd& waiter) { waiters_.push_back(&waiter); }
    /// `action` runs when the port's addresses have changed.
    void on_address_change(std::function<void()> action) { address_changed_ = std::move(action); }

    /// The device's descriptor, readable when there are events to take.
    int fd() const noexcept { return context_.async_fd; }

    void take() noexcept;
    /// Takes events if there are any: for callers that poll and never wait for fd().
    void look() noexcept;
    /// How often such a caller is to look: it is a system call, about once in a millisecond.
    static constexpr unsigned polls_per_look = 1U << 16;
    /// A call that doesn't wait found nothing; `count` is the calling thread's.
    void polled_in_vain(unsigned& count) noexcept {
        if (++count % polls_per_look == 0) [[unlikely]]
            look();
    }

    /// The oldest event that was taken and not read yet.
    std::optional<verbs::AsyncEvent> next() noexcept {
        look();
        return log_.take();
    }
    /// Waits until there is one, `timeout` has passed or `stop` is requested.
    std::optional<verbs::AsyncEvent> wait(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;

    verbs::Action action(std::string_view verb, std::string_view what) const noexcept { return {verb, what, device_}; }

private:
    void device_removed() noexcept;

    const verbs::Provider& provider_;
    ibv_context& context_;
    const std::string device_;
    std::vector<QueueState*> queues_;
    std::vector<const EventFd*> waiters_;
    std::function<void()> address_changed_;
    EventLog log_;
    std::atomic<bool> removed_{false};  ///< there are no more events, and the descriptor stays readable
};

}  // namespace pktverbs
