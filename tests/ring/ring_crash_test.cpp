// SPDX-License-Identifier: Apache-2.0
// Ring: a process dies (SIGKILL), and the other side and the next one lose nothing.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <optional>
#include <vector>

#include "ring_frames.hpp"

namespace pktverbs::testing {
namespace {

/// A process that does something and then waits to be killed.
class Other {
public:
    explicit Other(const std::function<void()>& does) {
        int done[2];
        if (pipe(done) != 0) return;
        pid_ = fork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            does();
            [[maybe_unused]] const auto put = write(done[1], "x", 1);
            for (;;) pause();
        }
        char byte = 0;
        EXPECT_EQ(::read(done[0], &byte, 1), 1);
        close(done[0]);
        close(done[1]);
    }
    Other(const Other&) = delete;
    Other& operator=(const Other&) = delete;
    ~Other() { kill(); }

    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

private:
    pid_t pid_ = -1;
};

/// The child shares only the memory of the parent's ring: it opens everything again.
class RingCrash : public ::testing::Test {
protected:
    const RingName name{"crash"};
    const BlockRing ring = BlockRing::create(name, small_ring);

    Other producer(const std::function<void(RingWriter&)>& does) {
        return Other{[this, does] {
            static std::optional<BlockRing> own{BlockRing::attach(name)};
            static RingWriter writer{*own};
            does(writer);
        }};
    }
    Other consumer(const std::function<void(RingReader&)>& does) {
        return Other{[this, does] {
            static std::optional<BlockRing> own{BlockRing::attach(name)};
            static RingReader reader{*own};
            does(reader);
        }};
    }
};

TEST_F(RingCrash, OfAProducerIsNoticed) {
    Other other = producer([](RingWriter&) {});
    RingReader reader{ring};
    EXPECT_EQ(reader.producer(), RingPeer::present);
    EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::timeout);
    other.kill();
    EXPECT_EQ(reader.next().outcome(), RingOutcome::producer_died) << "without a time limit";
    EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::timeout) << "reported once";
    EXPECT_EQ(reader.producer(), RingPeer::died);
}

TEST_F(RingCrash, OfAProducerIsNoticedByAPollingReader) {
    producer([](RingWriter&) {}).kill();
    RingReader reader{ring};
    RingOutcome outcome = RingOutcome::timeout;
    for (int i = 0; i < 2000 && outcome == RingOutcome::timeout; ++i) outcome = reader.next(0ns).outcome();
    EXPECT_EQ(outcome, RingOutcome::producer_died);
}

TEST_F(RingCrash, OfAProducerLosesNothingThatWasReceived) {
    producer([](RingWriter& writer) {
        hand_over(writer, 0);
        const auto half = writer.open(8);
        const auto empty = writer.open(16);
        const auto third = writer.open(24, 2);
        put(writer, *third, 4, 28);
        put(writer, *half, 1, 9);
        put(writer, *half, 3, 11);
        EXPECT_NE(half, empty);
    }).kill();
    RingReader reader{ring};
    EXPECT_TRUE(is_whole(reader.next(), 0));
    const RingBlock half = reader.next();
    ASSERT_TRUE(half);
    EXPECT_TRUE(half.abandoned());
    EXPECT_EQ(half.number(), 1U);
    EXPECT_EQ(half.base(), 8U);
    EXPECT_EQ(half.valid_count(), 2U);
    EXPECT_EQ(half.first_slot(), 0U);
    EXPECT_EQ(half.end_slot(), 4U);
    EXPECT_EQ(half.bitmap()[0], 0b1010U);
    EXPECT_EQ(number_of(half, 1), 9U);
    EXPECT_EQ(number_of(half, 3), 11U);
    const RingBlock third = reader.next();
    ASSERT_TRUE(third);
    EXPECT_EQ(third.base(), 24U);
    EXPECT_EQ(third.first_slot(), 2U);
    EXPECT_EQ(third.missing(), 2U);
    EXPECT_EQ(reader.next().outcome(), RingOutcome::producer_died);
}

TEST_F(RingCrash, OfAProducerLeavesTheRingToTheNext) {
    RingReader reader{ring};
    producer([](RingWriter& writer) {
        hand_over(writer, 0);
        put(writer, *writer.open(8), 0, 8);
    }).kill();
    {
        RingWriter next{ring};
        EXPECT_EQ(ring.filled_blocks(), 2U) << "the next producer hands over what the last one had begun";
        hand_over(next, 16);
        for (std::uint64_t number = 0; number < 3; ++number) {
            const RingBlock block = reader.next();
            ASSERT_TRUE(block);
            EXPECT_EQ(block.number(), number);
            EXPECT_EQ(block.base(), 8 * number);
            EXPECT_EQ(block.abandoned(), number == 1);
        }
        EXPECT_EQ(reader.next().outcome(), RingOutcome::producer_died) << "although there is another by now";
        EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::timeout);
    }
    EXPECT_EQ(reader.next().outcome(), RingOutcome::finished);
}

/// One died before it had counted its last block, and the next one after it had opened all: no block has that number
/// any more.
TEST_F(RingCrash, OfTwoProducersUsesNoNumberTwice) {
    RingReader reader{ring};
    {
        RingWriter writer{ring};
        const auto block = writer.open(0, 0);
        put(writer, *block, 0, 0);
        writer.hand_over(*block, 0, 1, 1);
        EXPECT_EQ(reader.next(0ns).number(), 0u);
        writer.view().header().producer.blocks.store(0, std::memory_order_relaxed);
    }
    producer([](RingWriter& writer) {
        while (writer.open(0, 0)) continue;
    }).kill();
    RingWriter writer{ring};
    const auto block = writer.open(8, 0);
    put(writer, *block, 0, 8);
    writer.hand_over(*block, 0, 1, 1);
    RingBlock next = reader.next(0ns);
    while (next.outcome() == RingOutcome::producer_died || next.outcome() == RingOutcome::finished)
        next = reader.next(0ns);
    ASSERT_TRUE(next) << to_string(next.outcome());
    EXPECT_EQ(next.number(), 1u);
}

TEST_F(RingCrash, OfAConsumerGivesItsBlocksToTheNext) {
    RingWriter writer{ring};
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    Other other = consumer([](RingReader& reader) {
        static std::vector<RingBlock> held;
        reader.next(0ns);
        held.push_back(reader.next(0ns));
        held.push_back(reader.next(0ns));
        EXPECT_TRUE(is_whole(held[1], 16));
    });
    EXPECT_EQ(writer.free_blocks(), 1U);
    EXPECT_EQ(writer.consumer(), RingPeer::present);
    other.kill();
    EXPECT_EQ(writer.consumer(), RingPeer::died);
    EXPECT_EQ(writer.consumer_deaths(), 1U);
    EXPECT_EQ(ring.filled_blocks(), 3U);
    RingReader next{ring};
    for (std::uint64_t base = 8; base < 32; base += 8) EXPECT_TRUE(is_whole(next.next(0ns), base));
    EXPECT_FALSE(next.next(0ns));
}

TEST_F(RingCrash, OfAConsumerIsNoticedByAWaitingProducer) {
    RingWriter writer{ring};
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    consumer([](RingReader& reader) { static const RingBlock held = reader.next(0ns); }).kill();
    EXPECT_FALSE(writer.wait_for_free(50ms));
    EXPECT_EQ(writer.consumer_deaths(), 1U);
    EXPECT_TRUE(writer.take_back_oldest()) << "what it had is filled again";
}

TEST_F(RingCrash, InTheMiddleOfABlockNeverShowsAPacketThatIsNotThere) {
    // Wherever the producer is killed, valid packets are complete. It writes the pipe's byte first, then works until
    // killed.
    for (std::uint64_t turn = 0; turn < 20; ++turn) {
        int go[2];
        ASSERT_EQ(pipe(go), 0);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            const BlockRing own = BlockRing::attach(name);
            RingWriter writer{own};
            for (std::uint64_t base = 0;; base += 8) {
                while (!hand_over(writer, base)) writer.take_back_oldest();
                if (base == 8 * 100 * (turn + 1)) [[maybe_unused]]
                    const auto put = write(go[1], "x", 1);
            }
        }
        char byte = 0;
        ASSERT_EQ(::read(go[0], &byte, 1), 1);
        ::kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        close(go[0]);
        close(go[1]);
        RingReader reader{ring};
        std::uint64_t next = 0;
        for (;;) {
            const RingBlock block = reader.next();
            if (!block) {
                ASSERT_EQ(block.outcome(), RingOutcome::producer_died);
                break;
            }
            ASSERT_GE(block.number(), next);
            next = block.number() + 1;
            for (std::uint32_t slot = 0; slot < 8; ++slot)
                ASSERT_TRUE(!block.valid(slot) || number_of(block, slot) == block.base() + slot);
        }
    }
}

}  // namespace
}  // namespace pktverbs::testing
