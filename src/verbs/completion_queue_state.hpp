// SPDX-License-Identifier: Apache-2.0
// CompletionQueue::State: the queue itself, and its unacknowledged events.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include <pktverbs/verbs/completion_queue.hpp>
#include <pktverbs/verbs/handle.hpp>

namespace pktverbs::verbs {

/// Members are in creation order. This object is the queue's cq_context.
struct __attribute__((visibility("hidden"))) CompletionQueue::State {
    explicit State(const OpenDevice& on) : device{on} {}
    ~State() { acknowledge(); }  // destroying a queue waits until its events are acknowledged
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    /// Acknowledging takes a lock, so it is done for many at once (ibv_get_cq_event(3)).
    void count_event() noexcept {
        constexpr std::uint32_t batch = 64;
        if (++unacknowledged >= batch) acknowledge();
    }
    void acknowledge() noexcept {
        if (unacknowledged != 0) device.provider().ack_cq_events(cq.get(), unacknowledged);
        unacknowledged = 0;
    }

    OpenDevice device;
    std::optional<CompletionChannel> channel;
    void* user_context = nullptr;
    CqHandle cq;
    ibv_cq_ex* extended = nullptr;  ///< the same as cq, if that is an extended one
    std::uint32_t unacknowledged = 0;
    std::atomic<int> error{0};
};

}  // namespace pktverbs::verbs
