// SPDX-License-Identifier: Apache-2.0
// RecvSide: the receive side of a queue: polls, and posts the packets that are returned.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <pktverbs/counters/stats.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/recv_list.hpp>

#include "base/counter.hpp"
#include "context/completions.hpp"
#include "context/queue_status.hpp"
#include "context/recv_pool.hpp"
#include "context/thread_check.hpp"
#include "offload/receive_offloads.hpp"

namespace pktverbs {

struct QueueSetup;

/// One thread receives; any thread returns packets.
class RecvSide {
public:
    /// Without packets until open(). `queue` is the one that packets belong to.
    RecvSide(const QueueSetup& setup, QueueStatus& status, Queue& queue) noexcept;
    RecvSide(const RecvSide&) = delete;
    RecvSide& operator=(const RecvSide&) = delete;

    /// Makes `count` packets, and the completion queue for them. Throws std::system_error.
    void open(const QueueSetup& setup, std::uint32_t count);
    void receive_from(ibv_qp* qp) noexcept { qp_ = qp; }
    void receive_from(ibv_wq* wq) noexcept { wq_ = wq; }
    /// At least 1: the most packets that one next_list() returns. By default half of those that are posted, so that one
    /// call never takes all from the NIC.
    void set_max_batch(std::uint32_t packets, bool is_default) noexcept {
        max_batch_ = packets;
        default_batch_ = is_default;
    }
    /// After the queue pair and the work queue have been destroyed. Packets and their memory stay.
    void close() noexcept;

    /// Polls. An empty list has the reason: Outcome::timeout if there was nothing.
    RecvList next_list() noexcept;
    /// Posts packets of a list, and then those that the device refused before. Returns how many were posted. Any
    /// thread.
    std::size_t give_back(RecvPkt* first, RecvPkt* last, std::uint32_t count) noexcept;

    /// Posts every packet that is neither posted nor in a list. Throws std::system_error if the device refuses one.
    void post_all(const verbs::Port& port);
    struct Posted {
        std::size_t posted = 0;
        std::size_t offered = 0;
    };
    /// The same, but refused packets are posted with the next ones that come back.
    Posted post_pending() noexcept;
    /// While it is on, packets that are returned are not posted: recover() does it. Waits for threads that return some.
    void hold_returns(bool on) noexcept;
    /// Polls everything that is posted to a queue pair in error. Packets that were received whole are kept for
    /// next_list(). Returns whether nothing is posted any more.
    bool collect() noexcept;

    Completions& completions() noexcept { return completions_; }
    const Completions& completions() const noexcept { return completions_; }
    ThreadCheck& thread_check() noexcept { return thread_check_; }
    /// Whether packets carry timestamps.
    bool has_timestamps() const noexcept { return timestamps_; }
    std::size_t own_bytes() const noexcept { return pool_.own_bytes(); }
    /// Packets in lists of the user.
    std::uint32_t held() const noexcept {
        return packets_ - posted_ - pool_.size() - static_cast<std::uint32_t>(saved_.size());
    }
    void count_empty_wakeup() noexcept { empty_wakeups_.add(1); }
    void read(Stats& stats) const noexcept;

private:
    static constexpr std::uint32_t poll_batch = 64;
    using Chain = RecvPool::Chain;

    void open_completions(const QueueSetup& setup, std::uint32_t count);
    RecvList poll(std::uint32_t most) noexcept;
    std::uint32_t poll_plain(RecvList& list, std::uint32_t most) noexcept;
    std::uint32_t poll_extended(RecvList& list, std::uint32_t most) noexcept;
    void failed(RecvList& list, RecvPkt& pkt, ibv_wc_status status) noexcept;
    std::size_t post(const Chain& chain) noexcept;

    QueueStatus& status_;
    Queue& queue_;
    Completions completions_;
    ibv_qp* qp_ = nullptr;  ///< receives, unless there is a work queue
    ibv_wq* wq_ = nullptr;
    std::uint32_t packets_ = 0;
    std::uint32_t max_batch_ = 1;
    bool default_batch_ = true;
    bool timestamps_ = false;
    bool flow_tags_ = false;    ///< the extended queue reads them
    const bool device_strips_;  ///< VLAN tags; the extended queue reads them
    const ReceiveOffloads offloads_;
    const bool finishes_;  ///< packets have something done to them when they were received
    const std::uint64_t clock_khz_;
    const std::uint32_t header_bytes_;
    const std::uint32_t source_mask_;
    RecvPool pool_;  ///< packets to be posted: refused by the device, or flushed by it

    ThreadCheck thread_check_{"receive"};
    std::atomic<std::uint32_t> posted_{0};
    std::atomic<bool> holds_returns_{false};
    RecvList saved_;  ///< received whole before recover(), for the next recv
    Counter packets_received_;
    Counter bytes_received_;
    Counter errors_[IBV_WC_TM_RNDV_INCOMPLETE + 1];
    Counter empty_wakeups_;
    Counter starvations_;
    Counter largest_batch_;
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<int> post_error_{0};  ///< errno of the last refused packet
};

}  // namespace pktverbs
