// SPDX-License-Identifier: Apache-2.0
// RingReceiver: over random schedules of all operations, no packet is in a wrong slot or uncounted.
#include <fmt/core.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <string>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/soft/wire.hpp>

#include "frames.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint32_t schedule_header = 18;

class RingSchedule {
public:
    RingSchedule(const std::string& name, std::uint32_t seed)
        : random_{seed},
          aimed_{draw(4) != 0},
          when_full_{static_cast<WhenFull>(draw(3))},
          field_{.offset = 14, .width = 2, .order = draw(2) == 0 ? std::endian::big : std::endian::little},
          ring_{RingGeometry{.blocks = 2 + draw(12),
                             .block_slots = 1 + draw(70),
                             .header_bytes = schedule_header,
                             .payload_bytes = 64}},
          wire_{name},
          world_{name},
          ctx_{"wire:" + name, options()},
          flow_{ctx_.install(FlowRule{}.ether_type(0x88b5))},
          receiver_{ctx_, ring_, how()},
          reader_{ring_} {}

    void run() {
        for (int step = 0; step < 4000 && !::testing::Test::HasFailure(); ++step) take_step();
        wire_.set_faults({});
        wire_.release_held();
        for (int turn = 0; turn < 100; ++turn) {
            receiver_.step(0ns);
            receiver_.flush();
            read(100);
        }
        check();
    }

private:
    std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
    Options options() {
        Options made{.send_packets = none, .recv_packets = 8 + draw(80), .max_packet_size = schedule_header + 64};
        if (aimed_) made.recv_layout = ring_.recv_layout();
        made.max_batch = draw(2) == 0 ? 0 : 1 + draw(40);
        return made;
    }
    RingReceiverOptions how() {
        return {.sequence = field_, .when_full = when_full_, .reorder_window = draw(3) * draw(60), .jump_limit = 500};
    }

    void send(std::uint64_t number) {
        Bytes made = frame(0, schedule_header + 64);
        for (std::uint32_t i = 0; i < 2; ++i)
            made[14 + i] =
                static_cast<std::uint8_t>(number >> (field_.order == std::endian::little ? 8 * i : 8 - 8 * i));
        std::memset(made.data() + schedule_header, static_cast<int>(number * 37 & 0xff), 64);
        world_.send(made);
        ++sent_;
    }
    void take_step() {
        const std::uint32_t what = draw(100);
        if (what < 40) return send_run(1 + draw(30));
        if (what < 45) return skip(draw(20));
        if (what < 47) return skip(draw(200));
        if (what < 48) return skip(draw(3000));  // a jump, mostly
        if (what < 50) return again(draw(40));
        if (what < 51) return send(random_());  // a wild one
        if (what < 76) return static_cast<void>(receiver_.step(0ns));
        if (what < 93) return read(1 + draw(4));
        if (what < 95) return static_cast<void>(receiver_.flush());
        if (what < 97) return faults();
        if (what < 98) next_ = random_() % 60'000;  // the sender starts anew
    }
    void send_run(std::uint32_t count) {
        while (count-- > 0) send(next_++);
    }
    void skip(std::uint32_t count) { next_ += count; }
    void again(std::uint32_t count) {
        for (std::uint64_t number = next_ - std::min<std::uint64_t>(count, next_); number < next_; ++number)
            send(number);
    }
    void faults() {
        soft::WireFaults made;
        if (draw(2) == 0) made.loss = draw(20) / 100.0;
        if (draw(2) == 0) made.duplication = draw(20) / 100.0;
        if (draw(2) == 0) made.reordering = draw(20) / 100.0;
        made.seed = draw(1000);
        wire_.set_faults(made);
    }
    /// Holds some blocks for a while, and checks that they don't change.
    void read(std::uint32_t count) {
        while (count-- > 0) {
            if (RingBlock block = reader_.next(0ns)) {
                check(block);
                ++blocks_;
                valid_ += block.valid_count();
                missing_ += block.missing();
                held_.push_back(std::move(block));
            }
            while (!held_.empty() && (count > 50 || draw(3) != 0)) {
                const std::size_t which = draw(static_cast<std::uint32_t>(held_.size()));
                check(held_[which]);
                held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(which));
            }
        }
    }
    void check(const RingBlock& block) {
        std::uint32_t count = 0;
        for (std::uint32_t slot = 0; slot < block.slot_count(); ++slot) {
            if (!block.valid(slot)) continue;
            ++count;
            ASSERT_TRUE(slot >= block.first_slot() && slot < block.end_slot());
            ASSERT_EQ(block.length(slot), schedule_header + 64);
            SequenceField field = field_;
            const auto number = (block.base() + slot) & 0xffff;
            ASSERT_EQ(field.read(block.header(slot).data()), number);
            for (const std::uint8_t byte : block.payload(slot)) ASSERT_EQ(byte, number * 37 & 0xff);
        }
        ASSERT_EQ(count, block.valid_count());
        ASSERT_NE(count, 0u) << "an empty block was handed over";
    }
    void check() {
        const RingStats stats = receiver_.stats();
        SCOPED_TRACE(stats.to_string());
        const soft::WireCounters wire = wire_.counters();
        EXPECT_EQ(wire.delivered, sent_ + wire.duplicated - wire.lost);
        EXPECT_EQ(wire.delivered, stats.packets() + ctx_.stats().drops.out_of_buffer);
        EXPECT_EQ(stats.placed + stats.missing, stats.block_slots);
        EXPECT_EQ(stats.placed, valid_ + stats.overwritten_packets);
        EXPECT_EQ(stats.blocks, blocks_ + stats.overwritten_blocks);
        EXPECT_TRUE(stats.overwritten_blocks != 0 || stats.missing == missing_);
        EXPECT_EQ(stats.failed + stats.too_long + stats.not_matching, 0u);
        EXPECT_EQ(ctx_.stats().posted_now, ctx_.limits().recv_packets) << "all are back";
        EXPECT_GT(stats.placed, 1000u) << "a schedule that tests nothing";
    }

    std::mt19937_64 random_;
    const bool aimed_;
    const WhenFull when_full_;
    const SequenceField field_;
    BlockRing ring_;
    soft::Wire wire_;
    soft::WireTap world_;
    Context ctx_;
    Flow flow_;
    RingReceiver receiver_;
    RingReader reader_;
    std::deque<RingBlock> held_;
    std::uint64_t next_ = 65'000;
    std::uint64_t sent_ = 0, blocks_ = 0, valid_ = 0, missing_ = 0;
};

class RingSchedules : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(RingSchedules, PutNoPacketInAWrongSlot) {
    SCOPED_TRACE(fmt::format("seed {}", GetParam()));
    RingSchedule{fmt::format("RingSchedules.{}", GetParam()), GetParam()}.run();
}
INSTANTIATE_TEST_SUITE_P(Seeds, RingSchedules, ::testing::Range(1U, 41U));

}  // namespace
}  // namespace pktverbs::testing
