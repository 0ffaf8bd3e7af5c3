// SPDX-License-Identifier: Apache-2.0
// PlainSends, and the part of QueuePair that sends them.
#include "soft/nic/plain_sends.hpp"

#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"

namespace pktverbs::soft {

std::span<const TxFrame> PlainSends::gather(std::array<TxFrame, max_taken>& frames) noexcept {
    std::size_t count = 0;
    Position at = next_;
    for (; at.index != room_ && at.wr; ++count) {
        const ibv_send_wr& request = *at.wr;
        std::uint32_t length = frame(at).length;
        if (length == 0) length = length_of_several(request);
        if (length == 0) break;
        frames[count] = {request.sg_list, static_cast<std::uint32_t>(request.num_sge), length, false, limits_.queue};
        pass(at, length);
    }
    next_ = at;
    return std::span{frames}.first(count);
}

/// Of a simple request with several scatter elements; 0 if it is none.
std::uint32_t PlainSends::length_of_several(const ibv_send_wr& request) noexcept {
    if (!is_simple(request) || request.num_sge <= 1) return 0;
    if (static_cast<std::uint32_t>(request.num_sge) > limits_.sges) return 0;
    std::uint64_t length = 0;
    for (const ibv_sge& sge : std::span{request.sg_list, static_cast<std::size_t>(request.num_sge)}) {
        if (sge.length == 0) continue;  // names no memory, as in drivers
        if (!memory_.is_at(sge.lkey, sge.addr, sge.length)) return 0;
        length += sge.length;
    }
    return length >= ethernet_bytes && length <= limits_.longest ? static_cast<std::uint32_t>(length) : 0;
}

/// Sends simple requests from the caller's list, without writing them to the send queue, though they take its places.
/// Returns the first request that is not simple, or that the link did not take; null if there is none.
ibv_send_wr* QueuePair::send_plain(ibv_send_wr* wr) noexcept {
    if (send_done_ != send_posted_) return wr;
    PlainSends sends{{nic_.regions(), qp_base.pd->handle, false},
                     {.longest = nic_.max_frame(),
                      .sges = cap_.max_send_sge,
                      .flags = signal_all_ ? unsigned{IBV_SEND_SIGNALED} : 0,
                      .queue = this}};
    while (wr && state_.load(std::memory_order_relaxed) == IBV_QPS_RTS) {
        const std::uint32_t reclaimed = send_source_.reclaimed.load(std::memory_order_acquire);
        sends.begin(wr, cap_.max_send_wr - (send_posted_ - reclaimed));
        const std::uint32_t sent = nic_.transmit(sends);
        send_done_ = send_posted_ += sent;
        complete_plain(sends, sent);
        if (sent == 0) return wr;
        if (sent < sends.taken()) [[unlikely]] {
            for (std::uint32_t i = 0; i < sent; ++i) wr = wr->next;
            return wr;
        }
        wr = sends.next();
    }
    return wr;
}

/// Those that were sent before send_done_.
void QueuePair::complete_plain(const PlainSends& sends, std::uint32_t sent) noexcept {
    if (sends.signalled().empty()) return;
    const std::uint64_t now = nic_.timestamp();
    CompletionQueue::Writer writer;
    for (const auto& [wr_id, length, end] : sends.signalled()) {
        if (end > sent) return;
        writer.push(*send_cq_, {.wr_id = wr_id, .byte_len = length}, send_source_, send_done_ - sent + end,
                    {.timestamp_ns = now});
    }
}

}  // namespace pktverbs::soft
