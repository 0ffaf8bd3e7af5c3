// SPDX-License-Identifier: Apache-2.0
// Ring: the other side writes over the ring, between calls and during them. Blocks may be lost; but no call hangs, no
// block is in use twice, and no count changes. The ring is compiled here with its hook (RingWord).
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "ring_frames.hpp"
#include "ring_writer_case.hpp"

namespace pktverbs::testing {
namespace {

using State = RingState;

/// Adds an event to the side at this offset of the header. Bypasses the hook.
void add_event(const BlockRing& ring, std::size_t side) {
    std::uint32_t events;
    std::memcpy(&events, ring.memory().data() + side, sizeof events);
    ++events;
    std::memcpy(ring.memory().data() + side, &events, sizeof events);
}

class RingHostile : public ::testing::Test {
protected:
    void TearDown() override { quiet(); }

    /// Before every access from here on.
    void always(std::function<void()> write) {
        static std::function<void()> action;
        static int accesses;
        action = std::move(write);
        accesses = 0;
        ring_hook = [] {
            if (++accesses > 100'000) {
                std::fputs("a call does not end\n", stderr);
                std::abort();
            }
            action();
        };
    }
    static void quiet() { ring_hook = nullptr; }
    /// Bypasses the hook.
    void set_state(std::uint32_t block, std::uint64_t word) { std::memcpy(state(block), &word, sizeof word); }
    std::uint64_t state_of(std::uint32_t block) {
        std::uint64_t word;
        std::memcpy(&word, state(block), sizeof word);
        return word;
    }
    void set_states(std::uint64_t number, State::Kind kind) {
        for (std::uint32_t i = 0; i < small_ring.blocks; ++i) set_state(i, State::word(number, kind));
    }

    BlockRing ring{small_ring};
    RingWriter writer{ring};

private:
    void* state(std::uint32_t block) { return &writer.view().state(block); }
};

using RingWriterHostile = RingHostile;

TEST_F(RingWriterHostile, OpensNoBlockTwice) {
    const auto first = writer.open(0);
    set_states(0, State::free);
    EXPECT_EQ(writer.free_blocks(), 3U);
    for (int i = 0; i < 3; ++i) EXPECT_NE(writer.open(8), first);
    set_states(0, State::free);
    EXPECT_FALSE(writer.has_free());
    EXPECT_EQ(writer.open(8), std::nullopt);
}

TEST_F(RingWriterHostile, HandsOverItsOpenBlocksInAnyState) {
    RingReader reader{ring};
    const auto block = writer.open(0);
    put(writer, *block, 0, 0);
    set_state(*block, State::word(77, State::reading));
    RingBlockHeader header = writer.view().block_header(*block).load();
    header.base = 4711;
    writer.view().block_header(*block) = header;
    writer.hand_over(*block, 0, 1, 1);
    EXPECT_TRUE(is_whole(reader.next(0ns), 0, 1)) << "with its own base";
}

TEST_F(RingWriterHostile, DoesNothingWithABlockThatIsNotOpen) {
    hand_over(writer, 0);
    for (const std::uint32_t block : {0U, 1U, 4U, ~0U}) {
        writer.discard(block);
        writer.hand_over(block, 0, 8, 8);
    }
    EXPECT_EQ(writer.free_blocks(), 3U);
    EXPECT_EQ(ring.filled_blocks(), 1U);
}

TEST_F(RingWriterHostile, LosesNoBlocksToStatesThatCannotBe) {
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    set_states(9, State::filling);
    EXPECT_EQ(writer.free_blocks(), 4U) << "no other producer fills blocks";
    for (std::uint32_t i = 0; i < 4; ++i) {
        const auto block = writer.open(0);
        ASSERT_TRUE(block);
        writer.discard(*block);
    }
    set_states(9, State::filled);
    EXPECT_EQ(writer.free_blocks(), 4U) << "these were never handed over";
    EXPECT_EQ(writer.take_back_oldest(), std::nullopt);
    EXPECT_FALSE(writer.consumer_has_blocks());
}

TEST_F(RingWriterHostile, CountsWhatItTakesBackByItsOwnBooks) {
    hand_over(writer, 0, 5);
    hand_over(writer, 8, 7);
    for (std::uint32_t i = 0; i < 4; ++i) {
        RingBlockHeader header = writer.view().block_header(i).load();
        header.valid_slots = 1'000'000;
        writer.view().block_header(i) = header;
    }
    // Block numbers, too: the first is made to look like the last.
    for (std::uint32_t i = 0; i < 4; ++i)
        if (state_of(i) == State::word(0, State::filled)) set_state(i, State::word(1000, State::filled));
    EXPECT_EQ(writer.take_back_oldest(), 5U);
    EXPECT_EQ(writer.take_back_oldest(), 7U);
}

TEST_F(RingWriterHostile, TakesBackNoMoreOftenThanThereAreBlocks) {
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    std::uint64_t number = 100;
    always([&] { set_states(++number, State::filled); });
    EXPECT_EQ(writer.take_back_oldest(), std::nullopt);
    quiet();
}

TEST_F(RingWriterHostile, EndsThoughBlocksAreSaidToBeOpen) {
    std::optional<RingWriter> other{std::move(writer)};
    other->open(0);
    always([&] { set_states(1, State::filling); });
    other.reset();
}

TEST_F(RingWriterHostile, BeginsThoughBlocksAreSaidToBeOpen) {
    std::optional<RingWriter> other{std::move(writer)};
    other.reset();
    always([&] { set_states(1, State::filling); });
    other.emplace(ring);
    quiet();
    EXPECT_EQ(other->free_blocks(), 4U);
}

TEST_F(RingWriterHostile, CleansUpAfterAConsumerThoughItsBlocksComeAgain) {
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    always([&] { set_states(1, State::reading); });
    writer.consumer();
    quiet();
    EXPECT_EQ(writer.consumer(), RingPeer::died) << "the lock is free, but blocks are taken";
    EXPECT_EQ(ring.filled_blocks(), 4U);
}

TEST_F(RingWriterHostile, GetsBlocksBackFromAConsumerThatSaidItHadEnded) {
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    set_state(2, State::word(2, State::reading));
    const RingReader next{ring};
    EXPECT_EQ(ring.filled_blocks(), 4U);
}

TEST_F(RingWriterHostile, WaitsNoLongerThanItsTimeout) {
    for (std::uint64_t base = 0; base < 32; base += 8) hand_over(writer, base);
    always([&] { add_event(ring, offsetof(RingHeader, consumer)); });  // it never sleeps
    EXPECT_FALSE(writer.wait_for_free(1ms));
}

class RingReaderHostile : public RingHostile {
protected:
    RingReader reader{ring};
};

TEST_F(RingReaderHostile, GivesBackOnlyWhatItHas) {
    hand_over(writer, 0);
    RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    std::uint32_t index = 0;
    while (State::kind(state_of(index)) != State::reading) ++index;
    set_state(index, State::word(9, State::filling));
    block.give_back();
    EXPECT_EQ(state_of(index), State::word(9, State::filling));
}

TEST_F(RingReaderHostile, TakesNoBlockTwice) {
    hand_over(writer, 0);
    const RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    for (std::uint32_t i = 0; i < 4; ++i)
        if (State::kind(state_of(i)) == State::reading) set_state(i, State::word(1, State::filled));
    EXPECT_FALSE(reader.next(0ns));
    EXPECT_TRUE(is_whole(block, 0));
}

TEST_F(RingReaderHostile, LooksNoMoreOftenThanThereAreBlocks) {
    std::uint64_t number = 100;
    always([&] { set_states(++number, State::filled); });
    EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::timeout);
    quiet();
    set_states(0, State::free);
    hand_over(writer, 0);
    EXPECT_TRUE(is_whole(reader.next(0ns), 0));
}

TEST_F(RingReaderHostile, CleansUpAfterAProducerThoughItsBlocksComeAgain) {
    { const RingWriter gone{std::move(writer)}; }
    always([&] { set_states(1, State::filling); });
    reader.producer();
    quiet();
    EXPECT_EQ(reader.producer(), RingPeer::died);
}

TEST_F(RingReaderHostile, KeepsToTheSizesThatItChecked) {
    const auto index = writer.open(0);
    for (std::uint32_t slot = 0; slot < 8; ++slot) put(writer, *index, slot, slot);
    writer.hand_over(*index, 2, 6, 4);
    // Valid at every other access, and impossible in between.
    const RingBlockHeader right = writer.view().block_header(*index).load();
    RingBlockHeader wrong = right;
    wrong.first_slot = wrong.end_slot = wrong.valid_slots = 1U << 30;
    bool turn = false;
    always([&] { std::memcpy(writer.view().block(*index), (turn = !turn) ? &right : &wrong, sizeof right); });
    const RingBlock block = reader.next(0ns);
    quiet();
    if (block) {
        EXPECT_LE(block.end_slot(), 8U);
    } else {
        EXPECT_EQ(block.outcome(), RingOutcome::corrupt);
    }
}

TEST_F(RingReaderHostile, KeepsTheBitmapThatItChecked) {
    hand_over(writer, 0, 5);
    const RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    for (std::uint32_t i = 0; i < 4; ++i) writer.set_valid_bits(i, 0, ~std::uint64_t{0});
    EXPECT_EQ(block.bitmap()[0], 0b11111U);
    EXPECT_FALSE(block.valid(5));
}

TEST_F(RingReaderHostile, RefusesABitmapThatContradictsTheHeader) {
    const auto index = writer.open(0);
    put(writer, *index, 0, 0);
    writer.set_valid_bits(*index, 0, 0b110);
    writer.hand_over(*index, 0, 8, 1);
    EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::corrupt);
    EXPECT_EQ(writer.free_blocks(), 4U) << "it went back";
    const auto outside = writer.open(8);
    put(writer, *outside, 0, 8);
    writer.set_valid_bits(*outside, 0, std::uint64_t{1} << 7);
    writer.hand_over(*outside, 0, 4, 1);
    const RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    EXPECT_FALSE(block.valid(7)) << "behind its end";
}

TEST_F(RingReaderHostile, ReadsALengthOnce) {
    const auto index = writer.open(0);
    put(writer, *index, 0, 0);
    writer.hand_over(*index, 0, 1, 1);
    const RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    // Different at every access: the checked value must be the one used.
    RingSlot info{0, 0, 0};
    always([&] {
        info.length = info.length == 0 ? ~0U : info.length >> 8;
        std::memcpy(static_cast<void*>(&writer.view().slot_infos(*index)[0]), &info, sizeof info);
    });
    for (int i = 0; i < 20; ++i) {
        EXPECT_LE(block.length(0), 8U + 64U);
        EXPECT_LE(block.header(0).size(), 8U);
        EXPECT_LE(block.payload(0).size(), 64U);
    }
    quiet();
}

TEST_F(RingReaderHostile, ReturnsNoStatusThatThereIsNot) {
    const auto index = writer.open(0);
    put(writer, *index, 0, 0);
    writer.hand_over(*index, 0, 1, 1);
    const RingBlock block = reader.next(0ns);
    ASSERT_TRUE(block);
    constexpr std::uint32_t last = IBV_WC_TM_RNDV_INCOMPLETE;
    auto& info = writer.view().slot_infos(*index)[0];
    for (const std::uint32_t number : {last + 1, 0x7fffffffU, 0xffffffffU}) {
        info.store({8, number, 0});
        EXPECT_EQ(block.status(0), IBV_WC_GENERAL_ERR) << number;
    }
    info.store({8, last, 0});
    EXPECT_EQ(block.status(0), IBV_WC_TM_RNDV_INCOMPLETE);
}

TEST_F(RingHostile, AttachesByOneReadOfEverySize) {
    // Every word of the description is right at the first read, and wrong from then on.
    auto* const words = reinterpret_cast<std::uint64_t*>(ring.memory().data());
    std::vector<std::uint64_t> right(words, words + 13);
    int access = 0;
    always([&] {
        if (++access > 1 && access <= 13) words[access - 2] = ~std::uint64_t{0};
    });
    const BlockRing attached = BlockRing::attach(ring.fd());
    quiet();
    EXPECT_EQ(attached.geometry(), small_ring.checked());
    std::copy(right.begin(), right.end(), words);
}

TEST_F(RingReaderHostile, GivesTheOldestOfTwoThatCameWhileItLooked) {
    const auto first = writer.open(0), second = writer.open(8);
    put(writer, *first, 0, 0);
    put(writer, *second, 0, 8);
    int access = 0;
    always([&] {
        // It has checked the expected place, the producer, the expected place again, and the first of all places.
        if (++access != 8) return;
        quiet();
        writer.hand_over(*first, 0, 1, 1);
        writer.hand_over(*second, 0, 1, 1);
    });
    EXPECT_TRUE(is_whole(reader.next(1h), 0, 1));
    EXPECT_TRUE(is_whole(reader.next(0ns), 8, 1));
}

/// A block in a place where it is not expected, and not counted: as by a producer that died in between.
class RingUncounted : public RingReaderHostile {
protected:
    RingUncounted() {
        const auto expected = writer.open(0), other = writer.open(8);
        put(writer, *other, 0, 8);
        writer.hand_over(*other, 0, 1, 1);
        writer.view().header().producer.blocks.store(0, std::memory_order_relaxed);
        writer.discard(*expected);
    }
};

TEST_F(RingUncounted, IsFoundByOneThatPolls) {
    int polls = 1;
    RingBlock block = reader.next(0ns);
    for (; !block && polls < 2000; ++polls) block = reader.next(0ns);
    EXPECT_TRUE(is_whole(block, 8, 1));
    EXPECT_GT(polls, 1) << "nothing is tested";
}

TEST_F(RingUncounted, IsFoundByOneThatWaits) { EXPECT_TRUE(is_whole(reader.next(1h), 8, 1)); }

TEST_F(RingUncounted, IsFoundBeforeTheEndIsReported) {
    { const RingWriter ended{std::move(writer)}; }
    EXPECT_TRUE(is_whole(reader.next(0ns), 8, 1));
    EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::finished);
}

/// A child has copies of all objects. Their end has no effect, unless it used them.
class RingForked : public RingReaderHostile {
protected:
    static void in_child(const std::function<void()>& does) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            does();
            _exit(::testing::Test::HasFailure() ? 1 : 0);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
};

TEST_F(RingForked, BlocksDoNotGoBack) {
    hand_over(writer, 0);
    RingBlock block = reader.next(0ns);
    in_child([&] { block.give_back(); });
    EXPECT_EQ(writer.free_blocks(), 3U);
    EXPECT_TRUE(is_whole(block, 0));
    block.give_back();
    EXPECT_EQ(writer.free_blocks(), 4U);
}

TEST_F(RingForked, SidesDoNotEnd) {
    writer.open(0);
    in_child([&] {
        { const RingReader ended{std::move(reader)}; }
        { const RingWriter ended{std::move(writer)}; }
    });
    EXPECT_EQ(reader.producer(), RingPeer::present);
    EXPECT_EQ(writer.consumer(), RingPeer::present);
    EXPECT_EQ(reader.next(0ns).outcome(), RingOutcome::timeout);
}

TEST_F(RingForked, BelongToTheChildThatUsesThem) {
    hand_over(writer, 0);
    in_child([&] {
        RingReader own{std::move(reader)};
        EXPECT_TRUE(is_whole(own.next(0ns), 0));
    });
    EXPECT_EQ(writer.free_blocks(), 4U) << "as after daemon(3)";
    EXPECT_EQ(writer.consumer(), RingPeer::ended);
}

/// The fuzz target's case with inputs from a seed, for compilers without libFuzzer.
TEST(RingWriterCase, HoldsForRandomPeers) {
    for (std::uint32_t seed = 1; seed <= 400; ++seed) {
        std::mt19937 random{seed};
        std::vector<std::uint8_t> input(40 + random() % 400);
        for (auto& byte : input) byte = static_cast<std::uint8_t>(random());
        SCOPED_TRACE(seed);
        run_ring_writer_case(input);
    }
}

}  // namespace
}  // namespace pktverbs::testing
