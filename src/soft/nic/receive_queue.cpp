// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/receive_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "net/ethernet_fcs.hpp"
#include "net/frame_sizes.hpp"
#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

ReceiveQueue::ReceiveQueue(Nic& nic, const ibv_pd* domain, CompletionQueue* completions, std::uint32_t depth,
                           std::uint32_t sges, std::uint32_t number)
    : nic_{nic},
      regions_{nic.regions()},
      domain_{domain->handle},
      completions_{completions},
      source_{number},
      depth_{depth},
      max_sge_{sges},
      stride_{sizeof(Entry) + sges * sizeof(ibv_sge)},
      ring_{std::make_unique<std::byte[]>(stride_ * depth)},
      ring_end_{ring_.get() + stride_ * depth} {
    if (completions_ && depth_ != 0) completions_->count_receivers(1);
}

ReceiveQueue::~ReceiveQueue() {
    if (completions_ && depth_ != 0) completions_->count_receivers(-1);
}

int ReceiveQueue::post(ibv_recv_wr* wr, ibv_recv_wr** bad_wr) noexcept {
    const std::lock_guard lock{post_mutex_};
    int error = state() == State::reset ? EINVAL : 0;
    std::uint32_t posted = posted_.load(std::memory_order_relaxed);
    std::uint32_t end = posted;  // of the places that are known to be free
    Entry* next = &entry(posted);
    for (; wr && error == 0; wr = wr->next) {
        if (static_cast<std::uint32_t>(wr->num_sge) > max_sge_) [[unlikely]] {  // or negative
            error = EINVAL;
            break;
        }
        if (posted == end) {
            end = source_.reclaimed.load(std::memory_order_acquire) + depth_;
            if (posted == end) [[unlikely]] {
                error = ENOMEM;
                break;
            }
        }
        ++posted;
        next->wr_id = wr->wr_id;
        next->sge_count = static_cast<std::uint64_t>(wr->num_sge);
        if (wr->num_sge == 1) [[likely]]
            *next->sges() = *wr->sg_list;
        else
            std::copy_n(wr->sg_list, wr->num_sge, next->sges());
        next = after(next);
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

bool ReceiveQueue::Scatter::put(const std::uint8_t* from, std::uint32_t left, ibv_wc_status& status) noexcept {
    for (; left > 0; ++sge_, used_ = 0) {
        if (sge_ == end_) {
            status = IBV_WC_LOC_LEN_ERR;
            return false;
        }
        const std::uint32_t part = std::min(left, sge_->length - used_);
        if (part == 0) continue;  // names no memory
        const std::uint64_t to = memory_.find(sge_->lkey, sge_->addr + used_, part);
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

bool ReceiveQueue::Scatter::put(const RxFrame& frame) noexcept {
    ibv_wc_status status{};
    if (!frame.head) return put(frame.data, frame.length, status);
    constexpr std::uint32_t head = RxFrame::head_bytes;
    return put(frame.head, head, status) && put(frame.data + head, frame.length - head, status);
}

bool ReceiveQueue::scatter_offloaded(Scatter& scatter, const RxFrame& frame, Completion::Result& result,
                                     CompletionDetails& details) const noexcept {
    std::uint32_t written = 0;
    if (offloads_.strip_vlan && frame.length >= tagged_ethernet_bytes &&
        net::load<std::uint16_t>(frame.data + mac_pair_bytes) == net::ether_type::vlan) {
        details.vlan_tci = net::load<std::uint16_t>(frame.data + ethernet_bytes);
        result.byte_len -= vlan_tag_bytes;
        if (!scatter.put(frame.data, mac_pair_bytes, result.status)) return false;
        written = mac_pair_bytes + vlan_tag_bytes;
    }
    if (!scatter.put(frame.data + written, frame.length - written, result.status)) return false;
    if (!offloads_.scatter_fcs) return true;
    // For the frame as it arrived, with its tag.
    const auto fcs = ethernet_fcs({frame.data, frame.length});
    result.byte_len += static_cast<std::uint32_t>(fcs.size());
    return scatter.put(fcs.data(), fcs.size(), result.status);
}

ReceiveQueue::Received ReceiveQueue::receive(const RxFrame& frame, std::uint32_t flow_tag,
                                             CompletionQueue::Writer& writer) noexcept {
    if (state() != State::ready) [[unlikely]]
        return Received::not_ready;
    if (done_ == posted_.load(std::memory_order_acquire)) [[unlikely]]
        return Received::out_of_buffer;
    const Entry& taken = entry(done_++);
    Completion::Result result = result_of(taken, frame);
    CompletionDetails details{.timestamp_ns = frame.timestamp_ns, .flow_tag = flow_tag};
    MemoryRegions::Last memory{regions_, domain_, true};
    Scatter scatter{memory, taken};
    const bool whole = offloads_ == Offloads{} ? scatter.put(frame.data, frame.length, result.status)
                                               : scatter_offloaded(scatter, frame, result, details);
    writer.push(*completions_, result, source_, done_, details);
    if (whole) [[likely]]
        return Received::completed;
    enter_error(writer);
    return Received::failed;
}

void ReceiveQueue::flush(CompletionQueue::Writer& writer) noexcept {
    const std::uint32_t posted = posted_.load(std::memory_order_seq_cst);
    while (done_ != posted) {
        const Entry& taken = entry(done_++);
        writer.push(*completions_, {.wr_id = taken.wr_id, .status = IBV_WC_WR_FLUSH_ERR, .opcode = IBV_WC_RECV},
                    source_, done_);
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
