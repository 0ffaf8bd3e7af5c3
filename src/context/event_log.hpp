// SPDX-License-Identifier: Apache-2.0
// EventLog: the last events of a device, until somebody asks for them.
#pragma once

#include <sys/eventfd.h>

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include <pktverbs/verbs/async_event.hpp>

#include "base/file_descriptor.hpp"
#include "context/stop_wake.hpp"

namespace pktverbs {

/// Any thread. Of more than it has room for, the oldest go. Events are rare: a lock does no harm.
class EventLog {
public:
    void put(const verbs::AsyncEvent& event) noexcept {
        const std::lock_guard lock{mutex_};
        events_[(first_ + count_) % events_.size()] = event;
        if (count_ < events_.size())
            ++count_;
        else
            first_ = (first_ + 1) % events_.size();
        set_event_fd(fd_.get());
    }
    std::optional<verbs::AsyncEvent> take() noexcept {
        const std::lock_guard lock{mutex_};
        if (count_ == 0) return std::nullopt;
        if (--count_ == 0) clear_event_fd(fd_.get());
        return events_[std::exchange(first_, (first_ + 1) % events_.size())];
    }
    /// Readable while there are events. -1: there was none to be had.
    int fd() const noexcept { return fd_.get(); }

private:
    std::mutex mutex_;
    std::array<verbs::AsyncEvent, 64> events_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    FileDescriptor fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

}  // namespace pktverbs
