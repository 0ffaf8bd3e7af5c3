// SPDX-License-Identifier: Apache-2.0
// AsyncEvents: a NIC's pending asynchronous events.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>

namespace pktverbs::soft {

/// An event, and its place in the queue of pending ones.
struct PendingEvent {
    ibv_async_event event{};
    PendingEvent* next = nullptr;
    bool waits = false;
};

/// First in, first out. Each event's place exists before it happens, for an object's event in the object: so putting
/// one allocates nothing and never fails. The caller locks.
class AsyncEvents {
public:
    /// The number of port events kept for a program that never reads them.
    static constexpr std::size_t max_of_port = 64;

    bool empty() const noexcept { return !first_; }

    /// An event that is already pending keeps its place.
    void put(PendingEvent& pending) noexcept {
        if (pending.waits) return;
        pending.waits = true;
        pending.next = nullptr;
        (last_ ? last_->next : first_) = &pending;
        last_ = &pending;
    }
    /// An event of the port or the device. With too many port events, the oldest is dropped; a failed device's event is
    /// always kept.
    void put(const ibv_async_event& event) noexcept {
        PendingEvent* place = &fatal_;
        if (event.event_type != IBV_EVENT_DEVICE_FATAL) {
            // Used in turn: the next one, if still pending, is the oldest.
            place = &of_port_[next_of_port_];
            next_of_port_ = (next_of_port_ + 1) % max_of_port;
            remove(*place);
        }
        place->event = event;
        put(*place);
    }
    /// Takes the oldest one; there must be one.
    ibv_async_event take() noexcept {
        PendingEvent& taken = *first_;
        remove(taken);
        return taken.event;
    }
    /// False if it isn't pending.
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
