// SPDX-License-Identifier: Apache-2.0
// StopWake: makes an eventfd readable when stop is requested, and unreadable again at the end.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <stop_token>

namespace pktverbs {

/// What is in an eventfd, taken out.
inline void clear_event_fd(int fd) noexcept {
    std::uint64_t count;
    [[maybe_unused]] const auto got = read(fd, &count, sizeof count);
}

inline void set_event_fd(int fd) noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = write(fd, &one, sizeof one);
}

class StopWake {
public:
    StopWake(const std::stop_token& stop, int fd) : clear_{stop.stop_possible() ? fd : -1}, callback_{stop, Set{fd}} {}
    StopWake(const StopWake&) = delete;
    StopWake& operator=(const StopWake&) = delete;

private:
    struct Set {
        int fd;
        void operator()() const noexcept { set_event_fd(fd); }
    };
    struct Clear {
        int fd;
        ~Clear() {
            if (fd >= 0) clear_event_fd(fd);
        }
    };
    Clear clear_;  // before the callback, so that it runs when no callback can come any more
    std::stop_callback<Set> callback_;
};

}  // namespace pktverbs
