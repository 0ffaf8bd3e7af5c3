// SPDX-License-Identifier: Apache-2.0
#include "context/recv_group.hpp"

#include <cerrno>
#include <utility>

#include "base/deadline.hpp"
#include "context/recv_side.hpp"
#include "context/stop_wake.hpp"

namespace pktverbs {

namespace {

constexpr unsigned polls_per_clock_read = 32;

}  // namespace

RecvGroup::RecvGroup(DeviceEvents& events, WaitStrategy strategy, std::vector<RecvSide*> sides)
    : events_{events}, strategy_{strategy}, sides_{std::move(sides)}, pollfds_(sides_.size() + 2), readiness_{events} {
    if (!wake_) verbs::throw_error(errno, events.action("eventfd", "make an eventfd for"));
    if (sides_.empty()) return;
    readiness_.open(wake_);
    for (std::size_t i = 0; i < sides_.size(); ++i)
        readiness_.add(sides_[i]->completions().fd(), static_cast<std::uint32_t>(i));
}

/// Polls every side once; returns the first list that is not an empty one without news.
RecvList RecvGroup::poll() noexcept {
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        RecvSide& side = *sides_[next_];
        next_ = next_ + 1 == sides_.size() ? 0 : next_ + 1;
        RecvList list = side.next_list();
        if (list.outcome() != Outcome::timeout) return list;
    }
    return {};
}

RecvList RecvGroup::recv(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    if (sides_.empty()) return RecvList{Outcome::no_receive_side};
    if (stop.stop_requested()) return RecvList{Outcome::stopped};
    for (RecvSide* side : sides_) side->thread_check().enter();
    RecvList list = poll();
    if (list.outcome() == Outcome::timeout) {
        if (timeout > std::chrono::nanoseconds::zero())
            list = wait(timeout, stop);
        else
            events_.polled_in_vain(polls_in_vain_);
    }
    for (RecvSide* side : sides_) side->thread_check().leave();
    return list;
}

RecvList RecvGroup::wait(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    const Deadline deadline{timeout};
    const StopWake stop_wake{stop, wake_};

    const Deadline spin_end = strategy_.spin_end();
    for (unsigned polls = 1; strategy_.spins(); ++polls) {
        if (RecvList list = poll(); list.outcome() != Outcome::timeout) return list;
        if (polls % polls_per_clock_read != 0) continue;
        if (stop.stop_requested()) return RecvList{Outcome::stopped};
        if (deadline.passed()) return {};
        if (spin_end.passed()) break;
        if (polls % DeviceEvents::polls_per_look == 0) events_.look();
    }

    for (std::size_t i = 0; i < sides_.size(); ++i) pollfds_[i] = {sides_[i]->completions().fd(), POLLIN, 0};
    pollfd& woken = pollfds_[sides_.size()];
    pollfd& device_event = pollfds_[sides_.size() + 1];
    woken = {wake_.get(), POLLIN, 0};
    device_event = {events_.fd(), POLLIN, 0};
    for (bool had_event = false;;) {
        // Armed first, polled after: a packet that comes in between is either found here or makes an event.
        for (RecvSide* side : sides_)
            if (!side->completions().request_event()) return RecvList{Outcome::device_error};
        if (RecvList list = poll(); list.outcome() != Outcome::timeout) return list;
        if (had_event) sides_[0]->count_empty_wakeup();
        if (stop.stop_requested()) return RecvList{Outcome::stopped};
        // Not only when nothing is ready: a descriptor that always is must not make this wait for ever.
        if (deadline.passed()) return {};

        timespec left;
        const int ready = ppoll(pollfds_.data(), pollfds_.size(), deadline.left(left), nullptr);
        if (ready < 0 && errno != EINTR) {
            sides_[0]->completions().set_error(errno);
            return RecvList{Outcome::device_error};
        }
        had_event = false;
        if (ready <= 0) continue;
        if (woken.revents != 0) wake_.clear();
        if (device_event.revents != 0) events_.take();
        for (std::size_t i = 0; i < sides_.size(); ++i) {
            if (pollfds_[i].revents == 0) continue;
            sides_[i]->completions().take_events();
            had_event = true;
        }
    }
}

bool RecvGroup::arm() noexcept {
    bool armed = true;
    for (RecvSide* side : sides_) {
        const ThreadCheckScope scope{side->thread_check()};
        armed &= side->completions().request_event();
    }
    return armed;
}

void RecvGroup::drain() noexcept {
    if (!readiness_) return;
    readiness_.drain([this](std::uint32_t i) {
        const ThreadCheckScope scope{sides_[i]->thread_check()};
        sides_[i]->completions().take_events();
    });
}

}  // namespace pktverbs
