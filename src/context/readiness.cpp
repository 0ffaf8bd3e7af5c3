// SPDX-License-Identifier: Apache-2.0
#include "context/readiness.hpp"

#include <cerrno>

namespace pktverbs {

Readiness::Readiness(const Core& core, int wake) : fd_{epoll_create1(EPOLL_CLOEXEC)}, wake_{wake} {
    if (!fd_) verbs::throw_error(errno, core.action("epoll_create1", "make an epoll instance for"));
    watch(core, wake, wake_up);
    watch(core, core.context->async_fd, device_events);
}

void Readiness::watch(const Core& core, int fd, std::uint32_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = what;
    if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        verbs::throw_error(errno, core.action("epoll_ctl", "watch the events of"));
}

}  // namespace pktverbs
