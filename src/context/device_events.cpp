// SPDX-License-Identifier: Apache-2.0
#include "context/device_events.hpp"

#include <poll.h>

#include <array>
#include <cerrno>

#include "base/deadline.hpp"
#include "context/queue_state.hpp"
#include "context/stop_wake.hpp"

namespace pktverbs {

DeviceEvents::DeviceEvents(const verbs::Provider& provider, ibv_context& context, std::string_view device)
    : provider_{provider}, context_{context}, device_{device} {
    if (log_.fd() < 0) verbs::throw_error(errno, action("eventfd", "make an eventfd for"));
}

void DeviceEvents::look() noexcept {
    pollfd readable{fd(), POLLIN, 0};
    if (poll(&readable, 1, 0) > 0) take();
}

void DeviceEvents::take() noexcept {
    ibv_async_event event{};
    while (provider_.get_async_event(&context_, &event) == 0) {
        for (QueueState* queue : queues_) queue->note(event);
        for (const EventFd* waiter : waiters_) waiter->set();
        if (event.event_type == IBV_EVENT_GID_CHANGE && address_changed_) address_changed_();
        log_.put(verbs::AsyncEvent::from(event));
        provider_.ack_async_event(&event);
    }
    // ibv_get_async_event(3) passes on what read(2) reports.
    if (errno != EAGAIN && errno != EINTR) device_removed();
}

void DeviceEvents::device_removed() noexcept {
    removed_ = true;
    const bool is_news = queues_.front()->recv_side.completions().error() == 0;
    if (is_news) log_.put({.type = IBV_EVENT_DEVICE_FATAL});
    for (QueueState* queue : queues_) queue->device_failed();
}

std::optional<verbs::AsyncEvent> DeviceEvents::wait(std::chrono::nanoseconds timeout,
                                                    const std::stop_token& stop) noexcept {
    const Deadline deadline{timeout};
    // One of its own: other calls may be waiting for events, with other stop tokens.
    std::optional<EventFd> stopped;
    if (stop.stop_possible() && !stopped.emplace()) return std::nullopt;
    std::optional<StopWake> stop_wake;
    if (stopped) stop_wake.emplace(stop, *stopped);
    for (;;) {
        if (auto event = next()) return event;
        if (stop.stop_requested() || deadline.passed()) return std::nullopt;
        std::array<pollfd, 3> fds{
            {{log_.fd(), POLLIN, 0}, {stopped ? stopped->get() : -1, POLLIN, 0}, {removed_ ? -1 : fd(), POLLIN, 0}}};
        timespec left;
        if (ppoll(fds.data(), fds.size(), deadline.left(left), nullptr) < 0 && errno != EINTR) return std::nullopt;
    }
}

}  // namespace pktverbs
