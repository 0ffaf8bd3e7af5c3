// SPDX-License-Identifier: Apache-2.0
// Ring: what a BlockRing's producer and consumer guarantee each other.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/format.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_writer.hpp>

#include "base/file_descriptor.hpp"
#include "expect_error.hpp"
#include "ring_frames.hpp"

namespace pktverbs::testing {
namespace {

class Ring : public ::testing::Test {
protected:
    BlockRing ring{small_ring};
    RingWriter writer{ring};
    RingReader reader{ring};
};

TEST_F(Ring, IsEmptyAtFirst) {
    const RingBlock block = reader.next(0ns);
    EXPECT_FALSE(block);
    EXPECT_EQ(block.outcome(), RingOutcome::timeout);
    EXPECT_EQ(ring.filled_blocks(), 0U);
    EXPECT_EQ(writer.free_blocks(), 4U);
}

TEST_F(Ring, GivesABlockAsItWasFilled) {
    const auto index = writer.open(1000, 1);
    ASSERT_TRUE(index);
    put(writer, *index, 1, 1001);
    put(writer, *index, 5, 1005);
    EXPECT_TRUE(writer.is_valid(*index, 5));
    EXPECT_FALSE(writer.is_valid(*index, 4));
    EXPECT_FALSE(reader.next(0ns)) << "not handed over yet";
    writer.hand_over(*index, 1, 7, 2);
    EXPECT_EQ(ring.filled_blocks(), 1U);

    const RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    EXPECT_EQ(block.outcome(), RingOutcome::block);
    EXPECT_EQ(block.number(), 0U);
    EXPECT_EQ(block.base(), 1000U);
    EXPECT_EQ(block.slot_count(), 8U);
    EXPECT_EQ(block.first_slot(), 1U);
    EXPECT_EQ(block.end_slot(), 7U);
    EXPECT_EQ(block.valid_count(), 2U);
    EXPECT_EQ(block.missing(), 4U);
    EXPECT_FALSE(block.abandoned() || block.discontinuous());
    EXPECT_EQ(block.bitmap()[0], 0b100010U);
    EXPECT_TRUE(block.valid(1) && block.valid(5) && !block.valid(0) && !block.valid(2));
    EXPECT_EQ(number_of(block, 5), 1005U);
    EXPECT_EQ(block.length(5), 16U);
    EXPECT_EQ(block.status(5), IBV_WC_SUCCESS);
    EXPECT_EQ(block.timestamp(5), 2005ns);
    EXPECT_EQ(block.payloads().size(), 8U * 64);
    EXPECT_EQ(block.payload(5).data(), block.payloads().data() + 5 * 64);
    EXPECT_EQ(block.headers().size(), 8U * 64);
    EXPECT_EQ(block.memory().size(), block.layout().block_stride);
    EXPECT_EQ(block.payloads().data(), block.memory().data() + block.layout().payloads_offset);
}

TEST_F(Ring, HasNoMoreBlocksThanItHas) {
    for (std::uint64_t base = 0; base < 32; base += 8) EXPECT_TRUE(hand_over(writer, base));
    EXPECT_FALSE(writer.has_free());
    EXPECT_FALSE(hand_over(writer, 32));
    EXPECT_FALSE(writer.wait_for_free(0ns));
    EXPECT_TRUE(is_whole(reader.next(0ns), 0));
    EXPECT_TRUE(writer.wait_for_free(0ns));
    EXPECT_TRUE(hand_over(writer, 32));
    for (std::uint64_t base = 8; base <= 32; base += 8) EXPECT_TRUE(is_whole(reader.next(0ns), base));
    EXPECT_FALSE(reader.next(0ns));
}

TEST_F(Ring, KeepsItsOrderWhenBlocksComeBackInAnother) {
    std::vector<RingBlock> held;
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    for (int i = 0; i < 3; ++i) held.push_back(reader.next(0ns));
    held.erase(held.begin() + 1);
    EXPECT_TRUE(hand_over(writer, 32));
    EXPECT_FALSE(hand_over(writer, 40));
    held.erase(held.begin());
    EXPECT_TRUE(hand_over(writer, 40));
    for (std::uint64_t base = 24; base <= 40; base += 8) {
        const RingBlock block = reader.next(0ns);
        EXPECT_TRUE(is_whole(block, base));
        EXPECT_EQ(block.number(), base / 8);
    }
    EXPECT_TRUE(is_whole(held[0], 16));
}

TEST_F(Ring, GivesABlockBackOnce) {
    hand_over(writer, 0);
    RingBlock block = reader.next(0ns);
    RingBlock moved = std::move(block);
    EXPECT_FALSE(block);
    EXPECT_EQ(writer.free_blocks(), 3U);
    moved.give_back();
    EXPECT_EQ(writer.free_blocks(), 4U);
    moved.give_back();
    moved = reader.next(0ns);
    EXPECT_EQ(writer.free_blocks(), 4U);
}

TEST_F(Ring, TakesBackTheOldestThatIsNotBeingRead) {
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base, base == 8 ? 5 : 8);
    const RingBlock read = reader.next(0ns);
    EXPECT_EQ(writer.take_back_oldest(), 5U);
    EXPECT_TRUE(hand_over(writer, 32));
    EXPECT_TRUE(is_whole(read, 0));
    const RingBlock next = reader.next(0ns);
    EXPECT_TRUE(is_whole(next, 16));
    EXPECT_EQ(next.number(), 2U) << "the gap is visible in the numbers";
    const RingBlock third = reader.next(0ns), fourth = reader.next(0ns);
    EXPECT_TRUE(is_whole(fourth, 32));
    EXPECT_EQ(writer.take_back_oldest(), std::nullopt);
}

TEST_F(Ring, DiscardsABlock) {
    const auto index = writer.open(0);
    put(writer, *index, 0, 0);
    writer.discard(*index);
    EXPECT_EQ(writer.free_blocks(), 4U);
    EXPECT_FALSE(reader.next(0ns));
    const auto again = writer.open(8);
    EXPECT_FALSE(writer.is_valid(*again, 0));
    EXPECT_TRUE(hand_over(writer, 16));
    EXPECT_EQ(reader.next(0ns).number(), 0U) << "a block that was discarded doesn't count";
}

TEST_F(Ring, LeavesOutBlocksThatAreInUse) {
    const std::uint32_t in_use[] = {1, 1, 0, 1};
    EXPECT_EQ(writer.open(0, 0, in_use), 2U);
    EXPECT_EQ(writer.open(0, 0, in_use), std::nullopt);
    EXPECT_EQ(writer.free_blocks(), 3U);
}

TEST_F(Ring, HasOneProducerAndOneConsumer) {
    expect_words(expect_error(EBUSY, [&] { RingWriter{ring}; }), {"producer already"});
    expect_words(expect_error(EBUSY, [&] { RingReader{ring}; }), {"consumer already"});
    const BlockRing other = BlockRing::attach(ring.fd());
    expect_words(expect_error(EBUSY, [&] { RingWriter{other}; }), {"producer already"});
    EXPECT_EQ(writer.consumer(), RingPeer::present);
    EXPECT_EQ(reader.producer(), RingPeer::present);
}

/// Holds the lock for attaching and cleaning up, and does not release it.
class LockHolder {
public:
    explicit LockHolder(const BlockRing& ring)
        : own_{open(fmt::format("/proc/self/fd/{}", ring.fd()).c_str(), O_RDWR)} {
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = 2;
        lock.l_len = 1;
        EXPECT_EQ(fcntl(own_.get(), F_OFD_SETLK, &lock), 0);
    }

private:
    FileDescriptor own_;
};

TEST(RingSides, DoNotWaitForEverForALock) {
    const BlockRing ring{small_ring};
    const LockHolder holder{ring};
    expect_words(expect_error(ETIMEDOUT, [&] { RingWriter{ring}; }), {"byte 2 locked", "lslocks"});
}

TEST_F(Ring, DoesNotWaitForTheLockToCleanUp) {
    const RingView view = writer.view();
    { const RingWriter gone{std::move(writer)}; }
    // As left by a producer that was killed.
    view.header().producer.state.store(static_cast<std::uint32_t>(RingPeer::present), std::memory_order_relaxed);
    {
        const LockHolder holder{ring};
        EXPECT_EQ(reader.next(1ms).outcome(), RingOutcome::timeout);
        EXPECT_EQ(reader.producer(), RingPeer::present) << "another producer is attached";
    }
    EXPECT_EQ(reader.next(1ms).outcome(), RingOutcome::producer_died);
}

TEST(RingSides, ComeAndGo) {
    const BlockRing ring{small_ring};
    std::optional<RingWriter> writer{ring};
    EXPECT_EQ(writer->consumer(), RingPeer::absent);
    std::optional<RingReader> reader{ring};
    EXPECT_EQ(writer->consumer(), RingPeer::present);
    hand_over(*writer, 0);
    const auto open = writer->open(8);
    put(*writer, *open, 0, 8);
    writer.reset();
    EXPECT_EQ(reader->producer(), RingPeer::ended);
    EXPECT_TRUE(is_whole(reader->next(), 0)) << "blocks before the end of their producer";
    EXPECT_EQ(reader->next().outcome(), RingOutcome::finished);
    EXPECT_EQ(reader->next(0ns).outcome(), RingOutcome::timeout) << "reported once";
    writer.emplace(ring);
    EXPECT_EQ(writer->free_blocks(), 4U) << "what was open when it ended is free";
    hand_over(*writer, 16);
    const RingBlock block = reader->next();
    EXPECT_TRUE(is_whole(block, 16));
    EXPECT_EQ(block.number(), 1U) << "numbers go on";
    writer.reset();
    EXPECT_EQ(reader->next().outcome(), RingOutcome::finished);
}

TEST(RingSides, EndWithTheLastBlock) {
    const BlockRing ring{small_ring};
    RingWriter writer{ring};
    std::optional<RingReader> reader{ring};
    hand_over(writer, 0);
    RingBlock block = reader->next();
    reader.reset();
    EXPECT_EQ(writer.consumer(), RingPeer::present);
    expect_error(EBUSY, [&] { RingReader{ring}; });
    block.give_back();
    EXPECT_EQ(writer.consumer(), RingPeer::ended);
    EXPECT_EQ(writer.consumer_deaths(), 0U);
}

TEST(RingSides, OutliveTheRing) {
    std::optional<BlockRing> ring{small_ring};
    RingWriter writer{*ring};
    RingReader reader{*ring};
    BlockRing moved = std::move(*ring);
    ring.reset();
    moved = BlockRing{small_ring};
    hand_over(writer, 0);
    EXPECT_TRUE(is_whole(reader.next(), 0));
}

TEST(RingSides, MeetThroughTheirOwnMappings) {
    const RingName name{"sides"};
    const BlockRing made = BlockRing::create(name, small_ring);
    const BlockRing attached = BlockRing::attach(name);
    EXPECT_EQ(attached.geometry(), made.geometry());
    EXPECT_NE(attached.memory().data(), made.memory().data());
    RingWriter writer{made};
    RingReader reader{attached};
    hand_over(writer, 0);
    EXPECT_TRUE(is_whole(reader.next(), 0));
}

TEST_F(Ring, StopsWaiting) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(reader.next(no_timeout, stop.get_token()).outcome(), RingOutcome::stopped);
    hand_over(writer, 0);
    EXPECT_EQ(reader.next(no_timeout, stop.get_token()).outcome(), RingOutcome::stopped) << "a stop comes first";
    while (hand_over(writer, 8)) {
    }
    EXPECT_FALSE(writer.wait_for_free(no_timeout, stop.get_token()));
}

TEST_F(Ring, RefusesABlockWithImpossibleSizes) {
    const auto spoil = [&](auto&& change) {
        ASSERT_TRUE(hand_over(writer, 0));
        std::uint32_t filled = 0;
        for (std::uint32_t i = 0; i < 4; ++i)
            if (RingState::kind(writer.view().state(i).load(std::memory_order_relaxed)) == RingState::filled)
                filled = i;
        RingBlockHeader header = writer.view().block_header(filled).load();
        change(header);
        writer.view().block_header(filled) = header;
        const RingBlock block = reader.next();
        EXPECT_FALSE(block);
        EXPECT_EQ(block.outcome(), RingOutcome::corrupt);
        EXPECT_EQ(writer.free_blocks(), 4U);
    };
    spoil([](RingBlockHeader& header) { header.end_slot = 9; });
    spoil([](RingBlockHeader& header) { header.first_slot = 9; });
    spoil([](RingBlockHeader& header) { header.valid_slots = 9; });
    spoil([](RingBlockHeader& header) { header.end_slot = ~0U; });
    hand_over(writer, 8);
    EXPECT_TRUE(is_whole(reader.next(), 8)) << "and goes on";
}

TEST_F(Ring, NeverGivesMoreBytesThanASlotHas) {
    const auto index = writer.open(0);
    put(writer, *index, 0, 0);
    writer.view().slot_infos(*index)[0].store({~0U, 0, 0});
    writer.hand_over(*index, 0, 1, 1);
    const RingBlock block = reader.next();
    EXPECT_EQ(block.length(0), 8U + 64U);
    EXPECT_EQ(block.header(0).size(), 8U);
    EXPECT_EQ(block.payload(0).size(), 64U);
}

TEST(RingOutcome, HasWords) {
    EXPECT_EQ(fmt::format("{} {} {} {} {} {}", RingOutcome::block, RingOutcome::timeout, RingOutcome::stopped,
                          RingOutcome::finished, RingOutcome::producer_died, RingOutcome::corrupt),
              "block timeout stopped finished producer died corrupt");
    EXPECT_EQ(to_string(RingPeer::absent), "absent");
    EXPECT_EQ(to_string(RingPeer::died), "died");
}

}  // namespace
}  // namespace pktverbs::testing
