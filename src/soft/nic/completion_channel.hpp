// SPDX-License-Identifier: Apache-2.0
// CompletionChannel: the soft device's ibv_comp_channel.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <mutex>

#include "base/event_fd.hpp"
#include "soft/nic/object_entry.hpp"

namespace pktverbs::soft {

class CompletionQueue;
class Nic;

/// Its descriptor is an epoll instance over an eventfd (events that are queued) and the link's own descriptors: no
/// thread moves frames in the background, so whatever wakes the link must wake the waiter, whose ibv_get_cq_event then
/// does the work. The link's frames wake it only while one of its armed queues receives: a program that waits for
/// several channels and then calls a blocking get on the readable one must find its event there. Held-up sends wake
/// every channel, because this waiter may be the only thread that can send them, and there is no reply until they are
/// sent. As on hardware, the channel is readable when an event is queued, but it may also turn out to have none: then a
/// blocking get waits on, and a non-blocking one gives EAGAIN.
class CompletionChannel final : public ibv_comp_channel {
public:
    /// Throws std::system_error.
    explicit CompletionChannel(Nic& nic);
    ~CompletionChannel();
    CompletionChannel(const CompletionChannel&) = delete;
    CompletionChannel& operator=(const CompletionChannel&) = delete;

    /// 0, or -1 with errno: EAGAIN on a non-blocking descriptor, EINTR.
    int get_event(ibv_cq** cq, void** cq_context) noexcept;
    /// Queues an event for a queue, which is no longer armed; `waited`: it was counted by count_waiting(). Called with
    /// the completion queue locked.
    void notify(CompletionQueue& queue, bool waited) noexcept;
    /// Drops the events of a completion queue that is being destroyed. Returns how many it has given out.
    std::uint32_t forget(CompletionQueue& queue) noexcept;

    /// Counts one more, or one fewer, completion queue that is armed and receives: while there is any, the link's
    /// frames make the descriptor readable. Called with the completion queue locked.
    void count_waiting(int change) noexcept;
    /// Makes the descriptor readable also when the link can send. The kernel calls an epoll instance for each frame
    /// that leaves a socket in it, so that is in there only then. With the NIC's list of channels locked.
    void watch_send(bool on) noexcept;

    ObjectEntry object_entry;

private:
    // All but receive_event() with the channel locked.
    bool pop(ibv_cq** cq, void** cq_context) noexcept;
    bool receive_event(ibv_cq** cq, void** cq_context) noexcept;
    void signal() noexcept;
    void none_left() noexcept;
    void watch_receive(bool on) noexcept;

    Nic& nic_;
    EventFd event_;
    int receive_fd_;
    int send_fd_;

    std::mutex mutex_;
    CompletionQueue* first_ = nullptr;
    CompletionQueue* last_ = nullptr;
    bool is_signalled_ = false;  // event_
    bool polls_ = false;         // who waits: there was no memory to watch for room; changed with the NIC's list locked
    int receivers_ = 0;          // threads that receive in get_event()
    bool watching_ = false;
    int waiting_ = 0;  // armed queues that receive
};

}  // namespace pktverbs::soft
