// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/completion_channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "base/epoll.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

namespace {

int add(int epoll_fd, int fd, std::uint32_t events) noexcept {
    return control_epoll(epoll_fd, EPOLL_CTL_ADD, fd, events);
}

void modify(int epoll_fd, int fd, std::uint32_t events) noexcept { control_epoll(epoll_fd, EPOLL_CTL_MOD, fd, events); }

}  // namespace

CompletionChannel::CompletionChannel(Nic& nic)
    : ibv_comp_channel{},
      object_entry{nic.objects(), ObjectEntry::Kind::other},
      nic_{nic},
      receive_fd_{nic.link().receive_fd()},
      send_fd_{nic.link().send_fd()} {
    context = nic.context_base();
    fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || !event_ || add(fd, event_.get(), EPOLLIN) != 0 ||
        (receive_fd_ >= 0 && add(fd, receive_fd_, 0) != 0)) {
        const int error = errno;
        if (fd >= 0) close(fd);
        throw std::system_error{error, std::generic_category(), "cannot make a completion channel"};
    }
}

CompletionChannel::~CompletionChannel() {
    watch_receive(false);
    close(fd);
}

void CompletionChannel::signal() noexcept {
    if (is_signalled_) return;
    event_.set();
    is_signalled_ = true;
}

bool CompletionChannel::pop(ibv_cq** cq, void** cq_context) noexcept {
    if (!first_) return false;
    CompletionQueue& queue = *first_;
    if (--queue.pending_events == 0) {
        first_ = queue.next_with_events;
        queue.next_with_events = nullptr;
        if (!first_) last_ = nullptr;
    }
    ++queue.events_given;
    if (!first_) none_left();
    // In this order, for programs that pass an int in place of the context: the second store repairs the variable that
    // the first one overwrites, often the pointer for the queue.
    *cq_context = queue.cq_context;
    *cq = queue.base();
    return true;
}

/// The last event was taken or dropped.
void CompletionChannel::none_left() noexcept {
    if (is_signalled_ && !polls_) event_.clear();
    is_signalled_ = false;
    watch_receive(waiting_ != 0);
}

/// As get_event(), but takes what arrives meanwhile, and doesn't wait.
bool CompletionChannel::receive_event(ibv_cq** cq, void** cq_context) noexcept {
    {
        const std::lock_guard lock{mutex_};
        if (pop(cq, cq_context)) return true;
        ++receivers_;
    }
    nic_.link().waited();
    nic_.work();
    const std::lock_guard lock{mutex_};
    --receivers_;
    const bool has_event = pop(cq, cq_context);
    if (first_) signal();
    return has_event;
}

int CompletionChannel::get_event(ibv_cq** cq, void** cq_context) noexcept {
    for (;;) {
        if (receive_event(cq, cq_context)) return 0;
        if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) {
            errno = EAGAIN;
            return -1;
        }
        pollfd waiting{fd, POLLIN, 0};
        if (poll(&waiting, 1, -1) < 0) return -1;
    }
}

void CompletionChannel::notify(CompletionQueue& queue, bool waited) noexcept {
    const std::lock_guard lock{mutex_};
    if (waited) --waiting_;  // the link's descriptor is updated when the event is taken
    if (queue.pending_events++ > 0) return;
    if (last_)
        last_->next_with_events = &queue;
    else
        first_ = &queue;
    const bool was_empty = first_ == &queue;
    last_ = &queue;
    // A thread that receives in get_event() takes the event, or signals it then.
    if (was_empty && receivers_ == 0) signal();
}

std::uint32_t CompletionChannel::forget(CompletionQueue& queue) noexcept {
    const std::lock_guard lock{mutex_};
    CompletionQueue* before = nullptr;
    for (CompletionQueue* at = first_; at; before = at, at = at->next_with_events) {
        if (at != &queue) continue;
        (before ? before->next_with_events : first_) = at->next_with_events;
        if (last_ == at) last_ = before;
        if (!first_) none_left();
        break;
    }
    return queue.events_given;
}

void CompletionChannel::count_waiting(int change) noexcept {
    const std::lock_guard lock{mutex_};
    waiting_ += change;
    // With an event queued it is readable anyway, and none_left() will check.
    if (waiting_ != 0 || !first_) watch_receive(waiting_ != 0);
}

void CompletionChannel::watch_receive(bool on) noexcept {
    if (watching_ == on || receive_fd_ < 0) return;
    watching_ = on;
    nic_.link().watched(on);
    modify(fd, receive_fd_, on ? static_cast<std::uint32_t>(EPOLLIN) : 0U);
}

void CompletionChannel::watch_send(bool on) noexcept {
    if (send_fd_ < 0) return;
    const int done = on ? add(fd, send_fd_, EPOLLOUT) : epoll_ctl(fd, EPOLL_CTL_DEL, send_fd_, nullptr);
    const bool polls = on && done != 0 && errno != EEXIST;
    if (polls == polls_) [[likely]]
        return;
    const std::lock_guard lock{mutex_};
    polls_ = polls;
    if (polls)
        event_.set();
    else if (!is_signalled_)
        event_.clear();
}

}  // namespace pktverbs::soft
