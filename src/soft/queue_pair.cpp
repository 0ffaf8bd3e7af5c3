// SPDX-License-Identifier: Apache-2.0
#include "soft/queue_pair.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "soft/nic.hpp"

namespace pktverbs::soft {

// Ring entries have room for the granted number of scatter elements behind them.
struct QueuePair::SendEntry {
    std::uint64_t wr_id;
    std::uint32_t length;
    std::uint16_t sge_count;
    bool signalled;
    bool inlined;
    ibv_sge* sges() noexcept { return reinterpret_cast<ibv_sge*>(this + 1); }
    const ibv_sge* sges() const noexcept { return reinterpret_cast<const ibv_sge*>(this + 1); }
};

struct QueuePair::RecvEntry {
    std::uint64_t wr_id;
    std::uint64_t sge_count;
    ibv_sge* sges() noexcept { return reinterpret_cast<ibv_sge*>(this + 1); }
    const ibv_sge* sges() const noexcept { return reinterpret_cast<const ibv_sge*>(this + 1); }
};

namespace {

constexpr std::uint32_t ethernet_header = 14;

bool receives(ibv_qp_state state) noexcept {
    return state == IBV_QPS_RTR || state == IBV_QPS_RTS || state == IBV_QPS_SQD || state == IBV_QPS_SQE;
}

}  // namespace

QueuePair::QueuePair(Nic& nic, ibv_pd* domain, ibv_qp_init_attr& attr, std::uint32_t number)
    : ibv_qp{},
      nic_{nic},
      send_cq_{&CompletionQueue::of(attr.send_cq)},
      recv_cq_{&CompletionQueue::of(attr.recv_cq)},
      signal_all_{attr.sq_sig_all != 0} {
    const auto grant = [](std::uint32_t asked) { return asked == 0 ? 0 : std::bit_ceil(asked); };
    cap_.max_send_wr = grant(attr.cap.max_send_wr);
    cap_.max_recv_wr = grant(attr.cap.max_recv_wr);
    cap_.max_send_sge = std::max(attr.cap.max_send_sge, 1U);
    cap_.max_recv_sge = std::max(attr.cap.max_recv_sge, 1U);
    cap_.max_inline_data = attr.cap.max_inline_data;
    attr.cap = cap_;
    send_stride_ = sizeof(SendEntry) + cap_.max_send_sge * sizeof(ibv_sge);
    recv_stride_ = sizeof(RecvEntry) + cap_.max_recv_sge * sizeof(ibv_sge);
    send_ring_ = std::make_unique<std::byte[]>(send_stride_ * cap_.max_send_wr);
    recv_ring_ = std::make_unique<std::byte[]>(recv_stride_ * cap_.max_recv_wr);
    inline_data_ = std::make_unique<std::uint8_t[]>(std::size_t{cap_.max_inline_data} * cap_.max_send_wr);
    send_mask_ = cap_.max_send_wr - 1;
    recv_mask_ = cap_.max_recv_wr - 1;

    context = nic.context_base();
    qp_context = attr.qp_context;
    pd = domain;
    send_cq = attr.send_cq;
    recv_cq = attr.recv_cq;
    handle = number;
    qp_num = number;
    state = IBV_QPS_RESET;
    qp_type = IBV_QPT_RAW_PACKET;
    pthread_mutex_init(&mutex, nullptr);
    pthread_cond_init(&cond, nullptr);
}

QueuePair::~QueuePair() {
    pthread_cond_destroy(&cond);
    pthread_mutex_destroy(&mutex);
}

QueuePair::SendEntry& QueuePair::send_entry(std::uint32_t index) noexcept {
    return *reinterpret_cast<SendEntry*>(&send_ring_[(index & send_mask_) * send_stride_]);
}

QueuePair::RecvEntry& QueuePair::recv_entry(std::uint32_t index) noexcept {
    return *reinterpret_cast<RecvEntry*>(&recv_ring_[(index & recv_mask_) * recv_stride_]);
}

// Sending: what ibv_post_send(3) refuses at once is refused here; what a NIC finds out when it
// reads the work request becomes a failed completion, in sendable().

int QueuePair::write_send(const ibv_send_wr& wr) noexcept {
    if (wr.opcode != IBV_WR_SEND || wr.num_sge < 0 || static_cast<std::uint32_t>(wr.num_sge) > cap_.max_send_sge)
        return EINVAL;
    // The device does not say that it can, so nothing would ever fill in the checksums.
    if ((wr.send_flags & IBV_SEND_IP_CSUM) != 0) return EINVAL;
    if (send_posted_ - send_reclaimed_.load(std::memory_order_acquire) >= cap_.max_send_wr) return ENOMEM;
    SendEntry& entry = send_entry(send_posted_);
    entry.wr_id = wr.wr_id;
    entry.sge_count = static_cast<std::uint16_t>(wr.num_sge);
    entry.signalled = signal_all_ || (wr.send_flags & IBV_SEND_SIGNALED) != 0;
    entry.inlined = (wr.send_flags & IBV_SEND_INLINE) != 0;
    std::uint64_t length = 0;
    for (int i = 0; i < wr.num_sge; ++i) {
        entry.sges()[i] = wr.sg_list[i];
        length += wr.sg_list[i].length;
    }
    entry.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(length, UINT32_MAX));
    if (entry.inlined) [[unlikely]] {
        if (length > cap_.max_inline_data) return EINVAL;
        // The caller may reuse its memory, and needs no lkey for it, from here on.
        std::uint8_t* const copy = &inline_data_[std::size_t{send_posted_ & send_mask_} * cap_.max_inline_data];
        std::uint8_t* at = copy;
        for (int i = 0; i < wr.num_sge; ++i) {
            if (wr.sg_list[i].length == 0) continue;
            std::memcpy(at, reinterpret_cast<const void*>(wr.sg_list[i].addr), wr.sg_list[i].length);
            at += wr.sg_list[i].length;
        }
        entry.sge_count = 1;
        entry.sges()[0] = {reinterpret_cast<std::uint64_t>(copy), entry.length, 0};
    }
    ++send_posted_;
    return 0;
}

int QueuePair::post_send(ibv_send_wr* wr, ibv_send_wr** bad_wr) noexcept {
    const std::lock_guard lock{send_mutex_};
    const ibv_qp_state now = state_.load(std::memory_order_relaxed);
    int error = now == IBV_QPS_RTS || now == IBV_QPS_SQD || now == IBV_QPS_ERR ? 0 : EINVAL;
    for (; wr && error == 0; wr = wr->next) {
        error = write_send(*wr);
        if (error != 0) break;
    }
    if (error != 0) *bad_wr = wr;
    transmit();
    return error;
}

bool QueuePair::sendable(const SendEntry& entry, std::uint32_t longest, Completion& failure) noexcept {
    const auto fail = [&](ibv_wc_status status) {
        failure = {
            .wr_id = entry.wr_id, .queue_pair = this, .status = static_cast<std::uint8_t>(status), .is_send = true};
        return false;
    };
    if (entry.length < ethernet_header) return fail(IBV_WC_LOC_QP_OP_ERR);
    if (entry.length > longest) return fail(IBV_WC_LOC_LEN_ERR);
    if (entry.inlined) return true;
    for (std::uint32_t i = 0; i < entry.sge_count; ++i) {
        const ibv_sge& sge = entry.sges()[i];
        if (sge.length == 0) continue;  // names no memory, as drivers have it
        if (!nic_.regions().covers(sge.lkey, pd, sge.addr, sge.length, false)) return fail(IBV_WC_LOC_PROT_ERR);
    }
    return true;
}

void QueuePair::complete_sends(std::uint32_t count) noexcept {
    if (count == 0) return;
    const std::uint64_t now = nic_.timestamp();
    CompletionQueue::Writer writer;
    for (const std::uint32_t end = send_done_ + count; send_done_ != end;) {
        const SendEntry& entry = send_entry(send_done_++);
        if (!entry.signalled) continue;
        writer.push(*send_cq_, {.wr_id = entry.wr_id,
                                .queue_pair = this,
                                .timestamp_ns = now,
                                .byte_len = entry.length,
                                .reclaim = send_done_,
                                .is_send = true});
    }
}

void QueuePair::fail_send(const Completion& failure) noexcept {
    ++send_done_;
    {
        const std::lock_guard lock{nic_.receive_mutex()};
        CompletionQueue::Writer writer;
        Completion failed = failure;
        failed.reclaim = send_done_;
        writer.push(*send_cq_, failed);
        enter_error(writer);
    }
    flush_sends();
}

void QueuePair::flush_sends() noexcept {
    CompletionQueue::Writer writer;
    while (send_done_ != send_posted_) {
        const std::uint64_t wr_id = send_entry(send_done_++).wr_id;
        writer.push(*send_cq_, {.wr_id = wr_id,
                                .queue_pair = this,
                                .reclaim = send_done_,
                                .status = IBV_WC_WR_FLUSH_ERR,
                                .is_send = true});
    }
}

void QueuePair::transmit() noexcept {
    std::array<TxFrame, tx_batch> frames;
    const std::uint32_t longest = nic_.max_frame();
    while (send_done_ != send_posted_) {
        const ibv_qp_state now = state_.load(std::memory_order_relaxed);
        if (now == IBV_QPS_ERR) return flush_sends();
        if (now != IBV_QPS_RTS) return;
        Completion failure;
        bool failed = false;
        std::size_t count = 0;
        for (std::uint32_t i = send_done_; i != send_posted_ && count < frames.size(); ++i) {
            const SendEntry& entry = send_entry(i);
            failed = !sendable(entry, longest, failure);
            if (failed) break;
            frames[count++] = {entry.sges(), entry.sge_count, entry.length};
        }
        const std::size_t sent = count == 0 ? 0 : nic_.transmit(std::span{frames}.first(count));
        complete_sends(static_cast<std::uint32_t>(sent));
        if (sent < count) return nic_.sending_stalled();
        if (failed) return fail_send(failure);
    }
}

void QueuePair::resume_sending() noexcept {
    const std::lock_guard lock{send_mutex_};
    transmit();
}

// Receiving.

int QueuePair::post_recv(ibv_recv_wr* wr, ibv_recv_wr** bad_wr) noexcept {
    const std::lock_guard lock{post_recv_mutex_};
    int error = state_.load(std::memory_order_relaxed) == IBV_QPS_RESET ? EINVAL : 0;
    std::uint32_t posted = recv_posted_.load(std::memory_order_relaxed);
    for (; wr && error == 0; wr = wr->next) {
        if (wr->num_sge < 0 || static_cast<std::uint32_t>(wr->num_sge) > cap_.max_recv_sge) {
            error = EINVAL;
            break;
        }
        if (posted - recv_reclaimed_.load(std::memory_order_acquire) >= cap_.max_recv_wr) {
            error = ENOMEM;
            break;
        }
        RecvEntry& entry = recv_entry(posted++);
        entry.wr_id = wr->wr_id;
        entry.sge_count = static_cast<std::uint64_t>(wr->num_sge);
        for (int i = 0; i < wr->num_sge; ++i) entry.sges()[i] = wr->sg_list[i];
    }
    if (error != 0) *bad_wr = wr;
    // Sequentially consistent, as is the store of the state in enter_error(): either we see the error
    // state, or the flush there sees these entries. None is left behind.
    recv_posted_.store(posted, std::memory_order_seq_cst);
    if (state_.load(std::memory_order_seq_cst) == IBV_QPS_ERR) [[unlikely]] {
        const std::lock_guard receiving{nic_.receive_mutex()};
        CompletionQueue::Writer writer;
        flush_receives(writer);
    }
    return error;
}

bool QueuePair::scatter(const RecvEntry& entry, const RxFrame& frame, std::uint8_t& status) noexcept {
    const std::uint8_t* from = frame.data;
    std::uint32_t left = frame.length;
    for (std::uint64_t i = 0; i < entry.sge_count && left > 0; ++i) {
        const ibv_sge& sge = entry.sges()[i];
        if (sge.length == 0) continue;
        const std::uint32_t part = std::min(left, sge.length);
        if (!nic_.regions().covers(sge.lkey, pd, sge.addr, part, true)) {
            status = IBV_WC_LOC_PROT_ERR;
            return false;
        }
        std::memcpy(reinterpret_cast<void*>(sge.addr), from, part);
        from += part;
        left -= part;
    }
    if (left == 0) return true;
    status = IBV_WC_LOC_LEN_ERR;
    return false;
}

QueuePair::Received QueuePair::receive(const RxFrame& frame, std::uint32_t flow_tag,
                                       CompletionQueue::Writer& writer) noexcept {
    if (!receives(state_.load(std::memory_order_relaxed))) [[unlikely]]
        return Received::not_ready;
    if (recv_done_ == recv_posted_.load(std::memory_order_acquire)) [[unlikely]]
        return Received::out_of_buffer;
    const RecvEntry& entry = recv_entry(recv_done_++);
    Completion completion{.wr_id = entry.wr_id,
                          .queue_pair = this,
                          .timestamp_ns = frame.timestamp_ns,
                          .byte_len = frame.length,
                          .flow_tag = flow_tag,
                          .reclaim = recv_done_,
                          .wc_flags = frame.checksum_ok ? std::uint8_t{IBV_WC_IP_CSUM_OK} : std::uint8_t{0}};
    const bool whole = scatter(entry, frame, completion.status);
    writer.push(*recv_cq_, completion);
    if (!whole) [[unlikely]] {
        enter_error(writer);
        // Sends that wait (SQD) are to be flushed, but their lock can't be taken here: the next poll does it.
        nic_.sending_stalled();
    }
    return Received::completed;
}

void QueuePair::flush_receives(CompletionQueue::Writer& writer) noexcept {
    const std::uint32_t posted = recv_posted_.load(std::memory_order_seq_cst);
    while (recv_done_ != posted) {
        const std::uint64_t wr_id = recv_entry(recv_done_++).wr_id;
        writer.push(*recv_cq_,
                    {.wr_id = wr_id, .queue_pair = this, .reclaim = recv_done_, .status = IBV_WC_WR_FLUSH_ERR});
    }
}

void QueuePair::enter_error(CompletionQueue::Writer& writer) noexcept {
    state_.store(IBV_QPS_ERR, std::memory_order_seq_cst);
    flush_receives(writer);
}

// States.

// With the state already RESET: nothing new is posted, received or completed. Without the locks of either
// side: whoever is between start_poll and end_poll holds the completion queue and may be waiting for them.
void QueuePair::forget_work() noexcept {
    send_cq_->forget(*this);
    recv_cq_->forget(*this);
    send_reclaimed_.store(send_posted_, std::memory_order_relaxed);
    recv_reclaimed_.store(recv_done_, std::memory_order_relaxed);
}

namespace {

// Which steps a raw packet queue pair may take, and with which attributes besides the state itself: just
// the port, just once, and not even the current state (the kernel's qp_state_table for
// IB_QPT_RAW_PACKET, and ib_modify_qp_is_ok, in drivers/infiniband/core/verbs.c).
bool step_allowed(ibv_qp_state from, ibv_qp_state to, int given) noexcept {
    if (from == IBV_QPS_RESET && to == IBV_QPS_INIT) return given == IBV_QP_PORT;
    if (given != 0) return false;
    switch (to) {
        case IBV_QPS_RESET:
            return true;
        case IBV_QPS_INIT:
            return from == IBV_QPS_INIT;
        case IBV_QPS_RTR:
            return from == IBV_QPS_INIT;
        case IBV_QPS_RTS:
            return from == IBV_QPS_RTR || from == IBV_QPS_RTS || from == IBV_QPS_SQD;
        case IBV_QPS_SQD:
            return from == IBV_QPS_RTS || from == IBV_QPS_SQD;
        case IBV_QPS_ERR:
            return from != IBV_QPS_RESET;
        default:
            return false;
    }
}

}  // namespace

int QueuePair::modify(const ibv_qp_attr& attr, int mask) noexcept {
    const std::lock_guard modifying{modify_mutex_};
    {
        const std::lock_guard sending{send_mutex_};
        const std::lock_guard posting{post_recv_mutex_};
        const std::lock_guard receiving{nic_.receive_mutex()};
        const ibv_qp_state from = state_.load(std::memory_order_relaxed);
        const ibv_qp_state to = (mask & IBV_QP_STATE) != 0 ? attr.qp_state : from;
        const int given = mask & ~IBV_QP_STATE;
        if (!step_allowed(from, to, given)) return EINVAL;
        if ((given & IBV_QP_PORT) != 0) {
            if (attr.port_num != 1) return EINVAL;
            port_ = attr.port_num;
        }
        if (to == IBV_QPS_ERR) {
            CompletionQueue::Writer writer;
            enter_error(writer);
        } else {
            if (to == IBV_QPS_RESET) {
                send_done_ = send_posted_;
                recv_done_ = recv_posted_.load(std::memory_order_relaxed);
            }
            state_.store(to, std::memory_order_seq_cst);
        }
        state = to;
    }
    if (state == IBV_QPS_RESET)
        forget_work();
    else
        resume_sending();  // without the receive lock: the other end of a wire takes its own
    return 0;
}

int QueuePair::query(ibv_qp_attr& attr, ibv_qp_init_attr& init) noexcept {
    const std::lock_guard lock{modify_mutex_};
    attr = {};
    attr.qp_state = attr.cur_qp_state = state = state_.load(std::memory_order_relaxed);
    attr.port_num = port_;
    attr.cap = cap_;
    init = {};
    init.qp_context = qp_context;
    init.send_cq = send_cq;
    init.recv_cq = recv_cq;
    init.cap = cap_;
    init.qp_type = qp_type;
    init.sq_sig_all = signal_all_ ? 1 : 0;
    return 0;
}

}  // namespace pktverbs::soft
