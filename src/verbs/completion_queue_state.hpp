// SPDX-License-Identifier: Apache-2.0
// CompletionQueue::State: the queue itself, and its unacknowledged events.
#pragma once

#include <atomic>
#include <optional>

#include <pktverbs/verbs/completion_queue.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "verbs/event_count.hpp"

namespace pktverbs::verbs {

/// Members are in creation order. This object is the queue's cq_context.
struct __attribute__((visibility("hidden"))) CompletionQueue::State {
    explicit State(const OpenDevice& on) : device{on} {}
    ~State() { events.acknowledge(device.provider(), cq.get()); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    OpenDevice device;
    std::optional<CompletionChannel> channel;
    void* user_context = nullptr;
    CqHandle cq;
    ibv_cq_ex* extended = nullptr;  ///< the same as cq, if that is an extended one
    EventCount events;
    std::atomic<int> error{0};
};

}  // namespace pktverbs::verbs
