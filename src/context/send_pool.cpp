// SPDX-License-Identifier: Apache-2.0
#include "context/send_pool.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "context/queue_setup.hpp"

namespace pktverbs {

void SendPool::open(const QueueSetup& setup, std::uint32_t count) {
    const std::uint32_t whole = setup.is_datagram() ? setup.limits.max_packet_size : setup.options.max_packet_size;
    const Layout& asked = setup.options.send_layout;
    const Layout layout = asked.empty() ? Layout{}.chunk(whole) : asked;
    buffers_ = PacketBuffers{setup.port,
                             setup.regions,
                             {.layout = layout,
                              .packets = count,
                              .packets_before = setup.send_packets_before,
                              .placement = setup.placement(),
                              .what = "send buffers"}};
    packets_ = Memory{sizeof(SendPkt) * count};
    free_ = nullptr;
    count_ = 0;
    SendPkt* first = nullptr;
    SendPkt* last = nullptr;
    for (std::uint32_t i = count; i-- > 0;) {
        auto* pkt = new (packets_.data() + sizeof(SendPkt) * i) SendPkt;
        for (std::size_t chunk = 0; chunk < buffers_.chunk_count(); ++chunk) {
            pkt->sges_[chunk] = buffers_.slice(chunk, i);
            pkt->capacities_[chunk] = std::exchange(pkt->sges_[chunk].length, 0);
        }
        pkt->wr_.wr_id = reinterpret_cast<std::uint64_t>(pkt);
        pkt->wr_.sg_list = pkt->sges_;
        pkt->wr_.num_sge = static_cast<int>(buffers_.chunk_count());
        pkt->wr_.opcode = IBV_WR_SEND;
        pkt->set_next(first);
        first = pkt;
        if (!last) last = pkt;
    }
    put({first, last, count});
}

SendPool::Chain SendPool::take(std::size_t most) noexcept {
    SendPkt* const first = free_;
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(most, first->chain_size_));
    SendPkt* last = first->chain_last_;
    free_ = first->next_chain_;
    if (count < first->chain_size_) {
        last = first;
        for (std::uint32_t i = 1; i < count; ++i) last = last->next();
        SendPkt* const rest = last->next();
        rest->chain_last_ = first->chain_last_;
        rest->chain_size_ = first->chain_size_ - count;
        rest->next_chain_ = free_;
        free_ = rest;
    }
    change_count(size() - count);
    return {first, last, count};
}

}  // namespace pktverbs
