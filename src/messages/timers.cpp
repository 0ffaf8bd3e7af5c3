// SPDX-License-Identifier: Apache-2.0
#include "messages/timers.hpp"

#include <sys/timerfd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs::messages {

Timers::Timers() : fd_{timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)} {
    if (!fd_) verbs::throw_error(errno, verbs::Action{"timerfd_create", "make a timer", ""});
}

void Timers::wind() noexcept {
    const auto due = waiting_.empty() ? Clock::time_point{} : waiting_.begin()->first;
    if (std::exchange(wound_to_, due) == due) return;
    const auto since = due.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    itimerspec at{};
    at.it_value.tv_sec = seconds.count();
    at.it_value.tv_nsec = std::chrono::nanoseconds{since - seconds}.count();
    timerfd_settime(fd(), TFD_TIMER_ABSTIME, &at, nullptr);
}

bool Timers::fire() {
    std::uint64_t times = 0;
    if (read(fd(), &times, sizeof times) > 0) wound_to_ = {};
    bool fired = false;
    const auto now = Clock::now();
    // One at a time: what is called may set and stop others, and throw.
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
        Timer& timer = *waiting_.begin()->second;
        timer.stop();
        fired = true;
        timer.call_();
    }
    wind();
    return fired;
}

Timer::Timer(std::function<void()> call) : call_{std::move(call)} {
    Timers::Waiting made;
    made.emplace(Timers::Clock::time_point{}, this);
    node_ = made.extract(made.begin());
}

void Timer::set(Timers& timers, std::chrono::nanoseconds from_now) noexcept {
    stop();
    node_.key() = Timers::Clock::now() + from_now;
    place_ = timers.waiting_.insert(std::move(node_));
    timers_ = &timers;
    timers.wind();
}

void Timer::stop() noexcept {
    if (!timers_) return;
    node_ = timers_->waiting_.extract(place_);
    std::exchange(timers_, nullptr)->wind();
}

}  // namespace pktverbs::messages
