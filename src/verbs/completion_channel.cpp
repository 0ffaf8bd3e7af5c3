// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/completion_channel.hpp>

#include <poll.h>

#include <cerrno>
#include <utility>

#include <pktverbs/verbs/handle.hpp>

#include "base/deadline.hpp"
#include "verbs/completion_objects.hpp"
#include "verbs/completion_queue_state.hpp"
#include "verbs/share.hpp"

namespace pktverbs::verbs {

CompletionChannel::CompletionChannel(OpenDevice device) : device_{std::move(device)} {
    channel_ = share(make_completion_channel(Port::of(device_)), device_);
}

std::optional<CompletionEvent> CompletionChannel::next_event() {
    ibv_cq* cq = nullptr;
    void* context = nullptr;
    errno = 0;
    if (device_.provider().get_cq_event(raw(), &cq, &context) == 0) {
        auto& queue = *static_cast<CompletionQueue::State*>(context);
        queue.events.add(device_.provider(), cq);
        return CompletionEvent{cq, queue.user_context};
    }
    if (errno == EAGAIN || errno == EINTR) return std::nullopt;
    throw_error(errno != 0 ? errno : EIO, device_.action("get_cq_event", "read a completion channel"));
}

std::optional<CompletionEvent> CompletionChannel::wait_event(std::chrono::nanoseconds timeout) {
    const Deadline deadline{timeout};
    for (;;) {
        if (const auto event = next_event()) return event;
        if (deadline.passed()) return std::nullopt;
        pollfd readable{fd(), POLLIN, 0};
        timespec left;
        if (ppoll(&readable, 1, deadline.left(left), nullptr) < 0 && errno != EINTR)
            throw_error(errno, device_.action("ppoll", "wait for a completion channel"));
    }
}

}  // namespace pktverbs::verbs
