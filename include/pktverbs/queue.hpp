// SPDX-License-Identifier: Apache-2.0
// Queue: one queue pair with its completion queues and its packets.
#pragma once

#include <infiniband/verbs.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>

#include <pktverbs/counters/stats.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/recv_list.hpp>
#include <pktverbs/send_list.hpp>

namespace pktverbs {

namespace async {
template <class Source>
class Recv;
}

/// Receives and sends packets through one queue pair, with completion queues and packets of its own.
///
/// A Context owns it; see Context::queue(). Queues are independent of each other. On one queue, one thread receives and
/// one sends at a time; any thread may release RecvLists. A debug build (no NDEBUG) stops with a message when two
/// threads meet on one side. Nothing here throws, allocates, logs or locks per packet, except where it says so.
class PKTVERBS_EXPORT Queue {
public:
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    /// Returns packets that have arrived, at most Limits::max_batch, in completion order. Waits until there is one,
    /// `timeout` has passed or `stop` was requested; RecvList::outcome() says which. `no_timeout` never times out; zero
    /// or less never waits. If a stop was requested before the call, no packet is returned. Failed completions (a frame
    /// longer than its buffer) are in the list, too, with their status.
    RecvList recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// Receives in a coroutine. Needs <pktverbs/async/recv.hpp>.
    async::Recv<Queue> async_recv(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept;

    /// Takes up to `count` free packets to fill; fewer, or none, if the others are still in flight. Never waits.
    SendList acquire(std::size_t count) noexcept;
    /// Takes `count` packets (no more than the queue has). Waits until it has all, `timeout` has passed or `stop` was
    /// requested; does not wait for packets in lists, which only the caller's own thread can bring back.
    SendList acquire(std::size_t count, std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;
    /// Posts the whole list with one doorbell. Returns the packets that could not be posted, the refused one first,
    /// with the reason in SendList::error(): EMSGSIZE for a frame shorter than an Ethernet header, EDESTADDRREQ for a
    /// datagram without a peer, EINVAL for packets of another queue, EIO for a queue in error or a device that has
    /// failed (error(), sending), or the device's errno. For requests of a packet (Offloads): EOPNOTSUPP if the queue
    /// was not opened for them, EINVAL for headers that can't be cut, EMSGSIZE for more than can be cut, ENOBUFS until
    /// more are sent.
    SendList send(SendList packets) noexcept;
    /// Waits until no packet is in flight. Returns false if `timeout` passed or `stop` was requested first, or if the
    /// device took only the start of a list; it then reports those packets with the next send, or never.
    bool flush(std::chrono::nanoseconds timeout, std::stop_token stop = {}) noexcept;

    /// Whether the queue pair is in the error state, in which it neither receives nor sends until recover().
    bool in_error() const noexcept;
    /// Returns the errno with which the device refused to poll, arm or wait (Outcome::device_error, or a flush that
    /// gave up early), or 0. It stays until recover(); until then the side that it happened on does not wait.
    int error() const noexcept;
    /// Makes a queue pair in error work again: collects what is still to complete, resets it and posts every packet
    /// that is not held in a list. Installed flows stay. No other thread may receive or send on this queue meanwhile;
    /// lists may end. Throws std::system_error if the device refuses a step.
    void recover();

    /// Returns a descriptor for event loops: readable when an armed receive completed, or when the device reports an
    /// event, such as its failure; -1 without a receive side. Owned by the queue; level-triggered.
    int fd() const noexcept;
    /// Requests one event at the next arrival. Then call recv(0ns) until it is empty (a packet may have come before),
    /// and only then wait for fd(). Returns false if the device refused.
    bool arm() noexcept;
    /// Takes the events off fd(). Call it when fd() is readable, before arm().
    void drain() noexcept;
    /// Returns the descriptor of the send side: readable when an armed send completed; -1 without a send side.
    int send_fd() const noexcept;
    /// Requests one event at the next send completion, and collects the completions that are there. Then call
    /// acquire(count) or flush(0ns) once more, and only then wait for send_fd(). Returns false if no event will come:
    /// nothing that would cause one is in flight, or the device refused.
    bool arm_send() noexcept;
    /// Takes the events off send_fd(). Call it when send_fd() is readable, before arm_send().
    void drain_send() noexcept;

    /// Returns the queue's counters.
    Stats stats() const noexcept;
    /// Returns what the device granted.
    const Limits& limits() const noexcept;

    /// Returns the queue pair underneath, for the data path's verbs. Control verbs must come from
    /// Context::device().provider: libibverbs' own are only for its own objects. With Options::rss it only sends, and
    /// is null for a queue that doesn't.
    ibv_qp* raw() noexcept;
    /// Returns the work queue that receives, with Options::rss; else null.
    ibv_wq* raw_wq() noexcept;
    /// Returns the completion queue of receives.
    ibv_cq* raw_recv_cq() noexcept;
    /// Returns the completion queue of sends.
    ibv_cq* raw_send_cq() noexcept;

protected:
    // What is behind it is the library's own, derived from it.
    Queue() noexcept = default;
    ~Queue() = default;
};

}  // namespace pktverbs
