// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/receive_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/ethernet_fcs.hpp"
#include "net/frame_sizes.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

// Followed by room for the granted number of scatter elements.
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
      ring_{std::make_unique<std::byte[]>(stride_ * depth)} {
    if (completions_ && depth_ != 0) completions_->count_receivers(1);
}

ReceiveQueue::~ReceiveQueue() {
    if (completions_ && depth_ != 0) completions_->count_receivers(-1);
}

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

/// Writes a frame to the memory of a receive, piece by piece.
class ReceiveQueue::Scatter {
public:
    Scatter(const ReceiveQueue& queue, const Entry& entry) noexcept
        : regions_{queue.nic_.regions()}, domain_{queue.domain_}, sge_{entry.sges()}, end_{sge_ + entry.sge_count} {}

    /// False, with a status, if the memory is too short or the queue may not write it.
    bool put(const std::uint8_t* from, std::uint32_t left, std::uint8_t& status) noexcept {
        for (; left > 0; ++sge_, used_ = 0) {
            if (sge_ == end_) {
                status = IBV_WC_LOC_LEN_ERR;
                return false;
            }
            const std::uint32_t part = std::min(left, sge_->length - used_);
            if (part == 0) continue;  // names no memory
            const std::uint64_t to = regions_.find(sge_->lkey, domain_, sge_->addr + used_, part, true);
            if (to == 0) {
                status = IBV_WC_LOC_PROT_ERR;
                return false;
            }
            std::memcpy(reinterpret_cast<void*>(to), from, part);
            from += part;
            left -= part;
            used_ += part;
            if (left == 0) return true;
        }
        return true;
    }

private:
    const MemoryRegions& regions_;
    const ibv_pd* domain_;
    const ibv_sge* sge_;
    const ibv_sge* end_;
    std::uint32_t used_ = 0;  // in *sge_
};

bool ReceiveQueue::scatter_offloaded(Scatter& scatter, const RxFrame& frame, Completion& completion) const noexcept {
    std::uint32_t written = 0;
    if (offloads_.strip_vlan && frame.length >= tagged_ethernet_bytes &&
        net::load<std::uint16_t>(frame.data + mac_pair_bytes) == net::ether_type::vlan) {
        completion.vlan_tci = net::load<std::uint16_t>(frame.data + ethernet_bytes);
        completion.byte_len -= vlan_tag_bytes;
        if (!scatter.put(frame.data, mac_pair_bytes, completion.status)) return false;
        written = mac_pair_bytes + vlan_tag_bytes;
    }
    if (!scatter.put(frame.data + written, frame.length - written, completion.status)) return false;
    if (!offloads_.scatter_fcs) return true;
    // For the frame as it arrived, with its tag.
    const auto fcs = ethernet_fcs({frame.data, frame.length});
    completion.byte_len += static_cast<std::uint32_t>(fcs.size());
    return scatter.put(fcs.data(), fcs.size(), completion.status);
}

ReceiveQueue::Received ReceiveQueue::receive(const RxFrame& frame, std::uint32_t flow_tag,
                                             CompletionQueue::Writer& writer) noexcept {
    if (state() != State::ready) [[unlikely]]
        return Received::not_ready;
    if (done_ == posted_.load(std::memory_order_acquire)) [[unlikely]]
        return Received::out_of_buffer;
    const Entry& taken = entry(done_++);
    using Kind = Completion::Kind;
    Completion completion{.wr_id = taken.wr_id,
                          .source = &source_,
                          .timestamp_ns = frame.timestamp_ns,
                          .byte_len = frame.length,
                          .flow_tag = flow_tag,
                          .reclaim = done_,
                          .kind = frame.checksum_ok ? Kind::verified_receive : Kind::receive};
    Scatter scatter{*this, taken};
    const bool whole = offloads_ == Offloads{} ? scatter.put(frame.data, frame.length, completion.status)
                                               : scatter_offloaded(scatter, frame, completion);
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
