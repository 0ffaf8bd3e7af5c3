// SPDX-License-Identifier: Apache-2.0
// Readiness: the descriptor that event loops wait for: completion channels, the device's own events, and an EventFd.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"
#include "context/device_events.hpp"

namespace pktverbs {

/// An epoll instance. A thread that takes the device's events wakes all others by their EventFds, so each Readiness has
/// one.
class Readiness {
public:
    /// Without descriptors until open().
    explicit Readiness(DeviceEvents& events) noexcept : events_{events} {}
    /// Watches the device's events and `wake`. Throws std::system_error.
    void open(const EventFd& wake);
    /// Watches a channel as well, by a number. Throws std::system_error.
    void add(int channel, std::uint32_t number) { watch(channel, number); }
    void close() noexcept { fd_ = FileDescriptor{}; }

    /// -1 before open().
    int fd() const noexcept { return fd_.get(); }
    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

    /// Takes what is there; for a channel it calls take(number).
    template <class Take>
    void drain(Take take) const noexcept {
        std::array<epoll_event, 16> ready;
        const int most = static_cast<int>(ready.size());
        bool woken = false;
        // What is ready moves to the end each time; of a device that is gone, it stays ready.
        for (int got = most, round = 0; got == most && round < max_rounds; ++round) {
            got = epoll_wait(fd_.get(), ready.data(), most, 0);
            for (int i = 0; i < got; ++i) {
                const std::uint32_t what = ready[static_cast<std::size_t>(i)].data.u32;
                if (what == device_events) events_.take();
                if (what == device_events || what == wake_up)
                    woken = true;
                else
                    take(what);
            }
        }
        if (woken) wake_->clear();
    }

private:
    static constexpr int max_rounds = 64;  ///< enough for all queues that there can be
    static constexpr std::uint32_t wake_up = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint32_t device_events = wake_up - 1;
    void watch(int fd, std::uint32_t what);

    DeviceEvents& events_;
    const EventFd* wake_ = nullptr;
    FileDescriptor fd_;
};

}  // namespace pktverbs
