// SPDX-License-Identifier: Apache-2.0
// Placement: over a wire that loses, doubles and reorders, every packet is in its slot, and every other accounted for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/soft/device.hpp>
#include <pktverbs/soft/wire.hpp>

#include "frames.hpp"

namespace pktverbs::testing {
namespace {

#if defined(PKTVERBS_SANITIZED) || !defined(__OPTIMIZE__)
constexpr std::uint64_t packets_in_all = 300'000;
#else
constexpr std::uint64_t packets_in_all = 10'500'000;
#endif
constexpr std::uint32_t header_bytes = 24;
constexpr std::uint32_t payload_bytes = 40;
constexpr std::uint32_t batch = 32;

struct Case {
    const char* name;
    bool by_sequence;
    WhenFull when_full;
    bool aimed;
    double faults = 0.01;
    std::uint32_t slots = 256;
    std::uint32_t blocks = 32;
    std::uint32_t recv_packets = 512;
    std::uint32_t consumer_sleeps = 0;  ///< turns between two looks at the ring
};

std::ostream& operator<<(std::ostream& out, const Case& of) { return out << of.name; }

/// Ethernet header, two bytes of nothing, the number; in the payload what follows from it.
void fill(SendPkt& pkt, std::uint64_t number) {
    std::uint8_t* const at = pkt.buffer().data();
    std::memset(at, 0xff, 6);
    std::memcpy(at + 6, "\x02\x00\x00\x00\x00\x01\x88\xb5\x00\x00", 10);
    const std::uint64_t wire_order = __builtin_bswap64(number);
    std::memcpy(at + 16, &wire_order, 8);
    const std::uint64_t mixed = number * 0x9e3779b97f4a7c15;
    for (std::uint32_t i = 0; i < payload_bytes; i += 8) {
        const std::uint64_t word = mixed + i;
        std::memcpy(at + header_bytes + i, &word, 8);
    }
    pkt.set_length(header_bytes + payload_bytes);
}

std::uint64_t number_in(std::span<const std::uint8_t> header) {
    std::uint64_t number = 0;
    std::memcpy(&number, header.data() + 16, 8);
    return __builtin_bswap64(number);
}

bool is_payload_of(std::span<const std::uint8_t> payload, std::uint64_t number) {
    const std::uint64_t mixed = number * 0x9e3779b97f4a7c15;
    bool same = payload.size() == payload_bytes;
    for (std::uint32_t i = 0; same && i < payload_bytes; i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, payload.data() + i, 8);
        same = word == mixed + i;
    }
    return same;
}

/// Reads blocks as they come and keeps the books of the consumer.
class Consumer {
public:
    Consumer(const BlockRing& ring, const Case& of, std::uint64_t numbers) : reader_{ring}, case_{of}, seen_(numbers) {}

    void read() {
        while (const RingBlock block = reader_.next(0ns)) take(block);
    }
    std::uint64_t valid = 0, missing = 0, blocks = 0, overwritten = 0;

private:
    void take(const RingBlock& block) {
        overwritten += block.number() - next_block_;
        next_block_ = block.number() + 1;
        ++blocks;
        missing += block.missing();
        std::uint32_t count = 0;
        ASSERT_GE(block.base() + block.first_slot(), end_) << "blocks overlap or are out of order";
        end_ = block.base() + block.end_slot();
        for (std::uint32_t slot = 0; slot < block.slot_count(); ++slot) {
            if (!block.valid(slot)) continue;
            ++count;
            ASSERT_TRUE(slot >= block.first_slot() && slot < block.end_slot());
            ASSERT_EQ(block.length(slot), header_bytes + payload_bytes);
            const std::uint64_t number = number_in(block.header(slot));
            ASSERT_TRUE(!case_.by_sequence || number == block.base() + slot) << number;
            ASSERT_TRUE(is_payload_of(block.payload(slot), number)) << number;
            ASSERT_LT(number, seen_.size());
            ASSERT_FALSE(case_.by_sequence && seen_[number]) << number;
            seen_[number] = true;
        }
        ASSERT_EQ(count, block.valid_count());
        valid += count;
    }

    RingReader reader_;
    const Case& case_;
    std::vector<bool> seen_;
    std::uint64_t next_block_ = 0, end_ = 0;
};

class Placement : public ::testing::TestWithParam<Case> {};

TEST_P(Placement, PutsEveryPacketInItsSlotAndAccountsForEveryOther) {
    const Case& of = GetParam();
    const std::uint64_t count = std::max<std::uint64_t>(packets_in_all / 8, 1);
    const std::string name = std::string{"Placement."} + of.name;
    soft::Wire wire{name};
    const BlockRing ring{{.blocks = of.blocks,
                          .slots = of.slots,
                          .header_bytes = header_bytes,
                          .payload_bytes = payload_bytes,
                          .payload_stride = payload_bytes}};
    Context sender{"wire:" + name, {.send_packets = 64, .recv_packets = none, .max_packet_size = 64}};
    Options options{.send_packets = none, .recv_packets = of.recv_packets, .max_packet_size = 64};
    if (of.aimed) options.recv_layout = ring.recv_layout();
    Context ctx{"wire:" + name, options};
    const Flow flow = ctx.install(FlowRule{});
    RingReceiverOptions how{.when_full = of.when_full, .reorder_window = 64};
    if (of.by_sequence) how.sequence = SequenceField{.offset = 16, .width = 8};
    RingReceiver receiver{ctx, ring, how};
    Consumer consumer{ring, of, count};
    wire.set_faults({.loss = of.faults, .duplication = of.faults, .reordering = of.faults, .seed = 20261121});

    std::uint64_t turn = 0;
    for (std::uint64_t next = 0; next < count && !HasFailure(); ++turn) {
        SendList list = sender.acquire(std::min<std::uint64_t>(batch, count - next));
        for (SendPkt& pkt : list) fill(pkt, next++);
        ASSERT_TRUE(sender.send(std::move(list)).empty());
        receiver.step(0ns);
        if (of.consumer_sleeps == 0 || turn % of.consumer_sleeps == 0) consumer.read();
    }
    wire.set_faults({});
    wire.release_held();
    while (receiver.step(0ns) == Outcome::packets || !receiver.flush()) consumer.read();
    receiver.flush();
    consumer.read();

    const RingStats stats = receiver.stats();
    const soft::WireCounters carried = wire.counters();
    SCOPED_TRACE(stats.to_string());
    // All that the wire delivered was received or refused by the NIC, and all that was received was counted once.
    EXPECT_EQ(carried.delivered, stats.packets() + ctx.stats().drops.out_of_buffer);
    EXPECT_EQ(stats.packets(), ctx.stats().recv_packets);
    EXPECT_EQ(stats.failed + stats.not_matching + stats.too_long + stats.wild, 0u);
    EXPECT_EQ(stats.placed + stats.missing, stats.slots);
    EXPECT_EQ(stats.placed, consumer.valid + stats.overwritten_packets);
    EXPECT_EQ(stats.blocks, consumer.blocks + stats.overwritten_blocks);
    EXPECT_TRUE(stats.overwritten_blocks != 0 || stats.missing == consumer.missing);
    if (of.by_sequence && stats.no_block == 0 && of.when_full != WhenFull::wait) {
        EXPECT_EQ(stats.slots + stats.skipped, count);
        EXPECT_EQ(stats.placed, count - carried.lost);
        EXPECT_EQ(stats.duplicate + stats.late, carried.duplicated);
    }
    if (!of.by_sequence) {
        EXPECT_EQ(stats.placed + stats.no_block, stats.packets());
    }
    fmt::print("{}\n", stats);
}

INSTANTIATE_TEST_SUITE_P(All, Placement,
                         ::testing::Values(Case{"arrival_copied", false, WhenFull::drop, false},
                                           Case{"arrival_aimed", false, WhenFull::drop, true},
                                           Case{"sequence_copied", true, WhenFull::drop, false},
                                           Case{"sequence_aimed", true, WhenFull::drop, true},
                                           Case{"sequence_without_faults", true, WhenFull::drop, true, 0},
                                           Case{"sequence_wait", true, WhenFull::wait, true, 0.01, 64, 16, 512, 30},
                                           Case{"sequence_overwrite", true, WhenFull::overwrite, true, 0.01, 64, 32,
                                                512, 30},
                                           Case{"sequence_drop", true, WhenFull::drop, true, 0.01, 64, 32, 512, 30}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace pktverbs::testing
