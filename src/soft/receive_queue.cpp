// SPDX-License-Identifier: Apache-2.0
#include "soft/receive_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "soft/nic.hpp"

namespace pktverbs::soft {

// Has room for the granted number of scatter elements behind it.
struct ReceiveQueue::Entry {
    std::uint64_t wr_id;
    std::uint64_t sge_count;
    ibv_sge* sges() noexcept { return reinterpret_cast<ibv_sge*>(this + 1); }
    const ibv_sge* sges() const noexcept { return reinterpret_cast<const ibv_sge*>(this + 1); }
};

ReceiveQueue::ReceiveQueue(Nic& nic, const ibv_pd* domain, CompletionQueue* completions, std::uint32_t depth,
                           std::uint32_t sges, std::uint32_t number)
    : nic_{nic},
      domain_{domain},
      completions_{completions},
      source_{number},
      depth_{depth},
      max_sge_{sges},
      stride_{sizeof(Entry) + sges * sizeof(ibv_sge)},
      ring_{std::make_unique<std::byte[]>(stride_ * depth)} {}

ReceiveQueue::Entry& ReceiveQueue::entry(std::uint32_t index) noexcept {
    return *reinterpret_cast<Entry*>(&ring_[(index & (depth_ - 1)) * stride_]);
}

int ReceiveQueue::post(ibv_recv_wr* wr, ibv_recv_wr** bad_wr) noexcept {
    const std::lock_guard lock{post_mutex_};
    int error = state() == State::reset ? EINVAL : 0;
    std::uint32_t posted = posted_.load(std::memory_order_relaxed);
    for (; wr && error == 0; wr = wr->next) {
        if (wr->num_sge < 0 || static_cast<std::uint32_t>(wr->num_sge) > max_sge_) {
            error = EINVAL;
            break;
        }
        if (posted - source_.reclaimed.load(std::memory_order_acquire) >= depth_) {
            error = ENOMEM;
            break;
        }
        Entry& next = entry(posted++);
        next.wr_id = wr->wr_id;
        next.sge_count = static_cast<std::uint64_t>(wr->num_sge);
        for (int i = 0; i < wr->num_sge; ++i) next.sges()[i] = wr->sg_list[i];
    }
    if (error != 0) *bad_wr = wr;
    // Sequentially consistent, as is the store of the state in enter_error(): either we see the error
    // state, or the flush there sees these entries. None is left behind.
    posted_.store(posted, std::memory_order_seq_cst);
    if (state_.load(std::memory_order_seq_cst) == State::error) [[unlikely]] {
        const std::lock_guard receiving{nic_.receive_mutex()};
        CompletionQueue::Writer writer;
        flush(writer);
    }
    return error;
}

bool ReceiveQueue::scatter(const Entry& entry, const RxFrame& frame, std::uint8_t& status) noexcept {
    const std::uint8_t* from = frame.data;
    std::uint32_t left = frame.length;
    for (std::uint64_t i = 0; i < entry.sge_count && left > 0; ++i) {
        const ibv_sge& sge = entry.sges()[i];
        if (sge.length == 0) continue;
        const std::uint32_t part = std::min(left, sge.length);
        if (!nic_.regions().covers(sge.lkey, domain_, sge.addr, part, true)) {
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

ReceiveQueue::Received ReceiveQueue::receive(const RxFrame& frame, std::uint32_t flow_tag,
                                             CompletionQueue::Writer& writer) noexcept {
    if (state() != State::ready) [[unlikely]]
        return Received::not_ready;
    if (done_ == posted_.load(std::memory_order_acquire)) [[unlikely]]
        return Received::out_of_buffer;
    const Entry& taken = entry(done_++);
    Completion completion{.wr_id = taken.wr_id,
                          .source = &source_,
                          .timestamp_ns = frame.timestamp_ns,
                          .byte_len = frame.length,
                          .flow_tag = flow_tag,
                          .reclaim = done_,
                          .wc_flags = frame.checksum_ok ? std::uint8_t{IBV_WC_IP_CSUM_OK} : std::uint8_t{0}};
    const bool whole = scatter(taken, frame, completion.status);
    writer.push(*completions_, completion);
    if (whole) [[likely]]
        return Received::completed;
    enter_error(writer);
    return Received::failed;
}

void ReceiveQueue::flush(CompletionQueue::Writer& writer) noexcept {
    const std::uint32_t posted = posted_.load(std::memory_order_seq_cst);
    while (done_ != posted) {
        const std::uint64_t wr_id = entry(done_++).wr_id;
        writer.push(*completions_,
                    {.wr_id = wr_id, .source = &source_, .reclaim = done_, .status = IBV_WC_WR_FLUSH_ERR});
    }
}

void ReceiveQueue::enter_error(CompletionQueue::Writer& writer) noexcept {
    state_.store(State::error, std::memory_order_seq_cst);
    flush(writer);
}

void ReceiveQueue::change(State to) noexcept {
    if (to == State::error) {
        CompletionQueue::Writer writer;
        return enter_error(writer);
    }
    if (to == State::reset) done_ = posted_.load(std::memory_order_relaxed);
    state_.store(to, std::memory_order_seq_cst);
}

void ReceiveQueue::forget() noexcept {
    completions_->forget(source_);
    source_.reclaimed.store(done_, std::memory_order_relaxed);
}

}  // namespace pktverbs::soft
