// SPDX-License-Identifier: Apache-2.0
#include "context/readiness.hpp"

#include <cerrno>

namespace pktverbs {

void Readiness::open(const EventFd& wake) {
    fd_ = FileDescriptor{epoll_create1(EPOLL_CLOEXEC)};
    if (!fd_) verbs::throw_error(errno, events_.action("epoll_create1", "make an epoll instance for"));
    wake_ = &wake;
    watch(wake.get(), wake_up);
    watch(events_.fd(), device_events);
}

void Readiness::watch(int fd, std::uint32_t what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = what;
    if (epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        verbs::throw_error(errno, events_.action("epoll_ctl", "watch the events of"));
}

}  // namespace pktverbs
