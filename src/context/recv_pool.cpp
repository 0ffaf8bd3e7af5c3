// SPDX-License-Identifier: Apache-2.0
#include "context/recv_pool.hpp"

#include <new>
#include <utility>

#include "context/queue_setup.hpp"

namespace pktverbs {

void RecvPool::open(const QueueSetup& setup, std::uint32_t count) {
    const Layout& asked = setup.options.recv_layout;
    const Layout layout = asked.empty() ? Layout{}.chunk(setup.limits.max_packet_size) : asked;
    const bool is_datagram = setup.is_datagram();
    buffers_ = PacketBuffers{setup.port,
                             setup.regions,
                             {.layout = layout,
                              .packets = count,
                              .packets_before = setup.recv_packets_before,
                              .header_bytes = setup.header_bytes(),
                              .placement = setup.placement(),
                              .access = IBV_ACCESS_LOCAL_WRITE,
                              .what = "receive buffers"}};
    packets_ = Memory{sizeof(RecvPkt) * count};
    if (is_datagram) slices_ = Memory{2 * sizeof(ibv_sge) * count};
    first_ = nullptr;
    // Last to first, so that they are posted in the order of their addresses.
    for (std::uint32_t i = count; i-- > 0;) {
        auto* pkt = new (packets_.data() + sizeof(RecvPkt) * i) RecvPkt;
        for (std::size_t chunk = 0; chunk < buffers_.chunk_count(); ++chunk)
            pkt->sges_[chunk] = buffers_.slice(chunk, i);
        pkt->wr_.wr_id = reinterpret_cast<std::uint64_t>(pkt);
        pkt->wr_.sg_list = pkt->sges_;
        pkt->wr_.num_sge = static_cast<int>(buffers_.chunk_count());
        if (is_datagram) {
            // The headers stand behind all the buffers, so that those stay aligned and where they are for frames.
            auto* slices = new (slices_.data() + 2 * sizeof(ibv_sge) * i) ibv_sge[2]{buffers_.header(i), pkt->sges_[0]};
            pkt->wr_.sg_list = slices;
            pkt->wr_.num_sge = 2;
        }
        pkt->set_next(first_);
        first_ = pkt;
    }
    count_ = count;
}

void RecvPool::add(const Chain& chain) noexcept {
    const std::lock_guard lock{mutex_};
    chain.last->set_next(first_);
    first_ = chain.first;
    count_.fetch_add(chain.count, std::memory_order_relaxed);
}

RecvPool::Chain RecvPool::take_all() noexcept {
    Chain chain;
    {
        const std::lock_guard lock{mutex_};
        chain.first = std::exchange(first_, nullptr);
        count_ = 0;
    }
    if (!chain.first) return {};
    chain.last = chain.first;
    chain.count = 1;
    for (; chain.last->next(); chain.last = chain.last->next()) ++chain.count;
    return chain;
}

}  // namespace pktverbs
