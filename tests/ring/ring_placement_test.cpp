// SPDX-License-Identifier: Apache-2.0
// Placement: over a wire that loses, duplicates and reorders, every placed packet is in its slot, and every other is
// counted.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/soft/device.hpp>
#include <pktverbs/soft/wire.hpp>

#include "frames.hpp"

namespace pktverbs::testing {
namespace {

#if defined(PKTVERBS_SANITIZED) || !defined(__OPTIMIZE__)
constexpr std::uint64_t many = 100'000, some = 20'000;
#else
constexpr std::uint64_t many = 10'000'000, some = 1'000'000;
#endif
constexpr std::uint32_t header_bytes = 24;
constexpr std::uint32_t payload_bytes = 40;
constexpr std::uint32_t batch = 32;
constexpr double one_percent = 0.01;

struct Case {
    const char* name;
    bool by_sequence;
    bool aimed;  ///< else copied
    WhenFull when_full = WhenFull::drop;
    std::uint64_t packets = some;
    double faults = one_percent;
    std::uint32_t block_slots = 256;
    std::uint32_t blocks = 32;
    std::uint32_t recv_packets = 512;
    std::uint32_t turns_asleep = 0;  ///< the consumer's, between two checks of the ring
};
constexpr std::uint32_t too_long = 100;  ///< turns to sleep: more than the ring holds

/// Ethernet header, two unused bytes, the number; a payload derived from it.
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

/// Reads blocks as they arrive and keeps the consumer's counts.
class Consumer {
public:
    Consumer(const BlockRing& ring, const Case& of, std::uint64_t numbers) : reader_{ring}, case_{of}, seen_(numbers) {}

    void read() {
        while (const RingBlock block = reader_.next(0ns)) take(block);
    }
    std::uint64_t valid = 0, missing = 0, blocks = 0, overwritten = 0;
    std::uint64_t first = ~std::uint64_t{0}, last = 0;  ///< numbers

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
            first = std::min(first, number);
            last = std::max(last, number);
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
    const std::uint64_t count = of.packets;
    const std::string name = std::string{"Placement."} + of.name;
    soft::Wire wire{name};
    const BlockRing ring{{.blocks = of.blocks,
                          .block_slots = of.block_slots,
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
        if (of.turns_asleep == 0 || turn % of.turns_asleep == 0) consumer.read();
    }
    wire.set_faults({});
    wire.release_held();
    while (receiver.step(0ns) == Outcome::packets || !receiver.flush()) consumer.read();
    receiver.flush();
    consumer.read();

    const RingStats stats = receiver.stats();
    const soft::WireCounters carried = wire.counters();
    const bool full = of.turns_asleep == too_long;
    const std::uint64_t nic_drops = ctx.stats().drops.out_of_buffer;
    SCOPED_TRACE(stats.to_string());
    // The NIC received or dropped all that the wire delivered, and everything received was counted once.
    EXPECT_EQ(carried.delivered, count + carried.duplicated - carried.lost);
    EXPECT_EQ(carried.delivered, stats.packets() + nic_drops);
    EXPECT_EQ(stats.packets(), ctx.stats().recv_packets);
    EXPECT_EQ(stats.failed + stats.not_matching + stats.too_long + stats.wild + stats.restarts, 0u);
    EXPECT_EQ(stats.placed + stats.missing, stats.block_slots);
    EXPECT_EQ(stats.placed, consumer.valid + stats.overwritten_packets);
    EXPECT_EQ(stats.blocks, consumer.blocks + stats.overwritten_blocks);
    EXPECT_EQ(consumer.overwritten, stats.overwritten_blocks);
    EXPECT_TRUE(stats.overwritten_blocks != 0 || stats.missing == consumer.missing);
    EXPECT_EQ(stats.bytes, stats.placed * (header_bytes + payload_bytes));
    if (of.by_sequence) {
        EXPECT_LE(stats.block_slots + stats.skipped, count);
        EXPECT_TRUE(full || stats.block_slots + stats.skipped == consumer.last - consumer.first + 1);
    } else {
        EXPECT_EQ(stats.missing + stats.duplicate + stats.late + stats.skipped, 0u);
    }
    if (of.by_sequence && stats.no_block + nic_drops == 0) {
        EXPECT_EQ(stats.placed, count - carried.lost);
        EXPECT_EQ(stats.duplicate + stats.late, carried.duplicated);
    }
    // The case's own condition has occurred.
    EXPECT_EQ(stats.no_block != 0, full && of.when_full == WhenFull::drop);
    EXPECT_EQ(stats.waits != 0 && nic_drops != 0, full && of.when_full == WhenFull::wait);
    EXPECT_EQ(stats.overwritten_blocks != 0, full && of.when_full == WhenFull::overwrite);
    EXPECT_TRUE((of.faults != 0 && of.by_sequence) || (stats.copied > of.recv_packets) == (!of.aimed || full));
}

std::vector<Case> cases() {
    std::vector<Case> all{
        {.name = "arrival_aimed", .by_sequence = false, .aimed = true, .packets = many},
        {.name = "arrival_copied", .by_sequence = false, .aimed = false},
        {.name = "sequence_aimed", .by_sequence = true, .aimed = true, .packets = many},
        {.name = "sequence_copied", .by_sequence = true, .aimed = false},
        {.name = "sequence_without_faults", .by_sequence = true, .aimed = true, .faults = 0},
        {.name = "sequence_in_blocks_of_one", .by_sequence = true, .aimed = true, .block_slots = 1, .blocks = 600},
        {.name = "sequence_in_few_blocks", .by_sequence = true, .aimed = true, .block_slots = 1024, .blocks = 3},
        {.name = "sequence_in_odd_blocks", .by_sequence = true, .aimed = true, .block_slots = 77, .blocks = 20},
        {.name = "sequence_with_many_faults", .by_sequence = true, .aimed = true, .faults = 0.2},
    };
    const auto full = [&](const char* name, bool by_sequence, WhenFull when_full) {
        all.push_back({.name = name,
                       .by_sequence = by_sequence,
                       .aimed = true,
                       .when_full = when_full,
                       .block_slots = 64,
                       .blocks = 24,
                       .turns_asleep = too_long});
    };
    full("arrival_full_drop", false, WhenFull::drop);
    full("arrival_full_wait", false, WhenFull::wait);
    full("arrival_full_overwrite", false, WhenFull::overwrite);
    full("sequence_full_drop", true, WhenFull::drop);
    full("sequence_full_wait", true, WhenFull::wait);
    full("sequence_full_overwrite", true, WhenFull::overwrite);
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, Placement, ::testing::ValuesIn(cases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace pktverbs::testing
