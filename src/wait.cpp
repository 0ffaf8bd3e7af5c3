// SPDX-License-Identifier: Apache-2.0
// Core, waiting: one wait over any number of queues.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <stop_token>

#include "core.hpp"
#include "deadline.hpp"
#include "queue_state.hpp"

namespace pktverbs {

namespace {

constexpr int polls_per_clock_read = 32;

/// Makes an eventfd readable when stop is requested, and unreadable again at the end.
class StopWake {
public:
    StopWake(const std::stop_token& stop, int fd)
        : clear_{stop.stop_possible() ? fd : -1}, callback_{stop, Write{fd}} {}
    StopWake(const StopWake&) = delete;
    StopWake& operator=(const StopWake&) = delete;

private:
    struct Write {
        int fd;
        void operator()() const noexcept {
            const std::uint64_t one = 1;
            [[maybe_unused]] const auto put = write(fd, &one, sizeof one);
        }
    };
    struct Clear {
        int fd;
        ~Clear() {
            std::uint64_t count;
            if (fd < 0) return;
            [[maybe_unused]] const auto got = read(fd, &count, sizeof count);
        }
    };
    Clear clear_;  // before the callback, so that it runs when no callback can come any more
    std::stop_callback<Write> callback_;
};

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

    const Deadline spin_end{first.wait_mode == WaitMode::busy_poll         ? forever
                            : first.wait_mode == WaitMode::spin_then_block ? first.spin
                                                                           : std::chrono::nanoseconds::zero()};
    for (int polls = 1; first.wait_mode != WaitMode::block; ++polls) {
        if (RecvList list = poll_queues(); list.outcome_ != Outcome::timeout) return list;
        if (polls % polls_per_clock_read != 0) continue;
        if (stop.stop_requested()) return RecvList{Outcome::stopped};
        if (deadline.passed()) return {};
        if (spin_end.passed()) break;
    }

    for (std::size_t i = 0; i < queues.size(); ++i) fds[i] = {queues[i]->fd(), POLLIN, 0};
    fds[queues.size()] = {wake, POLLIN, 0};
    for (bool woken = false;;) {
        // Armed first, polled after: a packet that comes in between is either found here or makes an event.
        for (Queue* queue : queues)
            if (!queue->arm()) return RecvList{Outcome::device_error};
        if (RecvList list = poll_queues(); list.outcome_ != Outcome::timeout) return list;
        if (woken) queues[0]->state_->empty_wakeups.add(1);
        if (stop.stop_requested()) return RecvList{Outcome::stopped};

        timespec left;
        const int ready = ppoll(fds.data(), queues.size() + 1, deadline.left(left), nullptr);
        if (ready < 0 && errno != EINTR) {
            queues[0]->state_->error = errno;
            return RecvList{Outcome::device_error};
        }
        if (ready == 0) return poll_queues();
        woken = false;
        for (std::size_t i = 0; ready > 0 && i < queues.size(); ++i) {
            if (fds[i].revents == 0) continue;
            queues[i]->drain();
            woken = true;
        }
    }
}

RecvList Core::recv(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    if (limits.recv_packets == 0) return {};
    for (Queue* queue : queue_pointers) queue->state_->recv_side.enter();
    RecvList list = poll_all(queue_pointers, next_queue, [](Queue& queue) { return queue.next_list(); });
    if (list.outcome_ == Outcome::timeout && timeout > std::chrono::nanoseconds::zero())
        list = wait(queue_pointers, next_queue, pollfds, wake_fd.get(), timeout, stop);
    for (Queue* queue : queue_pointers) queue->state_->recv_side.leave();
    return list;
}

}  // namespace pktverbs
