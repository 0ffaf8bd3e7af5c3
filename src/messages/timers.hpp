// SPDX-License-Identifier: Apache-2.0
// Timers: what a loop does later, behind one descriptor.
#pragma once

#include <chrono>
#include <functional>
#include <map>

#include "base/file_descriptor.hpp"

namespace pktverbs::messages {

class Timer;

class Timers {
public:
    using Clock = std::chrono::steady_clock;

    /// Throws std::system_error.
    Timers();
    /// Readable when a timer is due.
    int fd() const noexcept { return fd_.get(); }
    /// Calls what is due; whether anything was.
    bool fire();

private:
    friend class Timer;
    using Waiting = std::multimap<Clock::time_point, Timer*>;
    void wind() noexcept;

    FileDescriptor fd_;
    Waiting waiting_;
    Clock::time_point wound_to_{};
};

/// Calls once, unless it ends or is stopped before. Must not outlive its timers while set.
class Timer {
public:
    explicit Timer(std::function<void()> call);
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { stop(); }

    void set(Timers& timers, std::chrono::nanoseconds from_now) noexcept;
    void stop() noexcept;

private:
    friend class Timers;
    std::function<void()> call_;
    Timers* timers_ = nullptr;
    Timers::Waiting::iterator place_;
    Timers::Waiting::node_type node_;  ///< while it is not set: setting allocates nothing
};

}  // namespace pktverbs::messages
