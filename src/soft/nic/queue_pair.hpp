// SPDX-License-Identifier: Apache-2.0
// QueuePair: the soft device's raw packet ibv_qp, with ibv_qp_ex's functions to build work requests.
#pragma once

#include <infiniband/verbs.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "base/quick_mutex.hpp"
#include "soft/link/link.hpp"
#include "soft/nic/completion_queue.hpp"
#include "soft/nic/memory_regions.hpp"
#include "soft/nic/object_entry.hpp"
#include "soft/nic/receive_queue.hpp"
#include "soft/nic/rewritten_frames.hpp"
#include "soft/nic/send_entries.hpp"
#include "soft/steering/receive_hash.hpp"

namespace pktverbs::soft {

class IndirectionTable;
class Nic;
class PlainSends;

/// Locks, in the order in which they are taken: the one for changes of state, a completion queue's poll lock, the send
/// side's lock, the receive side's posting lock, the NIC's receive lock, a completion queue's lock.
///
/// One that spreads frames over work queues (receive-side scaling) has no queues and no state: posting, modify() and
/// query() fail, flows attach to it as to any other queue pair.
class QueuePair final : public ibv_qp_ex {
public:
    static constexpr std::uint32_t max_wr = ReceiveQueue::max_wr;
    static constexpr std::uint32_t max_sge = ReceiveQueue::max_sge;
    static constexpr std::uint32_t max_inline = 1024;
    static constexpr std::uint32_t max_tso = SendEntries::max_tso;
    static constexpr std::uint16_t max_tso_header = RewrittenFrames::max_header;

    /// `attr.cap` must be within the limits above; it is set to the granted values. The completion queues may be null
    /// for a queue pair that will spread frames.
    QueuePair(Nic& nic, ibv_pd* domain, ibv_qp_init_attr& attr);
    ~QueuePair();
    QueuePair(const QueuePair&) = delete;
    QueuePair& operator=(const QueuePair&) = delete;

    static QueuePair& of(ibv_qp* qp) noexcept { return *static_cast<QueuePair*>(reinterpret_cast<ibv_qp_ex*>(qp)); }
    static QueuePair& of(ibv_qp_ex* qp) noexcept { return *static_cast<QueuePair*>(qp); }
    ibv_qp* base() noexcept { return &qp_base; }

    int post_send(ibv_send_wr* wr, ibv_send_wr** bad_wr) noexcept;
    int post_recv(ibv_recv_wr* wr, ibv_recv_wr** bad_wr) noexcept { return receives_.post(wr, bad_wr); }
    int modify(const ibv_qp_attr& attr, int mask) noexcept;
    int query(ibv_qp_attr& attr, ibv_qp_init_attr& init) noexcept;
    /// After this call nothing is posted or received, and its completions are removed.
    void reset() noexcept;

    /// From now on spreads frames over the queues of `table`, by a hash that ReceiveHash::check() accepted.
    void spread(IndirectionTable& table, const ibv_rx_hash_conf& hash);
    bool spreads() const noexcept { return table_ != nullptr; }
    /// From now on takes IBV_WR_TSO, with headers of up to this many bytes, at most max_tso_header.
    void allow_segmentation(std::uint16_t header_bytes) { send_entries_.allow_segmentation(header_bytes); }
    void set_receive_offloads(ReceiveQueue::Offloads offloads) noexcept;
    /// Provides ibv_qp_ex's functions. `operations`: the ibv_qp_create_send_ops_flags that work, at most SEND and TSO.
    void offer_send_ops(std::uint64_t operations) noexcept;
    /// As ibv_qp_to_qp_ex(): null if it was made without send_ops_flags.
    ibv_qp_ex* extended() noexcept { return wr_start ? this : nullptr; }

    /// The queue for a frame that a flow steered here: its own, or one that it spreads frames over.
    ReceiveQueue& queue_for(const FrameKey& key) noexcept;
    /// Receives a frame into the queue for it; returns the outcome. Under the NIC's receive lock.
    ReceiveQueue::Received receive(ReceiveQueue& queue, const RxFrame& frame, std::uint32_t flow_tag,
                                   CompletionQueue::Writer& writer) noexcept;
    /// Sends frames that the link did not take before.
    void resume_sending() noexcept;

    ObjectEntry object_entry;
    int flows = 0;  ///< attached; under the NIC's receive lock

private:
    static constexpr std::size_t tx_batch = 64;

    static Completion::Result result_of(const SendEntries::Entry& entry, ibv_wc_status status) noexcept {
        return {.wr_id = entry.wr_id,
                .byte_len = status == IBV_WC_SUCCESS ? entry.length : 0,
                .status = status,
                .opcode = entry.mss == 0 ? IBV_WC_SEND : IBV_WC_TSO};
    }
    /// How an entry is sent.
    enum class Form : std::uint8_t {
        plain,      ///< unchanged, from memory
        rewritten,  ///< by RewrittenFrames
        refused,
    };

    int may_post_send() const noexcept;
    ibv_send_wr* send_plain(ibv_send_wr* wr) noexcept;
    void complete_plain(const PlainSends& sends, std::uint32_t sent) noexcept;
    int write_send(const ibv_send_wr& wr) noexcept;
    void transmit() noexcept;
    Form form_of(std::uint32_t index, std::uint32_t longest, ibv_wc_status& failure) noexcept;
    RewrittenFrames::Source source_of(std::uint32_t index, std::span<ibv_sge> readable) noexcept;
    bool transmit_rewritten(std::uint32_t longest) noexcept;
    void complete_sends(std::uint32_t count) noexcept;
    void fail_send(ibv_wc_status failure) noexcept;
    void flush_sends() noexcept;
    void enter_error(CompletionQueue::Writer& writer) noexcept;
    void forget_work() noexcept;

    // Between wr_start and wr_complete or wr_abort; in send_builder.cpp.
    void start_building() noexcept;
    bool begin_send(std::uint64_t operation) noexcept;
    void begin_segments(const void* header, std::uint16_t header_bytes, std::uint16_t mss) noexcept;
    void set_sges(std::size_t count, const ibv_sge* sges) noexcept;
    void set_inline_data(std::size_t count, const ibv_data_buf* buffers) noexcept;
    void fail_building(int error) noexcept;
    int complete_building() noexcept;
    void end_building() noexcept;
    template <class... Arguments>
    static void not_offered(ibv_qp_ex* qp, Arguments...) noexcept;

    Nic& nic_;
    CompletionQueue* send_cq_;
    ibv_qp_cap cap_;
    bool signal_all_;
    std::mutex modify_mutex_;
    std::uint8_t port_ = 0;
    std::atomic<ibv_qp_state> state_{IBV_QPS_RESET};

    // The send side: posted - reclaimed counts against the depth.
    QuickMutex send_mutex_;
    CompletionSource send_source_;
    SendEntries send_entries_;
    std::uint32_t send_posted_ = 0;
    std::uint32_t send_done_ = 0;
    std::uint32_t segments_sent_ = 0;  ///< in the entry send_done_

    // Entries after the posted ones belong to the thread that builds; other threads that post wait until it has
    // finished. No lock is held meanwhile: polling sends held-up frames, and a program may poll in between.
    bool building_ = false;  // under send_mutex_
    std::condition_variable_any built_;
    std::uint32_t built_count_ = 0;
    int build_error_ = 0;
    std::uint64_t operations_ = 0;  // of ibv_qp_create_send_ops_flags

    ReceiveQueue receives_;
    IndirectionTable* table_ = nullptr;
    std::unique_ptr<const ReceiveHash> hash_;
};

}  // namespace pktverbs::soft
