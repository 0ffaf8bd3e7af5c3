// SPDX-License-Identifier: Apache-2.0
// The code in docs/ring.md.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>

#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/ring/ring_writer.hpp>
#include <pktverbs/soft/wire.hpp>

#include "ring_frames.hpp"

namespace pktverbs::testing {
namespace {

void produce(const std::function<void(int)>& hand_on, const char* device, std::stop_token stop) {
    // [produce]
    const pktverbs::BlockRing ring{{.blocks = 64, .block_slots = 256, .header_bytes = 42, .payload_bytes = 8192}};
    hand_on(ring.fd());  // to the consumer's process; a thread takes the ring itself
    pktverbs::Options options{.send_packets = pktverbs::none};
    options.recv_layout = ring.recv_layout();  // packets land in their slots by themselves
    pktverbs::Context ctx{device, options};
    const pktverbs::SequenceField number{.from = pktverbs::SequenceOrigin::udp_payload, .offset = 0};
    pktverbs::RingReceiver receiver{ctx, ring, {.sequence = number}};
    const auto flow = ctx.install(pktverbs::FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
    receiver.run(stop);
    // [/produce]
}

template <class Consume>
void read_all(int fd, Consume&& consume) {
    // [consume]
    const pktverbs::BlockRing ring = pktverbs::BlockRing::attach(fd);
    pktverbs::RingReader reader{ring};
    while (const auto block = reader.next())
        for (std::uint32_t slot = block.first_slot(); slot < block.end_slot(); ++slot)
            if (block.valid(slot)) consume(block.base() + slot, block.payload(slot));
    // [/consume]
}

TEST(RingSnippets, PassPacketsFromOneToTheOther) {
    const BlockRing ring{{.blocks = 4, .block_slots = 8, .header_bytes = 42, .payload_bytes = 8192}};
    {
        RingWriter writer{ring};
        hand_over(writer, 8);
    }
    std::uint64_t next = 8;
    read_all(ring.fd(), [&](std::uint64_t number, std::span<const std::uint8_t>) { EXPECT_EQ(number, next++); });
    EXPECT_EQ(next, 16U);
    std::stop_source stop;
    stop.request_stop();
    std::uint32_t blocks = 0;
    produce([&](int fd) { blocks = BlockRing::attach(fd).geometry().blocks; }, "wire:snippets", stop.get_token());
    EXPECT_EQ(blocks, 64U);
}

}  // namespace
}  // namespace pktverbs::testing
