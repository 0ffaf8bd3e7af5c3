// SPDX-License-Identifier: Apache-2.0
// Core, waiting: one wait over any number of queues.
#include <poll.h>

#include <cerrno>
#include <stop_token>

#include "base/deadline.hpp"
#include "context/core.hpp"
#include "context/queue_state.hpp"
#include "context/stop_wake.hpp"

namespace pktverbs {

namespace {

constexpr unsigned polls_per_clock_read = 32;

/// Polls every queue once, beginning with `next`; the first list that is not an empty one of no news.
RecvList poll_all(std::span<Queue* const> queues, std::size_t& next, auto&& poll) {
    for (std::size_t i = 0; i < queues.size(); ++i) {
        Queue& queue = *queues[next];
        next = next + 1 == queues.size() ? 0 : next + 1;
        RecvList list = poll(queue);
        if (list.outcome() != Outcome::timeout) return list;
    }
    return {};
}

}  // namespace

RecvList Core::wait(std::span<Queue* const> queues, std::size_t& next, std::span<pollfd> fds, int wake,
                    std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    const Deadline deadline{timeout};
    const StopWake stop_wake{stop, wake};
    const auto poll_queues = [&] { return poll_all(queues, next, [](Queue& queue) { return queue.next_list(); }); };
    const Queue::State& first = *queues[0]->state_;

    const Deadline spin_end = first.spin_end();
    for (unsigned polls = 1; first.wait_mode != WaitMode::block; ++polls) {
        if (RecvList list = poll_queues(); list.outcome_ != Outcome::timeout) return list;
        if (polls % polls_per_clock_read != 0) continue;
        if (stop.stop_requested()) return RecvList{Outcome::stopped};
        if (deadline.passed()) return {};
        if (spin_end.passed()) break;
        if (polls % Core::polls_per_look == 0) first.core.look_for_device_events();
    }

    for (std::size_t i = 0; i < queues.size(); ++i) fds[i] = {queues[i]->state_->recv_channel->fd, POLLIN, 0};
    pollfd& woken = fds[queues.size()];
    pollfd& device_event = fds[queues.size() + 1];
    woken = {wake, POLLIN, 0};
    device_event = {first.core.context->async_fd, POLLIN, 0};
    for (bool had_event = false;;) {
        // Armed first, polled after: a packet that comes in between is either found here or makes an event.
        for (Queue* queue : queues)
            if (!queue->request_event()) return RecvList{Outcome::device_error};
        if (RecvList list = poll_queues(); list.outcome_ != Outcome::timeout) return list;
        if (had_event) queues[0]->state_->empty_wakeups.add(1);
        if (stop.stop_requested()) return RecvList{Outcome::stopped};
        // Not only when nothing is ready: a descriptor that always is must not make this wait for ever.
        if (deadline.passed()) return {};

        timespec left;
        const int ready = ppoll(fds.data(), queues.size() + 2, deadline.left(left), nullptr);
        if (ready < 0 && errno != EINTR) {
            queues[0]->state_->error = errno;
            return RecvList{Outcome::device_error};
        }
        had_event = false;
        if (ready <= 0) continue;
        if (woken.revents != 0) clear_event_fd(wake);
        if (device_event.revents != 0) first.core.take_device_events();
        for (std::size_t i = 0; i < queues.size(); ++i) {
            if (fds[i].revents == 0) continue;
            queues[i]->take_events();
            had_event = true;
        }
    }
}

RecvList Core::recv(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    if (limits.recv_packets == 0) return RecvList{Outcome::no_receive_side};
    if (stop.stop_requested()) return RecvList{Outcome::stopped};
    for (Queue* queue : queue_pointers) queue->state_->recv_side.enter();
    RecvList list = poll_all(queue_pointers, next_queue, [](Queue& queue) { return queue.next_list(); });
    if (list.outcome_ == Outcome::timeout && timeout > std::chrono::nanoseconds::zero())
        list = wait(queue_pointers, next_queue, pollfds, wake_fd.get(), timeout, stop);
    else if (list.outcome_ == Outcome::timeout)
        polled_in_vain(polls_in_vain);
    for (Queue* queue : queue_pointers) queue->state_->recv_side.leave();
    return list;
}

}  // namespace pktverbs
