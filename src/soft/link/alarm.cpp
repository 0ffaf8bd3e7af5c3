// SPDX-License-Identifier: Apache-2.0
#include "soft/link/alarm.hpp"

#include <sys/timerfd.h>

#include <cerrno>
#include <system_error>

namespace pktverbs::soft {

Alarm::Alarm() : timer_{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)} {
    if (!timer_) throw std::system_error{errno, std::generic_category(), "cannot make a timer"};
}

/// A time in the past makes it readable at once; setting it makes it unreadable until then (timerfd_create(2)). It is
/// never read, so it stays readable.
void Alarm::arm() noexcept {
    if (armed_at_ == at_) return;
    armed_at_ = at_;
    constexpr std::uint64_t second = 1'000'000'000;
    itimerspec time{};
    if (at_ != never) {
        time.it_value.tv_sec = static_cast<time_t>(at_ / second);
        time.it_value.tv_nsec = static_cast<long>(at_ % second);
        if (at_ == at_once) time.it_value.tv_nsec = 1;  // zero would disarm it
    }
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &time, nullptr);
}

void Alarm::set(std::uint64_t at) noexcept {
    const std::lock_guard lock{mutex_};
    if (at == at_) return;
    at_ = at;
    if (watchers_ > 0) arm();
}

void Alarm::watched(bool on) noexcept {
    const std::lock_guard lock{mutex_};
    watchers_ += on ? 1 : -1;
    if (on && watchers_ == 1) arm();
}

bool Alarm::is_watched() const noexcept {
    const std::lock_guard lock{mutex_};
    return watchers_ > 0;
}

}  // namespace pktverbs::soft
