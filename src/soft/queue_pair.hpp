// SPDX-License-Identifier: Apache-2.0
// QueuePair: the soft device's raw packet ibv_qp.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "soft/completion_queue.hpp"
#include "soft/link.hpp"

namespace pktverbs::soft {

class Nic;

/// Locks, in the order in which they are taken: the one for changes of state, a completion queue's poll lock, the
/// send side's, the receive side's posting lock, the NIC's receive lock, a completion queue's. Receives
/// are taken from the ring under the NIC's receive lock only.
class QueuePair final : public ibv_qp {
public:
    static constexpr std::uint32_t max_wr = 32768;
    static constexpr std::uint32_t max_sge = 16;
    static constexpr std::uint32_t max_inline = 1024;

    /// What became of a frame that a flow steered here.
    enum class Received : std::uint8_t { completed, out_of_buffer, not_ready };

    /// `attr.cap` must be within the limits above; it is set to what is granted.
    QueuePair(Nic& nic, ibv_pd* domain, ibv_qp_init_attr& attr, std::uint32_t number);
    ~QueuePair();
    QueuePair(const QueuePair&) = delete;
    QueuePair& operator=(const QueuePair&) = delete;

    static QueuePair& of(ibv_qp* qp) noexcept { return *static_cast<QueuePair*>(qp); }

    int post_send(ibv_send_wr* wr, ibv_send_wr** bad_wr) noexcept;
    int post_recv(ibv_recv_wr* wr, ibv_recv_wr** bad_wr) noexcept;
    int modify(const ibv_qp_attr& attr, int mask) noexcept;
    int query(ibv_qp_attr& attr, ibv_qp_init_attr& init) noexcept;

    /// Under the NIC's receive lock.
    Received receive(const RxFrame& frame, std::uint32_t flow_tag, CompletionQueue::Writer& writer) noexcept;
    /// Sends what the link did not take before.
    void resume_sending() noexcept;
    /// A completion was polled: its queue entries may be posted to again.
    void reclaim(const Completion& completion) noexcept {
        auto& reclaimed = completion.is_send ? send_reclaimed_ : recv_reclaimed_;
        reclaimed.store(completion.reclaim, std::memory_order_release);
    }

    CompletionQueue& send_queue() noexcept { return *send_cq_; }
    CompletionQueue& recv_queue() noexcept { return *recv_cq_; }
    int flows = 0;  ///< attached; under the NIC's lock

private:
    struct SendEntry;
    struct RecvEntry;
    static constexpr std::size_t tx_batch = 64;

    SendEntry& send_entry(std::uint32_t index) noexcept;
    RecvEntry& recv_entry(std::uint32_t index) noexcept;
    int write_send(const ibv_send_wr& wr) noexcept;
    void transmit() noexcept;
    bool sendable(const SendEntry& entry, std::uint32_t longest, Completion& failure) noexcept;
    void complete_sends(std::uint32_t count) noexcept;
    void fail_send(const Completion& failure) noexcept;
    void flush_sends() noexcept;
    bool scatter(const RecvEntry& entry, const RxFrame& frame, std::uint8_t& status) noexcept;
    void flush_receives(CompletionQueue::Writer& writer) noexcept;
    void enter_error(CompletionQueue::Writer& writer) noexcept;
    void forget_work() noexcept;

    Nic& nic_;
    CompletionQueue* send_cq_;
    CompletionQueue* recv_cq_;
    ibv_qp_cap cap_;
    bool signal_all_;
    std::mutex modify_mutex_;
    std::uint8_t port_ = 0;
    std::atomic<ibv_qp_state> state_{IBV_QPS_RESET};

    // The send side: ring indexes run free; posted - reclaimed is what counts against the depth.
    std::mutex send_mutex_;
    std::size_t send_stride_;
    std::unique_ptr<std::byte[]> send_ring_;
    std::unique_ptr<std::uint8_t[]> inline_data_;
    std::uint32_t send_mask_;
    std::uint32_t send_posted_ = 0;
    std::uint32_t send_done_ = 0;
    std::atomic<std::uint32_t> send_reclaimed_{0};

    // The receive side.
    std::mutex post_recv_mutex_;
    std::size_t recv_stride_;
    std::unique_ptr<std::byte[]> recv_ring_;
    std::uint32_t recv_mask_;
    std::atomic<std::uint32_t> recv_posted_{0};
    std::uint32_t recv_done_ = 0;  // under the NIC's receive lock
    std::atomic<std::uint32_t> recv_reclaimed_{0};
};

}  // namespace pktverbs::soft
