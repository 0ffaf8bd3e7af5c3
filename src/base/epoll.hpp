// SPDX-License-Identifier: Apache-2.0
// epoll_ctl(2) for one descriptor, known by itself.
#pragma once

#include <sys/epoll.h>

#include <cstdint>

namespace pktverbs {

/// `operation`: EPOLL_CTL_ADD or EPOLL_CTL_MOD. Returns 0, or -1 and errno.
inline int control_epoll(int epoll_fd, int operation, int fd, std::uint32_t events) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return epoll_ctl(epoll_fd, operation, fd, &event);
}

}  // namespace pktverbs
