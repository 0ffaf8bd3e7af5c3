// SPDX-License-Identifier: Apache-2.0

#include <pktverbs/format.hpp>
#include <pktverbs/ring/ring_receiver.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>

#include "expect_error.hpp"
#include "ring/receiver_clock.hpp"
#include "udp_frames.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

constexpr RingGeometry geometry{.blocks = 4, .block_slots = 8, .header_bytes = 18, .payload_bytes = 46};

/// The number in frames() is little-endian, 4 bytes after the Ethernet header.
constexpr SequenceField numbered{.offset = 14, .width = 4, .order = std::endian::little};

class RingReceiving : public Wired {
protected:
    Options aimed() const {
        Options options = small;
        options.recv_layout = ring.recv_layout();
        return options;
    }
    void start(const RingReceiverOptions& options, bool with_layout = true) {
        ctx.emplace(open(with_layout ? aimed() : small));
        flow = hear(*ctx);
        receiver.emplace(*ctx, ring, options);
    }
    RingStats receive() {
        while (receiver->step(0ns) == Outcome::packets) {
        }
        return receiver->stats();
    }
    static std::uint32_t number_in(const RingBlock& block, std::uint32_t slot) {
        std::uint32_t number = 0;
        std::memcpy(&number, block.header(slot).data() + 14, sizeof number);
        return number;
    }
    /// The block has these packets in these slots, and nothing else.
    static void expect_packets(const RingBlock& block, std::uint32_t first_slot,
                               std::initializer_list<std::uint32_t> packets) {
        ASSERT_TRUE(block) << to_string(block.outcome());
        EXPECT_EQ(block.valid_count(), packets.size());
        std::uint32_t slot = first_slot;
        for (const std::uint32_t number : packets) {
            while (slot < block.slot_count() && !block.valid(slot)) ++slot;
            ASSERT_LT(slot, block.slot_count());
            EXPECT_EQ(number_in(block, slot), number) << slot;
            ++slot;
        }
    }

    BlockRing ring{geometry};
    std::optional<Context> ctx;
    Flow flow;
    std::optional<RingReceiver> receiver;
    RingReader reader{ring};
};

TEST_F(RingReceiving, FillsBlocksInOrderOfArrival) {
    start({});
    plant(10, 100);
    EXPECT_EQ(receiver->step(), Outcome::packets);
    receive();
    expect_packets(reader.next(), 0, {100, 101, 102, 103, 104, 105, 106, 107});
    EXPECT_FALSE(reader.next(0ns)) << "the second isn't full";
    EXPECT_TRUE(receiver->flush());
    const RingBlock rest = reader.next(0ns);
    expect_packets(rest, 0, {108, 109});
    EXPECT_EQ(rest.base(), 8U);
    EXPECT_EQ(rest.end_slot(), 2U);
    EXPECT_EQ(rest.length(0), 64U);
    EXPECT_EQ(rest.header(0).size(), 18U);
    EXPECT_EQ(rest.payload(0).size(), 46U);
    EXPECT_EQ(rest.payload(0)[45], 0xee);
    EXPECT_EQ(receiver->stats().to_string(), "placed 10 bytes 640 blocks 2 slots 10 missing 0 copied 10");
}

TEST_F(RingReceiving, GoesOnInABlockWithTheSameBaseAfterAFlush) {
    for (const bool by_sequence : {false, true}) {
        BlockRing fresh{geometry};
        ring = std::move(fresh);
        RingReader again{ring};
        receiver.reset();
        ctx.reset();
        start({.sequence = by_sequence ? std::optional{numbered} : std::nullopt});
        for (std::uint32_t i = 0; i < 8; i += 2) {
            plant(2, i);
            receive();
            EXPECT_TRUE(receiver->flush());
            EXPECT_TRUE(receiver->flush()) << "there is nothing more";
            const RingBlock block = again.next(0ns);
            expect_packets(block, i, {i, i + 1});
            EXPECT_EQ(block.base(), 0U);
            EXPECT_EQ(block.first_slot(), i);
            EXPECT_EQ(block.end_slot(), i + 2);
            EXPECT_FALSE(again.next(0ns));
        }
        plant(8, 8);
        receive();
        expect_packets(again.next(0ns), 0, {8, 9, 10, 11, 12, 13, 14, 15});
        EXPECT_EQ(receiver->stats().missing, 0U);
    }
}

TEST_F(RingReceiving, AimsPacketsAtTheirSlots) {
    for (const bool by_sequence : {false, true}) {
        ring = BlockRing{{.blocks = 16, .block_slots = 8, .header_bytes = 18, .payload_bytes = 46}};
        RingReader again{ring};
        receiver.reset();
        ctx.reset();
        start({.sequence = by_sequence ? std::optional{numbered} : std::nullopt});
        for (std::uint32_t i = 0; i < 800; i += 8) {
            plant(8, i);
            receive();
            expect_packets(again.next(0ns), 0, {i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7});
        }
        EXPECT_EQ(receiver->stats().copied, 16U) << "only those that were posted before the receiver was there";
    }
}

TEST_F(RingReceiving, CopiesWithoutTheRingsLayout) {
    start({.sequence = numbered}, false);
    plant(8);
    EXPECT_EQ(receive().copied, 8U);
    expect_packets(reader.next(), 0, {0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_F(RingReceiving, LeavesSlotsOfPacketsThatAreMissing) {
    start({.sequence = numbered, .reorder_window = 4});
    for (const std::uint32_t number : {1U, 3U, 2U, 6U, 3U, 9U}) plant(1, number);
    EXPECT_EQ(receive().blocks, 0U) << "two of it may still come";
    plant(1, 11);
    EXPECT_EQ(receive().blocks, 0U);
    plant(1, 12);
    const RingStats stats = receive();
    EXPECT_EQ(stats.blocks, 1U);
    EXPECT_EQ(stats.duplicate, 1U);
    const RingBlock block = reader.next(0ns);
    expect_packets(block, 1, {1, 2, 3, 6});
    EXPECT_EQ(block.bitmap()[0], 0b1001110U);
    EXPECT_EQ(block.first_slot(), 1U) << "there is no count of packets before the first";
    EXPECT_EQ(block.missing(), 3U);
    plant(1, 5);
    EXPECT_EQ(receive().late, 1U);
}

TEST_F(RingReceiving, WaitsNoLongerForABlockThatIsComplete) {
    start({.sequence = numbered, .reorder_window = 100});
    for (const std::uint32_t number : {0U, 7U, 6U, 5U, 1U, 2U, 3U}) plant(1, number);
    EXPECT_EQ(receive().blocks, 0U);
    plant(1, 4);
    EXPECT_EQ(receive().blocks, 1U);
}

TEST_F(RingReceiving, SkipsBlocksOfWhichNothingCame) {
    start({.sequence = numbered, .reorder_window = 0});
    plant(3, 2);
    plant(1, 85);
    receive();
    receiver->flush();
    expect_packets(reader.next(0ns), 2, {2, 3, 4});
    const RingBlock block = reader.next(0ns);
    EXPECT_EQ(block.base(), 80U);
    EXPECT_FALSE(block.discontinuous());
    const RingStats stats = receiver->stats();
    EXPECT_EQ(stats.skipped, 72U);
    EXPECT_EQ(stats.block_slots + stats.skipped, 84U);
    EXPECT_EQ(stats.missing, 3U + 5U);
}

TEST_F(RingReceiving, SkipsTheRestOfABlockThatWasFlushed) {
    for (const bool with_layout : {false, true}) {
        ring = BlockRing{geometry};
        RingReader again{ring};
        receiver.reset();
        ctx.reset();
        start({.sequence = numbered, .reorder_window = 0}, with_layout);
        plant(3);
        receive();
        EXPECT_TRUE(receiver->flush());
        EXPECT_EQ(receiver->stats().skipped, 0U);
        plant(1, 41);
        receive();
        EXPECT_EQ(receiver->stats().skipped, 37U) << "3 to 39: what was handed over is not skipped";
        receiver->flush();
        const RingStats stats = receiver->stats();
        EXPECT_EQ(stats.block_slots + stats.skipped, 42U);
        EXPECT_EQ(stats.missing, 1U);
        expect_packets(again.next(0ns), 0, {0, 1, 2});
        expect_packets(again.next(0ns), 1, {41});
    }
}

TEST_F(RingReceiving, PlacesALateJoinersPacketsAfterAWrapThatTheStepDoesNotDivide) {
    start({.sequence = SequenceField{.offset = 14, .width = 1, .divisor = 7}, .reorder_window = 4});
    // 1000 * 7 has wrapped 27 times, and its remainder by 7 is not 0.
    for (std::uint32_t sequence = 1000; sequence < 1016; ++sequence) world.send(frame(7 * sequence));
    const RingStats stats = receive();
    EXPECT_EQ(stats.placed, 16U);
    EXPECT_EQ(stats.dropped() + stats.wild + stats.late + stats.missing + stats.restarts, 0U);
    const RingBlock block = reader.next(0ns);
    EXPECT_EQ(block.base(), 1000 % 256) << "as for a receiver that saw the earlier wraps, except for these";
    expect_packets(block, 0, {7000, 7007, 7014, 7021, 7028, 7035, 7042, 7049});
}

TEST_F(RingReceiving, BeginsAnewWithASenderInAnotherPhase) {
    for (const std::uint32_t step : {7U, 12U, 1000U}) {
        ring = BlockRing{geometry};
        RingReader again{ring};
        receiver.reset();
        ctx.reset();
        start({.sequence = SequenceField{.offset = 14, .width = 4, .order = std::endian::little, .divisor = step},
               .jump_limit = 1000});
        for (std::uint32_t sequence = 0; sequence < 8; ++sequence) world.send(frame(step * sequence));
        receive();
        for (std::uint32_t sequence = 0; sequence < 9; ++sequence) world.send(frame(step * sequence + 5));
        const RingStats stats = receive();
        EXPECT_EQ(stats.placed, 16U) << step;
        EXPECT_EQ(stats.restarts, 1U) << step;
        EXPECT_EQ(stats.wild + stats.not_matching, 1U) << step << ": the first could have been a mistake";
        receiver->flush();
        expect_packets(again.next(0ns), 0, {0, step, 2 * step, 3 * step, 4 * step, 5 * step, 6 * step, 7 * step});
        EXPECT_TRUE(again.next(0ns).discontinuous());
    }
}

class RingReceivingUdp : public RingReceiving, public ::testing::WithParamInterface<std::uint32_t> {
protected:
    static UdpFrame numbered_frame(const UdpShape& shape, std::uint8_t number) {
        return udp_frame(shape, {0xee, 0xee, 0, number});
    }
    void start_udp(std::uint32_t header_bytes, bool with_layout) {
        ring = BlockRing{{.blocks = 16, .block_slots = 8, .header_bytes = header_bytes, .payload_bytes = 600}};
        reader = RingReader{ring};
        receiver.reset();
        ctx.reset();
        Options options = aimed();
        if (!with_layout) options.recv_layout = {};
        options.recv_packets = 32;
        options.max_packet_size = header_bytes + 600;
        ctx.emplace(open(options));
        flow = hear(*ctx);
        receiver.emplace(*ctx, ring,
                         RingReceiverOptions{
                             .sequence = SequenceField{.from = SequenceOrigin::udp_payload, .offset = 2, .width = 2}});
    }
};

TEST_P(RingReceivingUdp, PlacesByANumberInThePayloadWhereverItBegins) {
    for (const bool with_layout : {true, false}) {
        start_udp(GetParam(), with_layout);
        const std::vector<UdpShape> shapes = udp_shapes();
        for (std::uint8_t number = 0; number < 16; ++number)
            world.send(numbered_frame(shapes[number % shapes.size()], number));
        EXPECT_EQ(receive().placed, 16U);
        for (std::uint8_t number = 0; number < 16;) {
            const RingBlock block = reader.next(0ns);
            ASSERT_EQ(block.valid_count(), 8U);
            for (std::uint32_t slot = 0; slot < 8; ++slot, ++number) {
                UdpFrame found{block.header(slot).begin(), block.header(slot).end()};
                found.insert(found.end(), block.payload(slot).begin(), block.payload(slot).end());
                EXPECT_EQ(found, numbered_frame(shapes[number % shapes.size()], number)) << int{number};
            }
        }
    }
}

TEST_P(RingReceivingUdp, DropsWhatHasNoPayloadToBeCountedFrom) {
    for (const bool with_layout : {true, false}) {
        start_udp(GetParam(), with_layout);
        const std::vector<UdpShape> without = shapes_without_udp();
        std::uint8_t number = 0;
        for (const UdpShape& shape : without) {
            world.send(numbered_frame({}, number++));
            world.send(numbered_frame(shape, number));
        }
        world.send(udp_frame({.padding = 18}, {0xee, 0xee, 0}));  // padding is not a number
        const RingStats stats = receive();
        EXPECT_EQ(stats.placed, without.size());
        EXPECT_EQ(stats.not_matching, without.size() + 1);
        EXPECT_EQ(stats.packets(), 2 * without.size() + 1);
        EXPECT_EQ(reader.next(0ns).valid_count(), 8U);
    }
}

INSTANTIATE_TEST_SUITE_P(HeaderBytes, RingReceivingUdp, ::testing::Values(0U, 14U, 42U, 45U, 64U));

TEST_F(RingReceiving, BeginsAnewWithASenderThatDoes) {
    start({.sequence = numbered, .jump_limit = 1000});
    plant(10, 500'000);
    plant(9, 4);
    const RingStats stats = receive();
    EXPECT_EQ(stats.restarts, 1U);
    EXPECT_EQ(stats.wild, 1U) << "the first could have been a mistake";
    expect_packets(reader.next(0ns), 0, {500'000, 500'001, 500'002, 500'003, 500'004, 500'005, 500'006, 500'007});
    expect_packets(reader.next(0ns), 0, {500'008, 500'009});
    const RingBlock anew = reader.next(0ns);
    expect_packets(anew, 5, {5, 6, 7});
    EXPECT_EQ(anew.base(), 0U);
    EXPECT_TRUE(anew.discontinuous());
    receiver->flush();
    EXPECT_FALSE(reader.next(0ns).discontinuous());
}

TEST_F(RingReceiving, GoesOnWhereTheFieldWraps) {
    start({.sequence = SequenceField{.offset = 14, .width = 1}});
    plant(8, 248);
    plant(8, 256);
    receive();
    expect_packets(reader.next(0ns), 0, {248, 249, 250, 251, 252, 253, 254, 255});
    const RingBlock block = reader.next(0ns);
    expect_packets(block, 0, {256, 257, 258, 259, 260, 261, 262, 263});
    EXPECT_EQ(block.base(), 256U) << "not 0";
}

TEST_F(RingReceiving, FindsTheFieldInThePayloadToo) {
    for (const bool with_layout : {true, false}) {
        ring = BlockRing{{.blocks = 4, .block_slots = 8, .header_bytes = 10, .payload_bytes = 54}};
        RingReader again{ring};
        receiver.reset();
        ctx.reset();
        start({.sequence = numbered}, with_layout);
        plant(8);
        EXPECT_EQ(receive().blocks, 1U);
        EXPECT_EQ(again.next(0ns).valid_count(), 8U);
    }
}

TEST_F(RingReceiving, DropsWhatDoesNotFit) {
    start({.sequence = SequenceField{.offset = 60, .width = 4, .order = std::endian::little, .divisor = 16}}, false);
    world.send(frame(1, 63));
    world.send(frame(2, 65));
    Bytes odd = frame(3);
    odd[60] = 17;
    odd[61] = odd[62] = odd[63] = 0;
    world.send(odd);
    odd[60] = 32;
    world.send(odd);
    odd[60] = 41;
    world.send(odd);
    const RingStats stats = receive();
    EXPECT_EQ(stats.not_matching, 3U) << "too short, and twice off the divisor";
    EXPECT_EQ(stats.too_long, 1U);
    EXPECT_EQ(stats.placed, 1U);
    EXPECT_EQ(stats.packets(), 5U);
    receiver->flush();
    EXPECT_TRUE(reader.next(0ns).valid(2));
}

TEST_F(RingReceiving, GoesOnAfterAPacketThatFails) {
    start({.sequence = numbered});
    plant(3);
    world.send(frame(3, 65));  // longer than a slot: the queue is in error, and drops the next frames
    plant(2, 4);
    receive();
    plant(8, 6);
    const RingStats stats = receive();
    EXPECT_EQ(stats.failed, 1U);
    EXPECT_EQ(stats.recoveries, 1U);
    EXPECT_EQ(ctx->stats().posted_now, 16U);
    receiver->flush();
    expect_packets(reader.next(0ns), 0, {0, 1, 2, 6, 7});
    expect_packets(reader.next(0ns), 0, {8, 9, 10, 11, 12, 13});
}

TEST_F(RingReceiving, DropsTheNewestWhenFull) {
    start({});
    for (std::uint32_t i = 0; i < 40; i += 8) {
        plant(8, i);
        receive();
    }
    EXPECT_EQ(receiver->stats().no_block, 8U);
    expect_packets(reader.next(0ns), 0, {0, 1, 2, 3, 4, 5, 6, 7});
    plant(8, 40);
    receive();
    while (const RingBlock block = reader.next(0ns)) {
        if (block.number() == 4) expect_packets(block, 0, {40, 41, 42, 43, 44, 45, 46, 47});
    }
    EXPECT_EQ(receiver->stats().blocks, 5U);
}

TEST_F(RingReceiving, HoldsTheLinkBackWhenFullIfItShallWait) {
    start({.when_full = WhenFull::wait});
    for (std::uint32_t i = 0; i < 64; i += 8) {
        plant(8, i);
        receive();
    }
    // 4 blocks and 16 packets; the NIC dropped all later frames.
    EXPECT_EQ(ctx->stats().drops.out_of_buffer, 16U);
    EXPECT_EQ(receiver->step(0ns), Outcome::timeout);
    std::uint32_t next = 0;
    for (int turn = 0; turn < 10; ++turn) {
        while (const RingBlock block = reader.next(0ns))
            for (std::uint32_t slot = 0; slot < block.end_slot(); ++slot) EXPECT_EQ(number_in(block, slot), next++);
        receive();
    }
    EXPECT_EQ(next, 48U);
    EXPECT_EQ(receiver->stats().no_block, 0U);
    EXPECT_GT(receiver->stats().waits, 0U);
}

TEST_F(RingReceiving, ClosesNoBlockOverPacketsThatAreHeld) {
    start({.sequence = numbered, .when_full = WhenFull::wait, .reorder_window = 0});
    for (std::uint32_t first = 0; first < 32; first += 8) {
        plant(8, first);
        receive();
    }
    plant(3, 32);
    receive();
    EXPECT_FALSE(receiver->flush()) << "three packets are held";
    for (std::uint32_t first = 0; first < 32; first += 8) {
        expect_packets(reader.next(0ns), 0,
                       {first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + 7});
        receive();
    }
    EXPECT_TRUE(receiver->flush());
    expect_packets(reader.next(0ns), 0, {32, 33, 34});
    EXPECT_EQ(receiver->stats().late, 0U);
    EXPECT_EQ(receiver->stats().missing, 0U);
    EXPECT_EQ(receiver->stats().placed, 35U);
}

TEST_F(RingReceiving, OverwritesTheOldestWhenFull) {
    start({.when_full = WhenFull::overwrite});
    plant(8);
    receive();
    const RingBlock read = reader.next(0ns);
    for (std::uint32_t i = 8; i < 64; i += 8) {
        plant(8, i);
        receive();
    }
    expect_packets(read, 0, {0, 1, 2, 3, 4, 5, 6, 7});
    const RingStats stats = receiver->stats();
    EXPECT_EQ(stats.overwritten_blocks, 4U);
    EXPECT_EQ(stats.overwritten_packets, 32U);
    const RingBlock next = reader.next(0ns);
    EXPECT_EQ(next.number(), 5U);
    expect_packets(next, 0, {40, 41, 42, 43, 44, 45, 46, 47});
}

TEST_F(RingReceiving, HandsOverWhatIsOld) {
    start({.hand_over_after = 1ns});
    plant(3);
    EXPECT_EQ(receiver->step(), Outcome::packets);
    EXPECT_EQ(receiver->step(), Outcome::timeout) << "not for ever";
    expect_packets(reader.next(0ns), 0, {0, 1, 2});
    plant(1, 3);
    receiver->step();
    receiver->step();
    const RingBlock block = reader.next(0ns);
    EXPECT_EQ(block.first_slot(), 3U);
}

/// The clock for hand_over_after, from here to the end of a test.
class HandClock {
public:
    HandClock() {
        ReceiverClock::source = []() noexcept { return now_; };
    }
    HandClock(const HandClock&) = delete;
    HandClock& operator=(const HandClock&) = delete;
    ~HandClock() { ReceiverClock::source = &std::chrono::steady_clock::now; }
    static void pass(std::chrono::nanoseconds time) { now_ += time; }

private:
    static inline ReceiverClock::time_point now_{1h};
};

TEST_F(RingReceiving, MeasuresFromTheFirstPacketOfWhatIsThereNow) {
    const HandClock clock;
    start({.hand_over_after = 10s});
    plant(3);
    receive();
    HandClock::pass(9s);
    plant(8, 3);
    receive();
    expect_packets(reader.next(0ns), 0, {0, 1, 2, 3, 4, 5, 6, 7});
    HandClock::pass(9s);
    receive();
    EXPECT_FALSE(reader.next(0ns)) << "18 s after the first packet, but 9 s after the first of these";
    HandClock::pass(1s);
    receive();
    expect_packets(reader.next(0ns), 0, {8, 9, 10});
}

TEST_F(RingReceiving, MeasuresAnewWhenItHasHandedOver) {
    const HandClock clock;
    start({.hand_over_after = 10s});
    plant(3);
    receive();
    HandClock::pass(10s);
    plant(1, 3);
    receive();
    expect_packets(reader.next(0ns), 0, {0, 1, 2});
    HandClock::pass(9s);
    receive();
    EXPECT_FALSE(reader.next(0ns));
    HandClock::pass(1s);
    receive();
    expect_packets(reader.next(0ns), 3, {3});
}

TEST_F(RingReceiving, MeasuresAnewAfterAFlush) {
    const HandClock clock;
    start({.hand_over_after = 10s});
    plant(3);
    receive();
    HandClock::pass(9s);
    receiver->flush();
    expect_packets(reader.next(0ns), 0, {0, 1, 2});
    plant(1, 3);
    receive();
    HandClock::pass(9s);
    receive();
    EXPECT_FALSE(reader.next(0ns));
    HandClock::pass(1s);
    receive();
    expect_packets(reader.next(0ns), 3, {3});
}

TEST_F(RingReceiving, FlushesWhenItEnds) {
    start({});
    plant(3);
    receive();
    receiver.reset();
    expect_packets(reader.next(), 0, {0, 1, 2});
    EXPECT_EQ(reader.next().outcome(), RingOutcome::finished);
}

TEST_F(RingReceiving, KeepsTimestamps) {
    Options options = with_timestamps(aimed());
    ctx.emplace(open(options));
    flow = hear(*ctx);
    receiver.emplace(*ctx, ring);
    plant(8);
    receive();
    const RingBlock block = reader.next();
    EXPECT_GT(block.timestamp(0), 0ns);
    EXPECT_GE(block.timestamp(7), block.timestamp(0));
}

TEST_F(RingReceiving, RunsUntilItIsStopped) {
    start({});
    std::stop_source stop;
    std::thread thread{[&] { EXPECT_EQ(receiver->run(stop.get_token()), Outcome::stopped); }};
    plant(8);
    EXPECT_EQ(reader.next().valid_count(), 8U);
    stop.request_stop();
    thread.join();
    EXPECT_EQ(receiver->step(no_timeout, stop.get_token()), Outcome::stopped);
}

TEST_F(RingReceiving, SaysHowItIsWithTheConsumer) {
    start({});
    EXPECT_EQ(receiver->consumer(), RingPeer::present);
    reader = RingReader{BlockRing{geometry}};
    EXPECT_EQ(receiver->consumer(), RingPeer::ended);
}

TEST_F(RingReceiving, RefusesWhatCannotBe) {
    ctx.emplace(open(aimed()));
    const auto refused = [&](const RingReceiverOptions& options, const char* word) {
        expect_words(expect_error(EINVAL, [&] { RingReceiver(*ctx, ring, options); }), {word});
    };
    refused({.queue = 1}, "queue 1 of 1");
    refused({.sequence = SequenceField{.width = 9}}, "width 9");
    refused({.sequence = SequenceField{.offset = 14}}, "across the header's 18 bytes");
    refused({.sequence = SequenceField{.offset = 57}}, "behind the 64 bytes");
    refused({.sequence = SequenceField{.width = 1}, .reorder_window = 128}, "reorder_window 128");
    refused({.sequence = numbered, .reorder_window = 64, .jump_limit = 63}, "jump_limit 63");
    refused({.sequence = numbered, .reorder_window = 0, .jump_limit = 0}, "jump_limit 0");
    const RingReceiver first{*ctx, ring};
    expect_error(EBUSY, [&] { RingReceiver(*ctx, ring); });
    Options send_only = small;
    send_only.recv_packets = none;
    ctx.emplace(open(send_only));
    const BlockRing other{geometry};
    expect_words(expect_error(EINVAL, [&] { RingReceiver(*ctx, other); }), {"send only"});
}

TEST(RingStats, AddUp) {
    RingStats stats;
    std::uint64_t count = 1;
    for (std::uint64_t* member : {&stats.placed, &stats.duplicate, &stats.late, &stats.wild, &stats.no_block,
                                  &stats.not_matching, &stats.too_long, &stats.failed})
        *member = count *= 2;
    EXPECT_EQ(stats.packets(), 510U);
    EXPECT_EQ(stats.dropped(), 480U);
    EXPECT_EQ(fmt::format("{}", stats),
              "placed 2 bytes 0 blocks 0 slots 0 missing 0 duplicate 4 late 8 wild 16 dropped.no_block 32 "
              "dropped.not_matching 64 dropped.too_long 128 dropped.failed 256");
    EXPECT_EQ(fmt::format("{} {} {}", WhenFull::drop, WhenFull::wait, WhenFull::overwrite), "drop wait overwrite");
}

}  // namespace
}  // namespace pktverbs::testing
