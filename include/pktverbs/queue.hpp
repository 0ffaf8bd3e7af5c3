// SPDX-License-Identifier: Apache-2.0
// Queue: one queue pair with its completion queues and its packets.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>

#include <pktverbs/counters/stats.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/recv_list.hpp>
#include <pktverbs/send_list.hpp>

namespace pktverbs {

class Core;
namespace async {
template <class Source>
class Recv;
}

/// Owned by a Context, reached by Context::queue(). Queues are independent of each other.
/// On one queue, one thread receives and one sends at a time; any thread may release
/// RecvLists. A debug build (no NDEBUG) stops with a message when two threads meet on one side.
/// Nothing here throws, allocates, logs or locks per packet, except where it says so.
class PKTVERBS_EXPORT Queue {
public:
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();

    /// Packets that have arrived, at most Limits::max_batch, in completion order. Waits until there is
    /// one, `timeout` has passed or `stop` was requested; RecvList::outcome() tells which. `no_timeout` never
    /// times out; zero or less never waits. A stop that was requested before comes first, packets or not. Failed
    /// completions (a frame longer than its buffer) are in the list too, with their status.
    RecvList recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// The same for a coroutine: needs <pktverbs/async/recv.hpp>.
    async::Recv<Queue> async_recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// Up to `count` free packets to fill; fewer, or none, if the others are still in flight. Never waits.
    SendList acquire(std::size_t count) noexcept;
    /// Waits until it has all of `count` (no more than there are), `timeout` has passed or `stop` was requested; not
    /// for packets that are in lists: only the caller's own thread can bring those back.
    SendList acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;
    /// Posts the whole list with one doorbell. What could not be posted comes back, first the packet that was
    /// refused, with the reason in SendList::error(): EMSGSIZE for a frame shorter than an Ethernet
    /// header, EDESTADDRREQ for a datagram without a peer, EINVAL for packets of another queue, EIO for a queue in
    /// error or a device that has failed (error(), sending), or what the device said. For what a packet asks for
    /// (Offloads): EOPNOTSUPP if the queue was not opened for it, EINVAL for headers that can't be cut, EMSGSIZE for
    /// more than can be cut, ENOBUFS until more are sent.
    SendList send(SendList packets) noexcept;
    /// Waits until no packet is in flight. False if `timeout` passed or `stop` was requested first, or if the device
    /// took only the start of a list: then it tells about that with the next send, or never.
    bool flush(std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;

    /// The queue pair is in the error state: it neither receives nor sends until recover().
    bool in_error() const noexcept;
    /// The errno with which the device refused to poll, arm or wait (Outcome::device_error, or a flush that gave up
    /// early), or 0. Stays until recover(), and until then the side that it happened on does not wait.
    int error() const noexcept;
    /// Brings a queue pair in error back to work: collects what is still to complete, resets it and posts
    /// every packet that is not held in a list. Installed flows stay. No other thread may receive or send on this queue
    /// meanwhile; lists may end. Throws std::system_error if the device refuses a step.
    void recover();

    /// For event loops: readable when an armed receive completed, or when the device has something to tell (that it
    /// failed, say); -1 without a receive side. Owned by the queue; level-triggered.
    int fd() const noexcept;
    /// Asks for one event at the next arrival. Then call recv(0ns) until it is empty (a packet may have come
    /// before this), and only then wait for fd(). False if the device refused.
    bool arm() noexcept;
    /// Takes the events off fd(); call it when fd() is readable, before arm().
    void drain() noexcept;
    /// The same for the send side: readable when an armed send completed; -1 without a send side.
    int send_fd() const noexcept;
    /// Asks for one event at the next send completion, and collects those that are there. Then call acquire(count) or
    /// flush(0ns) once more, and only then wait for send_fd(). False if none will come: nothing is in flight that
    /// would tell, or the device refused.
    bool arm_send() noexcept;
    /// Takes the events off send_fd(); call it when that is readable, before arm_send().
    void drain_send() noexcept;

    Stats stats() const noexcept;
    const Limits& limits() const noexcept;

    /// The verbs objects underneath, for the data path's verbs. Control verbs must come from
    /// Context::device().provider: libibverbs' own are only for its own objects.
    /// With Options::rss it only sends, and is null for a queue that doesn't.
    ibv_qp* raw() noexcept;
    /// With Options::rss, what receives; else null.
    ibv_wq* raw_wq() noexcept;
    ibv_cq* raw_recv_cq() noexcept;
    ibv_cq* raw_send_cq() noexcept;

private:
    friend class Core;
    friend class Context;
    friend class RecvList;
    friend class SendList;
    struct State;

    explicit Queue(std::unique_ptr<State> state) noexcept;
    void start();
    void collect();

    RecvList poll_recv(std::uint32_t most) noexcept;
    RecvList next_list() noexcept;
    std::uint32_t poll_batch(RecvList& list, std::uint32_t most) noexcept;
    std::uint32_t poll_extended(RecvList& list, std::uint32_t most) noexcept;
    void park(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept;
    void failed(RecvList& list, RecvPkt& pkt, ibv_wc_status status) noexcept;
    struct Posted {
        std::size_t posted = 0;
        std::size_t offered = 0;
    };
    bool request_event() noexcept;
    void take_events() noexcept;
    std::size_t post(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept;
    std::size_t give_back(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept;
    Posted post_parked() noexcept;

    int shape(SendPkt& pkt, unsigned& flags, ibv_send_wr*& first) noexcept;
    void reclaim() noexcept;
    void retire(SendPkt& newest, bool ok) noexcept;
    bool completion_due() const noexcept;
    void put_free(SendPkt* first, SendPkt* last, std::uint32_t count) noexcept;
    void cancel(SendPkt* first, SendPkt* last, std::uint32_t count) noexcept;
    template <class Done>
    bool wait_sends(std::chrono::nanoseconds timeout, const std::stop_token& stop, Done done) noexcept;

    std::unique_ptr<State> state_;
};

}  // namespace pktverbs
