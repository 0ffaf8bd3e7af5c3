// SPDX-License-Identifier: Apache-2.0
// Core, asynchronous events: what goes wrong without any completion to tell of it.
#include <poll.h>

#include <cerrno>

#include "core.hpp"
#include "queue_state.hpp"
#include "stop_wake.hpp"

namespace pktverbs {

void Core::look_for_device_events() noexcept {
    pollfd readable{context->async_fd, POLLIN, 0};
    if (poll(&readable, 1, 0) > 0) take_device_events();
}

void Core::take_device_events() noexcept {
    const verbs::Provider& provider = *device.provider;
    ibv_async_event event{};
    while (provider.get_async_event(context.get(), &event) == 0) {
        const bool whole_device = event.event_type == IBV_EVENT_DEVICE_FATAL;
        for (Queue* queue : queue_pointers) {
            Queue::State& state = *queue->state_;
            if (event.event_type == IBV_EVENT_QP_FATAL && state.qp && event.element.qp == state.qp.get())
                state.in_error = true;
            if (event.event_type == IBV_EVENT_WQ_FATAL && event.element.wq == state.wq.get()) state.in_error = true;
            const bool its_cq = event.event_type == IBV_EVENT_CQ_ERR;
            if (whole_device || (its_cq && event.element.cq == state.recv_cq.get())) state.error = EIO;
            if (whole_device || (its_cq && event.element.cq == state.send_cq.get())) state.send_error = EIO;
            set_event_fd(state.wake.get());
            set_event_fd(state.send_wake.get());
        }
        set_event_fd(wake_fd.get());
        events.put(verbs::AsyncEvent::from(event));
        provider.ack_async_event(&event);
    }
    // The device itself is gone (ibv_get_async_event(3) passes on what read(2) says).
    if (errno == EAGAIN || errno == EINTR) return;
    const bool is_news = queue_pointers.front()->state_->error == 0;
    if (is_news) events.put({.type = IBV_EVENT_DEVICE_FATAL});
    for (Queue* queue : queue_pointers) queue->state_->error = queue->state_->send_error = EIO;
}

}  // namespace pktverbs
