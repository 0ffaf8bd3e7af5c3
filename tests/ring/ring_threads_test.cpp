// SPDX-License-Identifier: Apache-2.0
// Ring: one thread produces, one consumes, both wait for each other.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "ring_frames.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint64_t blocks = 20'000;

TEST(RingThreads, PassEveryBlockWhenTheProducerWaits) {
    const BlockRing ring{small_ring};
    RingReader reader{ring};
    std::thread producer{[&] {
        RingWriter writer{ring};
        for (std::uint64_t i = 0; i < blocks; ++i) {
            ASSERT_TRUE(writer.wait_for_free());
            ASSERT_TRUE(hand_over(writer, 8 * i));
        }
    }};
    for (std::uint64_t i = 0; i < blocks; ++i) {
        const RingBlock block = reader.next();
        ASSERT_TRUE(is_whole(block, 8 * i)) << to_string(block.outcome());
        ASSERT_EQ(block.number(), i);
    }
    EXPECT_EQ(reader.next().outcome(), RingOutcome::finished);
    producer.join();
}

TEST(RingThreads, TearNoBlockWhenTheProducerOverwrites) {
    const BlockRing ring{small_ring};
    RingReader reader{ring};
    std::uint64_t overwritten = 0;
    std::thread producer{[&] {
        RingWriter writer{ring};
        for (std::uint64_t i = 0; i < blocks; ++i)
            while (!hand_over(writer, 8 * i)) overwritten += writer.take_back_oldest() ? 1U : 0U;
    }};
    std::uint64_t read = 0, next = 0;
    for (;;) {
        const RingBlock block = reader.next();
        if (!block) {
            ASSERT_EQ(block.outcome(), RingOutcome::finished);
            break;
        }
        ASSERT_GE(block.number(), next);
        next = block.number() + 1;
        ASSERT_TRUE(is_whole(block, 8 * block.number()));
        ++read;
    }
    producer.join();
    EXPECT_EQ(read + overwritten, blocks);
}

TEST(RingThreads, StopEachOther) {
    const BlockRing ring{small_ring};
    RingReader reader{ring};
    RingWriter writer{ring};
    std::stop_source stop;
    std::thread waiting{[&] { EXPECT_EQ(reader.next(no_timeout, stop.get_token()).outcome(), RingOutcome::stopped); }};
    stop.request_stop();
    waiting.join();
    while (hand_over(writer, 0)) {
    }
    stop = {};
    std::thread full{[&] { EXPECT_FALSE(writer.wait_for_free(no_timeout, stop.get_token())); }};
    stop.request_stop();
    full.join();
}

TEST(RingThreads, GiveBlocksBackFromAnyThread) {
    const BlockRing ring{small_ring};
    RingReader reader{ring};
    RingWriter writer{ring};
    for (std::uint64_t i = 0; i < 500; ++i) {
        ASSERT_TRUE(writer.wait_for_free());
        ASSERT_TRUE(hand_over(writer, 8 * i));
        std::thread{[block = reader.next(), i] { EXPECT_TRUE(is_whole(block, 8 * i)); }}.join();
    }
    EXPECT_EQ(writer.free_blocks(), 4U);
}

}  // namespace
}  // namespace pktverbs::testing
