// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/queue_pair.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>

#include "net/frame_sizes.hpp"
#include "net/segment.hpp"
#include "soft/nic/domain.hpp"
#include "soft/nic/indirection_table.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

namespace {

std::uint32_t granted(std::uint32_t asked) noexcept { return asked == 0 ? 0 : std::bit_ceil(asked); }

/// The receive side's state that follows from a queue pair's.
ReceiveQueue::State receive_state(ibv_qp_state state) noexcept {
    switch (state) {
        case IBV_QPS_RESET:
            return ReceiveQueue::State::reset;
        case IBV_QPS_INIT:
            return ReceiveQueue::State::filling;
        case IBV_QPS_ERR:
            return ReceiveQueue::State::error;
        default:
            return ReceiveQueue::State::ready;
    }
}

}  // namespace

QueuePair::QueuePair(Nic& nic, ibv_pd* domain, ibv_qp_init_attr& attr)
    : ibv_qp_ex{},
      object_entry{
          nic.objects(),
          ObjectEntry::Kind::queue_pair,
          {&Domain::of(domain).object_entry, attr.send_cq ? &CompletionQueue::of(attr.send_cq).object_entry : nullptr,
           attr.recv_cq ? &CompletionQueue::of(attr.recv_cq).object_entry : nullptr}},
      nic_{nic},
      send_cq_{attr.send_cq ? &CompletionQueue::of(attr.send_cq) : nullptr},
      cap_{granted(attr.cap.max_send_wr), granted(attr.cap.max_recv_wr), std::max(attr.cap.max_send_sge, 1U),
           std::max(attr.cap.max_recv_sge, 1U), attr.cap.max_inline_data},
      signal_all_{attr.sq_sig_all != 0},
      send_source_{object_entry.number()},
      send_entries_{cap_},
      receives_{nic,
                domain,
                attr.recv_cq ? &CompletionQueue::of(attr.recv_cq) : nullptr,
                cap_.max_recv_wr,
                cap_.max_recv_sge,
                object_entry.number()} {
    attr.cap = cap_;
    qp_base.context = nic.context_base();
    qp_base.qp_context = attr.qp_context;
    qp_base.pd = domain;
    qp_base.send_cq = attr.send_cq;
    qp_base.recv_cq = attr.recv_cq;
    qp_base.handle = object_entry.number();
    qp_base.qp_num = object_entry.number();
    qp_base.state = IBV_QPS_RESET;
    qp_base.qp_type = IBV_QPT_RAW_PACKET;
    pthread_mutex_init(&qp_base.mutex, nullptr);
    pthread_cond_init(&qp_base.cond, nullptr);
}

QueuePair::~QueuePair() {
    pthread_cond_destroy(&qp_base.cond);
    pthread_mutex_destroy(&qp_base.mutex);
}

// Sending: requests that ibv_post_send(3) refuses at once are refused here; errors that a NIC finds when it reads the
// work request become failed completions, in form_of().

int QueuePair::write_send(const ibv_send_wr& wr) noexcept {
    if (wr.num_sge < 0 || static_cast<std::uint32_t>(wr.num_sge) > cap_.max_send_sge) return EINVAL;
    if (send_posted_ - send_source_.reclaimed.load(std::memory_order_acquire) >= cap_.max_send_wr) return ENOMEM;
    const bool signalled = signal_all_ || (wr.send_flags & IBV_SEND_SIGNALED) != 0;
    if (const int error = send_entries_.write(send_posted_, wr, signalled)) return error;
    ++send_posted_;
    return 0;
}

// The kernel's mlx5 driver returns EIO when its device has failed (mlx5_ib_post_send() in wr.c, and mlx5_cmd_exec() in
// cmd.c, which modifies queue pairs).

int QueuePair::may_post_send() const noexcept {
    if (nic_.is_gone()) return EIO;
    const ibv_qp_state now = state_.load(std::memory_order_relaxed);
    return now == IBV_QPS_RTS || now == IBV_QPS_SQD || now == IBV_QPS_ERR ? 0 : EINVAL;
}

int QueuePair::post_send(ibv_send_wr* wr, ibv_send_wr** bad_wr) noexcept {
    std::unique_lock lock{send_mutex_};
    if (building_) [[unlikely]]
        built_.wait(lock, [this] { return !building_; });
    int error = may_post_send();
    if (error == 0) [[likely]]
        wr = send_plain(wr);
    for (; wr && error == 0; wr = wr->next) {
        error = write_send(*wr);
        if (error != 0) break;
    }
    if (error != 0) *bad_wr = wr;
    if (send_done_ != send_posted_) transmit();
    return error;
}

QueuePair::Form QueuePair::form_of(std::uint32_t index, std::uint32_t longest, ibv_wc_status& failure) noexcept {
    const SendEntries::Entry& entry = send_entries_[index];
    failure = send_entries_.check_length(index, longest);
    if (failure != IBV_WC_SUCCESS) return Form::refused;
    Form form = entry.checksums || entry.mss != 0 ? Form::rewritten : Form::plain;
    if (entry.inlined) return form;
    MemoryRegions::Last memory{nic_.regions(), qp_base.pd->handle, false};
    for (std::uint32_t i = 0; i < entry.sge_count; ++i) {
        const ibv_sge& sge = entry.sges()[i];
        if (sge.length == 0) continue;  // names no memory, as in drivers
        const std::uint64_t at = memory.find(sge.lkey, sge.addr, sge.length);
        if (at == 0) {
            failure = IBV_WC_LOC_PROT_ERR;
            return Form::refused;
        }
        if (at != sge.addr) form = Form::rewritten;
    }
    return form;
}

void QueuePair::complete_sends(std::uint32_t count) noexcept {
    if (count == 0) return;
    const std::uint64_t now = nic_.timestamp();
    CompletionQueue::Writer writer;
    for (const std::uint32_t end = send_done_ + count; send_done_ != end;) {
        const SendEntries::Entry& entry = send_entries_[send_done_++];
        if (!entry.signalled) continue;
        writer.push(*send_cq_, result_of(entry, IBV_WC_SUCCESS), send_source_, send_done_, {.timestamp_ns = now});
    }
}

void QueuePair::fail_send(ibv_wc_status failure) noexcept {
    const SendEntries::Entry& entry = send_entries_[send_done_++];
    {
        const std::lock_guard lock{nic_.receive_mutex()};
        CompletionQueue::Writer writer;
        writer.push(*send_cq_, result_of(entry, failure), send_source_, send_done_);
        enter_error(writer);
    }
    flush_sends();
}

void QueuePair::flush_sends() noexcept {
    CompletionQueue::Writer writer;
    while (send_done_ != send_posted_) {
        const SendEntries::Entry& entry = send_entries_[send_done_++];
        writer.push(*send_cq_, result_of(entry, IBV_WC_WR_FLUSH_ERR), send_source_, send_done_);
    }
    segments_sent_ = 0;
}

void QueuePair::transmit() noexcept {
    std::array<TxFrame, tx_batch> frames;
    const std::uint32_t longest = nic_.max_frame();
    while (send_done_ != send_posted_) {
        const ibv_qp_state now = state_.load(std::memory_order_relaxed);
        if (now == IBV_QPS_ERR) return flush_sends();
        if (now != IBV_QPS_RTS) return;
        ibv_wc_status failure{};
        Form form = Form::plain;
        std::size_t count = 0;
        for (std::uint32_t i = send_done_; i != send_posted_ && count < frames.size(); ++i) {
            form = form_of(i, longest, failure);
            if (form != Form::plain) break;
            const SendEntries::Entry& entry = send_entries_[i];
            frames[count++] = {entry.sges(), entry.sge_count, entry.length, false, this};
        }
        const std::size_t sent = count == 0 ? 0 : nic_.transmit(std::span{frames}.first(count));
        complete_sends(static_cast<std::uint32_t>(sent));
        if (sent < count) return nic_.sending_stalled();
        if (form == Form::refused) return fail_send(failure);
        if (form == Form::rewritten && !transmit_rewritten(longest)) return nic_.sending_stalled();
    }
}

/// `readable` gets the scatter elements, at addresses that this process can read.
RewrittenFrames::Source QueuePair::source_of(std::uint32_t index, std::span<ibv_sge> readable) noexcept {
    const SendEntries::Entry& entry = send_entries_[index];
    MemoryRegions::Last memory{nic_.regions(), qp_base.pd->handle, false};
    for (std::uint32_t i = 0; i < entry.sge_count; ++i) {
        ibv_sge& sge = readable[i] = entry.sges()[i];
        if (!entry.inlined && sge.length != 0) sge.addr = memory.find(sge.lkey, sge.addr, sge.length);
    }
    RewrittenFrames::Source source{.sges = readable.first(entry.sge_count),
                                   .length = entry.length,
                                   .checksums = entry.checksums,
                                   .mss = entry.mss,
                                   .header = {}};
    if (entry.mss != 0) source.header = send_entries_.header(index);
    return source;
}

/// Sends a batch of frames to be rewritten, from the entry send_done_ on, which is already checked. Returns whether the
/// link took all of it.
bool QueuePair::transmit_rewritten(std::uint32_t longest) noexcept {
    RewrittenFrames batch{this};
    std::array<bool, RewrittenFrames::capacity> ends_entry{};
    std::uint32_t segment = segments_sent_;
    for (std::uint32_t i = send_done_; i != send_posted_ && !batch.full(); ++i) {
        ibv_wc_status failure{};
        if (i != send_done_ && form_of(i, longest, failure) != Form::rewritten) break;
        std::array<ibv_sge, max_sge> readable;
        const RewrittenFrames::Source source = source_of(i, readable);
        const std::uint32_t count = source.mss == 0 ? 1 : Segment::count(source.length, source.mss);
        for (; segment < count && !batch.full(); ++segment) batch.add(source, segment);
        if (segment < count) break;
        ends_entry[batch.size() - 1] = true;
        segment = 0;
    }
    const std::size_t sent = nic_.transmit(batch.frames());
    std::uint32_t ended = 0;
    for (std::size_t i = 0; i < sent; ++i) {
        segments_sent_ = ends_entry[i] ? 0 : segments_sent_ + 1;
        if (ends_entry[i]) ++ended;
    }
    complete_sends(ended);
    return sent == batch.size();
}

void QueuePair::resume_sending() noexcept {
    const std::lock_guard lock{send_mutex_};
    transmit();
}

// Receiving.

void QueuePair::set_receive_offloads(ReceiveQueue::Offloads offloads) noexcept {
    const std::lock_guard lock{nic_.receive_mutex()};
    receives_.set_offloads(offloads);
}

void QueuePair::spread(IndirectionTable& table, const ibv_rx_hash_conf& hash) {
    hash_ = std::make_unique<const ReceiveHash>(hash);
    object_entry.use(table.object_entry);
    table_ = &table;
    qp_base.qp_num = 0;  // as on mlx5: no completion ever names it
}

ReceiveQueue& QueuePair::queue_for(const FrameKey& key) noexcept {
    return table_ ? table_->pick(hash_->of(key)) : receives_;
}

ReceiveQueue::Received QueuePair::receive(ReceiveQueue& queue, const RxFrame& frame, std::uint32_t flow_tag,
                                          CompletionQueue::Writer& writer) noexcept {
    const ReceiveQueue::Received received = queue.receive(frame, flow_tag, writer);
    if (received == ReceiveQueue::Received::failed && !table_) {
        state_.store(IBV_QPS_ERR, std::memory_order_relaxed);
        // Waiting sends (SQD) must be flushed, but their lock can't be taken here: the next poll does it.
        nic_.sending_stalled();
    }
    return received;
}

void QueuePair::enter_error(CompletionQueue::Writer& writer) noexcept {
    state_.store(IBV_QPS_ERR, std::memory_order_relaxed);
    receives_.enter_error(writer);
}

// States.

// With the state already RESET: nothing new is posted, received or completed. Without the send side's lock, for the
// same reason as ReceiveQueue::forget().
void QueuePair::forget_work() noexcept {
    send_cq_->forget(send_source_);
    send_source_.reclaimed.store(send_posted_, std::memory_order_relaxed);
    receives_.forget();
}

namespace {

// The transitions of a raw packet queue pair, and the attributes that they take besides the state itself: only the
// port, only once, and not even the current state (the kernel's qp_state_table for IB_QPT_RAW_PACKET, and
// ib_modify_qp_is_ok, in drivers/infiniband/core/verbs.c).
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

// mlx5 returns ENOSYS for a queue pair with an indirection table (rdma-core: mlx5_modify_qp, mlx5_query_qp).

int QueuePair::modify(const ibv_qp_attr& attr, int mask) noexcept {
    if (table_) return ENOSYS;
    const std::lock_guard modifying{modify_mutex_};
    {
        const std::lock_guard sending{send_mutex_};
        const std::lock_guard posting{receives_.post_mutex()};
        const std::lock_guard receiving{nic_.receive_mutex()};
        const ibv_qp_state from = state_.load(std::memory_order_relaxed);
        const ibv_qp_state to = (mask & IBV_QP_STATE) != 0 ? attr.qp_state : from;
        const int given = mask & ~IBV_QP_STATE;
        if (!step_allowed(from, to, given)) return EINVAL;
        if ((given & IBV_QP_PORT) != 0) {
            if (attr.port_num != 1) return EINVAL;
            port_ = attr.port_num;
        }
        if (to == IBV_QPS_RESET) {
            send_done_ = send_posted_;
            segments_sent_ = 0;
        }
        state_.store(to, std::memory_order_relaxed);
        receives_.change(receive_state(to));
        qp_base.state = to;
    }
    if (qp_base.state == IBV_QPS_RESET)
        forget_work();
    else
        resume_sending();  // without the receive lock: the other end of a wire takes its own
    return 0;
}

void QueuePair::reset() noexcept {
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RESET;
    modify(attr, IBV_QP_STATE);
}

int QueuePair::query(ibv_qp_attr& attr, ibv_qp_init_attr& init) noexcept {
    if (table_) return ENOSYS;
    const std::lock_guard lock{modify_mutex_};
    attr = {};
    attr.qp_state = attr.cur_qp_state = qp_base.state = state_.load(std::memory_order_relaxed);
    attr.port_num = port_;
    attr.cap = cap_;
    init = {};
    init.qp_context = qp_base.qp_context;
    init.send_cq = qp_base.send_cq;
    init.recv_cq = qp_base.recv_cq;
    init.cap = cap_;
    init.qp_type = qp_base.qp_type;
    init.sq_sig_all = signal_all_ ? 1 : 0;
    return 0;
}

}  // namespace pktverbs::soft
