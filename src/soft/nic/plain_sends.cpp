// SPDX-License-Identifier: Apache-2.0
// The part of QueuePair that sends simple requests from the caller's list.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/frame_sizes.hpp"
#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"

namespace pktverbs::soft {

/// Sends simple requests from the caller's list, without writing them to the send queue, though they take its places.
/// Returns the first request that is not simple, or that the link did not take; null if there is none.
ibv_send_wr* QueuePair::send_plain(ibv_send_wr* wr) noexcept {
    if (send_done_ != send_posted_) return wr;
    const std::uint32_t longest = nic_.max_frame();
    const unsigned always = signal_all_ ? unsigned{IBV_SEND_SIGNALED} : 0;
    MemoryRegions::Last memory{nic_.regions(), qp_base.pd->handle, false};
    /// 0: not simple.
    const auto plain_length = [&](const ibv_send_wr& request) -> std::uint32_t {
        constexpr unsigned special = IBV_SEND_INLINE | IBV_SEND_IP_CSUM;
        if (request.opcode != IBV_WR_SEND || (request.send_flags & special) != 0) return 0;
        if (request.num_sge != 1) return length_of_several(request, longest, memory);
        const ibv_sge& sge = *request.sg_list;
        const bool fits = sge.length - ethernet_bytes <= longest - ethernet_bytes;
        return fits && memory.is_at(sge.lkey, sge.addr, sge.length) ? sge.length : 0;
    };
    while (wr && state_.load(std::memory_order_relaxed) == IBV_QPS_RTS) {
        std::array<TxFrame, tx_batch> frames;
        std::array<Signalled, tx_batch> signalled;
        const std::uint32_t reclaimed = send_source_.reclaimed.load(std::memory_order_acquire);
        const std::size_t most = std::min<std::size_t>(frames.size(), cap_.max_send_wr - (send_posted_ - reclaimed));
        std::size_t count = 0;
        std::size_t signals = 0;
        ibv_send_wr* next = wr;
        for (; count < most && next; next = next->next) {
            const std::uint32_t length = plain_length(*next);
            if (length == 0) break;
            frames[count++] = {next->sg_list, static_cast<std::uint32_t>(next->num_sge), length, false, this};
            if (((next->send_flags | always) & IBV_SEND_SIGNALED) != 0)
                signalled[signals++] = {next->wr_id, length, send_posted_ + static_cast<std::uint32_t>(count)};
        }
        if (count == 0) return wr;
        const std::size_t sent = nic_.transmit(std::span{frames}.first(count));
        send_done_ = send_posted_ += static_cast<std::uint32_t>(sent);
        complete_plain(std::span{signalled}.first(signals));
        if (sent < count) [[unlikely]] {
            for (std::size_t i = 0; i < sent; ++i) wr = wr->next;
            return wr;
        }
        wr = next;
    }
    return wr;
}

/// Of a request with several scatter elements; 0 if it is not simple.
std::uint32_t QueuePair::length_of_several(const ibv_send_wr& request, std::uint32_t longest,
                                           MemoryRegions::Last& memory) const noexcept {
    if (request.num_sge <= 0 || static_cast<std::uint32_t>(request.num_sge) > cap_.max_send_sge) return 0;
    std::uint64_t length = 0;
    for (const ibv_sge& sge : std::span{request.sg_list, static_cast<std::size_t>(request.num_sge)}) {
        if (sge.length == 0) continue;  // names no memory, as in drivers
        if (!memory.is_at(sge.lkey, sge.addr, sge.length)) return 0;
        length += sge.length;
    }
    return length >= ethernet_bytes && length <= longest ? static_cast<std::uint32_t>(length) : 0;
}

/// Those before send_done_.
void QueuePair::complete_plain(std::span<const Signalled> signalled) noexcept {
    if (signalled.empty()) return;
    const std::uint64_t now = nic_.timestamp();
    CompletionQueue::Writer writer;
    for (const auto& [wr_id, length, end] : signalled) {
        if (static_cast<std::int32_t>(send_done_ - end) < 0) return;
        writer.push(*send_cq_, {.wr_id = wr_id, .byte_len = length}, send_source_, end, {.timestamp_ns = now});
    }
}

}  // namespace pktverbs::soft
