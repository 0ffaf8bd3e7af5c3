// SPDX-License-Identifier: Apache-2.0
// Readiness: the descriptor that event loops wait for: completion channels, the device's own events, and an eventfd.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/file_descriptor.hpp"
#include "context/core.hpp"
#include "context/stop_wake.hpp"

namespace pktverbs {

/// An epoll instance. Whoever takes the device's events tells all queues by their eventfds, so each descriptor has one.
class Readiness {
public:
    Readiness() noexcept = default;
    /// Over the events of `core`'s device and `wake`. Throws std::system_error.
    Readiness(const Core& core, int wake);
    /// And a channel, by a number. Throws std::system_error.
    void add(const Core& core, int channel, std::uint32_t number) { watch(core, channel, number); }

    /// -1 without any.
    int fd() const noexcept { return fd_.get(); }
    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

    /// Takes what is there, of channels by calling take(number).
    template <class Take>
    void drain(Core& core, Take take) const noexcept {
        std::array<epoll_event, 16> ready;
        const int most = static_cast<int>(ready.size());
        bool woken = false;
        // What is ready moves to the end each time; of a device that is gone, it stays ready.
        for (int got = most, round = 0; got == most && round < max_rounds; ++round) {
            got = epoll_wait(fd_.get(), ready.data(), most, 0);
            for (int i = 0; i < got; ++i) {
                const std::uint32_t what = ready[static_cast<std::size_t>(i)].data.u32;
                if (what == device_events) core.take_device_events();
                if (what == device_events || what == wake_up)
                    woken = true;
                else
                    take(what);
            }
        }
        if (woken) clear_event_fd(wake_);
    }

private:
    static constexpr int max_rounds = 64;  ///< enough for all queues that there can be
    static constexpr std::uint32_t wake_up = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::uint32_t device_events = wake_up - 1;
    void watch(const Core& core, int fd, std::uint32_t what);

    FileDescriptor fd_;
    int wake_ = -1;
};

}  // namespace pktverbs
