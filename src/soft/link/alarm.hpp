// SPDX-License-Identifier: Apache-2.0
// Alarm: a descriptor that is readable from a time on, for threads that wait for a frame to fall due.
#pragma once

#include <cstdint>
#include <limits>
#include <mutex>

#include "base/file_descriptor.hpp"

namespace pktverbs::soft {

/// Its lock is the innermost of all locks of a device. Any thread.
class Alarm {
public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
    static constexpr std::uint64_t at_once = 0;

    /// Throws std::system_error.
    Alarm();

    int fd() const noexcept { return timer_.get(); }
    /// In nanoseconds of CLOCK_MONOTONIC.
    void set(std::uint64_t at) noexcept;
    /// One thread more, or one fewer, waits: while none does, setting it makes no system call.
    void watched(bool on) noexcept;
    bool is_watched() const noexcept;

private:
    void arm() noexcept;

    FileDescriptor timer_;
    mutable std::mutex mutex_;
    std::uint64_t at_ = never;
    std::uint64_t armed_at_ = never;  ///< the timer's; it is behind while nobody waits
    int watchers_ = 0;
};

}  // namespace pktverbs::soft
