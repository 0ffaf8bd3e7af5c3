// SPDX-License-Identifier: Apache-2.0
// CompletionChannel: a descriptor on which completion queues report events.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <memory>
#include <optional>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/open_device.hpp>

namespace pktverbs::verbs {

class CompletionQueue;

/// Reports that an armed completion queue had a completion. It must be armed again for the next event.
struct CompletionEvent {
    ibv_cq* cq = nullptr;     ///< the completion queue
    void* context = nullptr;  ///< the pointer that the queue was made with
};

/// Reports events of completion queues on a descriptor that a program can wait for.
///
/// A shared handle: copies are the same channel, which any number of one device's completion queues may share. One
/// thread at a time takes events. Meanwhile none of these queues may end, as an event that was taken but not yet
/// counted would refer to a queue that is gone. Throws std::system_error.
class PKTVERBS_EXPORT CompletionChannel {
public:
    /// Creates a channel, which never blocks.
    explicit CompletionChannel(OpenDevice device);

    /// Returns the device it belongs to.
    const OpenDevice& device() const noexcept { return device_; }
    /// Returns a descriptor that is readable while there are events; level-triggered.
    int fd() const noexcept { return channel_->fd; }
    /// Takes the next event, and acknowledges it. Returns nullopt if there is none now. All queues of the channel must
    /// be CompletionQueues.
    std::optional<CompletionEvent> next_event();
    /// Waits for an event. Returns nullopt if `timeout` passed first; nanoseconds::max() never passes.
    std::optional<CompletionEvent> wait_event(std::chrono::nanoseconds timeout);

    ibv_comp_channel* raw() const noexcept { return channel_.get(); }

private:
    OpenDevice device_;
    std::shared_ptr<ibv_comp_channel> channel_;
};

}  // namespace pktverbs::verbs
