// SPDX-License-Identifier: Apache-2.0
// CompletionChannel: a descriptor that tells that armed completion queues have news.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <memory>
#include <optional>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/open_device.hpp>

namespace pktverbs::verbs {

class CompletionQueue;

/// One completion queue of a channel had a completion after it was armed; it must be armed again for the next event.
struct CompletionEvent {
    ibv_cq* cq = nullptr;
    void* context = nullptr;  ///< what the queue was made with
};

/// A shared handle: copies are the same channel. Any number of completion queues of one device may share it. One
/// thread at a time takes events, and meanwhile none of these queues may end: an event that is taken but not counted
/// yet would lead to a queue that is gone. Throws std::system_error.
class PKTVERBS_EXPORT CompletionChannel {
public:
    /// Non-blocking from the start.
    explicit CompletionChannel(OpenDevice device);

    const OpenDevice& device() const noexcept { return device_; }
    /// Readable while there are events; level-triggered.
    int fd() const noexcept { return channel_->fd; }
    /// The next event, acknowledged; nullopt if there is none now. All queues of the channel must be CompletionQueues.
    std::optional<CompletionEvent> next_event();
    /// Waits for one; nullopt if `timeout` passed first. nanoseconds::max() never does.
    std::optional<CompletionEvent> wait_event(std::chrono::nanoseconds timeout);

    ibv_comp_channel* raw() const noexcept { return channel_.get(); }

private:
    OpenDevice device_;
    std::shared_ptr<ibv_comp_channel> channel_;
};

}  // namespace pktverbs::verbs
