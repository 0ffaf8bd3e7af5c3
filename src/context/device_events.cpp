// SPDX-License-Identifier: Apache-2.0
// Core, asynchronous events: what goes wrong without any completion to tell of it.
#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/queue_state.hpp"
#include "context/stop_wake.hpp"
#include "flow/flow_registry.hpp"

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
        if (event.event_type == IBV_EVENT_GID_CHANGE && flows) flows->follow([this] { return mac(); });
        events.put(verbs::AsyncEvent::from(event));
        provider.ack_async_event(&event);
    }
    // The device itself is gone (ibv_get_async_event(3) passes on what read(2) says).
    if (errno == EAGAIN || errno == EINTR) return;
    device_gone = true;
    const bool is_news = queue_pointers.front()->state_->error == 0;
    if (is_news) events.put({.type = IBV_EVENT_DEVICE_FATAL});
    for (Queue* queue : queue_pointers) queue->state_->error = queue->state_->send_error = EIO;
}

std::optional<verbs::AsyncEvent> Core::wait_event(std::chrono::nanoseconds timeout,
                                                  const std::stop_token& stop) noexcept {
    const Deadline deadline{timeout};
    // One of its own: other calls may be waiting for events, with other stop tokens.
    const FileDescriptor stopped{stop.stop_possible() ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1};
    if (stop.stop_possible() && !stopped) return std::nullopt;
    const StopWake stop_wake{stop, stopped.get()};
    for (;;) {
        look_for_device_events();
        if (auto event = events.take()) return event;
        if (stop.stop_requested() || deadline.passed()) return std::nullopt;
        std::array<pollfd, 3> fds{
            {{events.fd(), POLLIN, 0}, {stopped.get(), POLLIN, 0}, {device_gone ? -1 : context->async_fd, POLLIN, 0}}};
        timespec left;
        if (ppoll(fds.data(), fds.size(), deadline.left(left), nullptr) < 0 && errno != EINTR) return std::nullopt;
    }
}

}  // namespace pktverbs
