// SPDX-License-Identifier: Apache-2.0
// RecvGroup: receives from one or several queues in turn, with one wait for all of them.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <vector>

#include <pktverbs/recv_list.hpp>

#include "base/event_fd.hpp"
#include "context/readiness.hpp"
#include "context/wait_strategy.hpp"

namespace pktverbs {

class RecvSide;

/// One thread receives. The functions that Queue has, too, are described there.
class RecvGroup {
public:
    /// Of `sides`, which outlive it, or close() is called before; none: there is no receive side. Throws
    /// std::system_error.
    RecvGroup(DeviceEvents& events, WaitStrategy strategy, std::vector<RecvSide*> sides);
    /// Before the sides' channels are closed.
    void close() noexcept { readiness_.close(); }

    RecvList recv(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;
    int fd() const noexcept { return readiness_.fd(); }
    bool arm() noexcept;
    void drain() noexcept;

    /// Set to end a wait, for it to look at the queues' state.
    const EventFd& wake() const noexcept { return wake_; }

private:
    RecvList poll() noexcept;
    RecvList wait(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;

    DeviceEvents& events_;
    const WaitStrategy strategy_;
    const std::vector<RecvSide*> sides_;
    std::size_t next_ = 0;  ///< the side that is polled first
    std::vector<pollfd> pollfds_;
    EventFd wake_;
    Readiness readiness_;
    unsigned polls_in_vain_ = 0;
};

}  // namespace pktverbs
