// SPDX-License-Identifier: Apache-2.0
// EventLog: the last events of a device, until they are read.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

#include <pktverbs/verbs/async_event.hpp>

#include "base/event_fd.hpp"

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
        ready_.set();
    }
    std::optional<verbs::AsyncEvent> take() noexcept {
        const std::lock_guard lock{mutex_};
        if (count_ == 0) return std::nullopt;
        if (--count_ == 0) ready_.clear();
        return events_[std::exchange(first_, (first_ + 1) % events_.size())];
    }
    /// Readable while there are events. -1 if the process had no descriptor left.
    int fd() const noexcept { return ready_.get(); }

private:
    std::mutex mutex_;
    std::array<verbs::AsyncEvent, 64> events_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    EventFd ready_;
};

}  // namespace pktverbs
