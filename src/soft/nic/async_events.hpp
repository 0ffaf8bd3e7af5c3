// SPDX-License-Identifier: Apache-2.0
// AsyncEvents: the asynchronous events of a NIC that nobody has taken yet.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>

namespace pktverbs::soft {

/// An event, and its place among those that wait.
struct PendingEvent {
    ibv_async_event event{};
    PendingEvent* next = nullptr;
    bool waits = false;
};

/// First come, first served. Each event has its place before it happens, an object's in the object: so to put one takes
/// no memory and never fails. The caller locks.
class AsyncEvents {
public:
    /// Events of the port that are kept for a program that never asks.
    static constexpr std::size_t max_of_port = 64;

    bool empty() const noexcept { return !first_; }

    /// One that waits already stays where it is.
    void put(PendingEvent& pending) noexcept {
        if (pending.waits) return;
        pending.waits = true;
        pending.next = nullptr;
        (last_ ? last_->next : first_) = &pending;
        last_ = &pending;
    }
    /// Of the port or the device. Of too many of the port, the oldest goes; that the device failed is always kept.
    void put(const ibv_async_event& event) noexcept {
        PendingEvent* place = &fatal_;
        if (event.event_type != IBV_EVENT_DEVICE_FATAL) {
            // Used in turn: one that still waits is the oldest.
            place = &of_port_[next_of_port_];
            next_of_port_ = (next_of_port_ + 1) % max_of_port;
            remove(*place);
        }
        place->event = event;
        put(*place);
    }
    /// The oldest one; there is one.
    ibv_async_event take() noexcept {
        PendingEvent& taken = *first_;
        remove(taken);
        return taken.event;
    }
    /// False if it doesn't wait.
    bool remove(PendingEvent& pending) noexcept {
        if (!pending.waits) return false;
        PendingEvent* before = nullptr;
        for (PendingEvent* at = first_; at != &pending; at = at->next) before = at;
        (before ? before->next : first_) = pending.next;
        if (last_ == &pending) last_ = before;
        pending.waits = false;
        return true;
    }

private:
    PendingEvent* first_ = nullptr;
    PendingEvent* last_ = nullptr;
    PendingEvent fatal_;
    std::array<PendingEvent, max_of_port> of_port_;
    std::size_t next_of_port_ = 0;
};

}  // namespace pktverbs::soft
