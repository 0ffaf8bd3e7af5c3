// SPDX-License-Identifier: Apache-2.0
// SendSide: the send side of a queue: hands out packets, posts them, and collects their completions.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>

#include <pktverbs/counters/stats.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/send_list.hpp>

#include "base/counter.hpp"
#include "base/event_fd.hpp"
#include "context/completions.hpp"
#include "context/queue_status.hpp"
#include "context/readiness.hpp"
#include "context/send_pool.hpp"
#include "context/thread_check.hpp"
#include "context/wait_strategy.hpp"
#include "offload/send_offloads.hpp"

namespace pktverbs {

struct QueueSetup;

/// One thread sends. The functions that Queue has, too, are described there.
class SendSide {
public:
    /// Without packets until open(). `queue` is the one that packets belong to. Throws std::system_error.
    SendSide(const QueueSetup& setup, QueueStatus& status, Queue& queue);
    SendSide(const SendSide&) = delete;
    SendSide& operator=(const SendSide&) = delete;

    /// Makes `count` packets, and the completion queue for them. Throws std::system_error.
    void open(const QueueSetup& setup, std::uint32_t count);
    void send_through(ibv_qp* qp, std::uint32_t max_inline) noexcept {
        qp_ = qp;
        max_inline_ = max_inline;
    }
    void set_signal_every(std::uint32_t packets) noexcept { signal_every_ = packets; }
    /// After the queue pair has been destroyed. Packets and their memory stay.
    void close() noexcept;

    SendList acquire(std::size_t count) noexcept;
    SendList acquire(std::size_t count, std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;
    /// Leaves in the list what was not posted.
    void send(SendList& packets) noexcept;
    bool flush(std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept;
    /// Takes back packets of a list that was not sent.
    void cancel(SendPkt* first, SendPkt* last, std::uint32_t count) noexcept;

    int fd() const noexcept { return readiness_.fd(); }
    bool arm() noexcept;
    void drain() noexcept;
    /// Ends a wait, for it to look at the queue's state.
    void wake() const noexcept { wake_.set(); }

    /// Collects completions. Returns whether none is due any more.
    bool collect() noexcept;
    /// After the queue pair has been reset: what is in flight counts as sent, and its packets are free again.
    void forget_in_flight() noexcept;

    /// The queue whose packets these are; null for none.
    static Queue* queue_of(const SendList& packets) noexcept { return packets.queue_; }

    Completions& completions() noexcept { return completions_; }
    const Completions& completions() const noexcept { return completions_; }
    ThreadCheck& thread_check() noexcept { return thread_check_; }
    /// Work requests, besides the packets' own, for which the queue pair must have room.
    std::uint32_t extra_work_requests() const noexcept { return offloads_.extra_work_requests(); }
    /// Whether packets may begin with a header that is written anew, in a gather element of its own.
    bool rewrites_headers() const noexcept { return offloads_.has_entries(); }
    std::size_t own_bytes() const noexcept { return pool_.own_bytes(); }
    /// Packets in lists of the user.
    std::uint32_t held() const noexcept { return packets_ - pool_.size() - in_flight_; }
    void read(Stats& stats) const noexcept;

private:
    static constexpr std::uint32_t poll_batch = 64;
    void retire(SendPkt& newest, bool ok) noexcept;
    void reclaim() noexcept;
    bool completion_due() const noexcept;
    struct Shaped {
        unsigned flags;                ///< ibv_send_flags
        ibv_send_wr* first = nullptr;  ///< where its work requests begin, if not with its own
    };
    int shape(SendPkt& pkt, Shaped& its) noexcept;
    template <class Done>
    bool wait(std::chrono::nanoseconds timeout, const std::stop_token& stop, Done done) noexcept;

    QueueStatus& status_;
    Queue& queue_;
    DeviceEvents& events_;
    Completions completions_;
    EventFd wake_;
    Readiness readiness_;
    ibv_qp* qp_ = nullptr;
    const WaitStrategy strategy_;
    std::uint32_t packets_ = 0;
    std::uint32_t max_inline_ = 0;
    std::uint32_t signal_every_ = 1;
    const std::uint32_t min_bytes_;  ///< that can be sent
    const bool needs_peer_;          ///< datagrams do
    SendPool pool_;
    SendOffloads offloads_;

    ThreadCheck thread_check_{"send"};
    SendPkt* oldest_in_flight_ = nullptr;
    SendPkt* newest_in_flight_ = nullptr;
    std::atomic<std::uint32_t> in_flight_{0};
    std::uint32_t next_sequence_ = 0;
    std::uint64_t bytes_posted_ = 0;
    std::uint64_t bytes_retired_ = 0;
    unsigned empty_acquires_ = 0;  ///< runs free
    Counter packets_sent_;
    Counter bytes_sent_;
    Counter errors_[IBV_WC_TM_RNDV_INCOMPLETE + 1];
    Counter refused_;
};

}  // namespace pktverbs
