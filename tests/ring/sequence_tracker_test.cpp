// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_tracker.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <random>
#include <string>

namespace pktverbs::testing {
namespace {

using Verdict = SequenceTracker::Verdict;

std::uint64_t sequence_of(SequenceTracker& tracker, std::uint64_t number) {
    const auto [verdict, sequence] = tracker.next(number);
    EXPECT_EQ(verdict, Verdict::in_sequence) << number;
    return sequence;
}

/// Fields of every width, with all kinds of steps that they allow: odd, even, powers of two, up to the largest.
template <class Check>
void for_every_field(Check&& check) {
    for (std::uint32_t width = 1; width <= 8; ++width) {
        SequenceField field{.width = width};
        const std::uint64_t most = field.max_number();
        for (const std::uint64_t divisor :
             {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{6}, std::uint64_t{7},
              std::uint64_t{8}, std::uint64_t{12}, std::uint64_t{100}, std::uint64_t{1000}, std::uint64_t{8191},
              most / 3, most / 4 + 1, most / 2 - 1, most / 2}) {
            if (divisor == 0 || divisor > most / 2) continue;
            field.divisor = divisor;
            field.first = most / 5;
            field.check();
            SCOPED_TRACE("width " + std::to_string(width) + " divisor " + std::to_string(divisor));
            check(field);
        }
    }
}

/// The field's bits that distinguish sequence numbers: all but those that the even part of the divisor takes.
std::uint64_t max_sequences(const SequenceField& field) {
    return field.max_number() >> std::countr_zero(field.divisor);
}

TEST(SequenceTracker, GoesOnWhereTheFieldWraps) {
    for (const std::uint32_t width : {1U, 2U, 4U}) {
        const std::uint64_t wrap = std::uint64_t{1} << 8 * width;
        SequenceTracker tracker{{.width = width}, 100};
        std::uint64_t number = wrap - 200;
        EXPECT_EQ(sequence_of(tracker, number), wrap - 200);
        for (std::uint64_t i = 1; i < 1000; ++i) EXPECT_EQ(sequence_of(tracker, (number + i) % wrap), number + i);
    }
}

TEST(SequenceTracker, GoesBackOverAWrap) {
    SequenceTracker tracker{{.width = 2}, 1000};
    sequence_of(tracker, 65530);
    EXPECT_EQ(sequence_of(tracker, 5), 65541U);
    EXPECT_EQ(sequence_of(tracker, 65535), 65535U) << "late";
    EXPECT_EQ(sequence_of(tracker, 6), 65542U);
}

TEST(SequenceTracker, GivesNumbersBeforeTheFirst) {
    SequenceTracker tracker{{.width = 2}, 1000};
    EXPECT_EQ(sequence_of(tracker, 0), 0U);
    EXPECT_EQ(static_cast<std::int64_t>(sequence_of(tracker, 65535)), -1);
}

TEST(SequenceTracker, UsesAllOf64Bits) {
    SequenceTracker tracker{{}, 100};
    EXPECT_EQ(sequence_of(tracker, ~std::uint64_t{0}), ~std::uint64_t{0});
    EXPECT_EQ(sequence_of(tracker, 0), 0U) << "one further, modulo 2^64";
    EXPECT_EQ(sequence_of(tracker, 1), 1U);
}

TEST(SequenceTracker, CountsFromTheFirstByTheDivisor) {
    SequenceTracker tracker{{.first = 1000, .divisor = 16}, 100};
    EXPECT_EQ(sequence_of(tracker, 1016), 1U);
    EXPECT_EQ(sequence_of(tracker, 1000 + 16 * 50), 50U);
    EXPECT_EQ(tracker.next(1017).verdict, Verdict::not_matching);
    EXPECT_EQ(sequence_of(tracker, 1000), 0U);
}

TEST(SequenceTracker, ADivisorNeedNotDivideTheWrap) {
    SequenceTracker tracker{{.width = 2, .divisor = 7}, 100};
    std::uint64_t number = 7 * 9000;
    for (std::uint64_t i = 0; i < 40000; ++i, number += 7)
        ASSERT_EQ(sequence_of(tracker, number & 0xffff), 9000 + i) << number;
}

TEST(SequenceTracker, GivesALateJoinerTheNumbersOfTheOthers) {
    for_every_field([](const SequenceField& field) {
        for (const std::uint64_t first_seen : {0ULL, 1ULL, 5ULL, 100ULL, 9'000ULL, 70'001ULL, 20'000'003ULL}) {
            SequenceTracker tracker{field, 1000};
            for (std::uint64_t i = 0; i < 20; ++i) {
                const std::uint64_t sequence = first_seen + i;
                const auto [verdict, found] =
                    tracker.next((field.first + sequence * field.divisor) & field.max_number());
                ASSERT_EQ(verdict, Verdict::in_sequence) << sequence;
                ASSERT_EQ(found - (first_seen & max_sequences(field)), i) << sequence;
            }
        }
    });
}

TEST(SequenceTracker, FollowsASenderThatBeginsAnewInAnotherPhase) {
    for_every_field([](const SequenceField& field) {
        // In a field that holds only a few steps, a number of any phase may be the next one but one.
        if (field.max_number() / field.divisor < 8) return;
        for (const std::uint64_t phase : {1ULL, 2ULL, 3ULL, 5ULL, 77ULL}) {
            if (phase >= field.divisor) continue;
            SequenceTracker tracker{field, 2};
            std::uint64_t number = field.first + 10 * field.divisor;
            for (int i = 0; i < 5; ++i, number += field.divisor) sequence_of(tracker, number & field.max_number());
            number += phase;
            const auto first = tracker.next(number & field.max_number());
            ASSERT_EQ(first.verdict, Verdict::not_matching) << phase;
            number += field.divisor;
            const auto second = tracker.next(number & field.max_number());
            ASSERT_EQ(second.verdict, Verdict::restarted) << phase;
            for (std::uint64_t i = 1; i < 20; ++i) {
                number += field.divisor;
                ASSERT_EQ(sequence_of(tracker, number & field.max_number()), second.sequence + i) << phase;
            }
        }
    });
}

TEST(SequenceTracker, BelievesASenderOfAnotherPhaseFromItsSecondPacketOn) {
    SequenceTracker tracker{{.divisor = 16}, 100};
    EXPECT_EQ(tracker.next(5).verdict, Verdict::not_matching);
    const auto joined = tracker.next(21);
    EXPECT_EQ(joined.verdict, Verdict::joined);
    EXPECT_EQ(joined.sequence, 1U);
    EXPECT_EQ(sequence_of(tracker, 37), 2U);
    EXPECT_EQ(tracker.next(48).verdict, Verdict::not_matching);
    EXPECT_EQ(sequence_of(tracker, 53), 3U);
}

TEST(SequenceTracker, TakesOneNumberOffTheStepForAMistake) {
    SequenceTracker tracker{{.width = 2, .divisor = 7}, 100};
    for (std::uint64_t i = 0; i < 30'000; ++i) {
        ASSERT_EQ(sequence_of(tracker, 7 * i & 0xffff), i);
        ASSERT_EQ(tracker.next((7 * i + 1 + i % 6) & 0xffff).verdict, Verdict::not_matching);
    }
}

TEST(SequenceTracker, HoldsWhatIsFurtherThanHalfTheFieldForFar) {
    SequenceTracker tracker{{.width = 1}, 1U << 16};
    EXPECT_EQ(sequence_of(tracker, 10), 10U);
    EXPECT_EQ(sequence_of(tracker, 137), 137U) << "127 ahead";
    EXPECT_EQ(tracker.next(9).verdict, Verdict::wild) << "128 either way";
    EXPECT_EQ(sequence_of(tracker, 138), 138U);
}

TEST(SequenceTracker, CountsPastTheWrapOfTheLargestSteps) {
    for_every_field([](const SequenceField& field) {
        SequenceTracker tracker{field, 1000};
        std::uint64_t sequence = 0;
        for (int i = 0; i < 1000; ++i, ++sequence)
            ASSERT_EQ(sequence_of(tracker, (field.first + sequence * field.divisor) & field.max_number()), sequence);
        tracker.skip(1'000'000'007);
        sequence += 1'000'000'007;
        ASSERT_EQ(tracker.next_sequence(), sequence);
        ASSERT_EQ(tracker.next_value(), sequence * field.divisor & field.max_number());
        ASSERT_EQ(sequence_of(tracker, (field.first + sequence * field.divisor) & field.max_number()), sequence);
    });
}

TEST(SequenceTracker, TakesOneFarNumberForAMistake) {
    SequenceTracker tracker{{}, 100};
    sequence_of(tracker, 5000);
    EXPECT_EQ(sequence_of(tracker, 5100), 5100U) << "just not too far";
    EXPECT_EQ(tracker.next(5201).verdict, Verdict::wild);
    EXPECT_EQ(tracker.next(4999).verdict, Verdict::wild);
    EXPECT_EQ(sequence_of(tracker, 5000), 5000U);
    EXPECT_EQ(tracker.next(9'000'000).verdict, Verdict::wild);
    EXPECT_EQ(tracker.next(9'000'000).verdict, Verdict::wild) << "the same one twice";
    EXPECT_EQ(sequence_of(tracker, 5101), 5101U);
    EXPECT_EQ(tracker.next(9'000'001).verdict, Verdict::wild) << "a good one in between";
}

TEST(SequenceTracker, BeginsAnewWhereTwoAgree) {
    SequenceTracker tracker{{.width = 4}, 100};
    sequence_of(tracker, 1'000'000);
    EXPECT_EQ(tracker.next(0).verdict, Verdict::wild);
    const auto back = tracker.next(1);
    EXPECT_EQ(back.verdict, Verdict::restarted);
    EXPECT_EQ(back.sequence, 1U);
    EXPECT_EQ(sequence_of(tracker, 2), 2U);
    EXPECT_EQ(tracker.next(50'000).verdict, Verdict::wild);
    const auto ahead = tracker.next(50'002);
    EXPECT_EQ(ahead.verdict, Verdict::restarted);
    EXPECT_EQ(ahead.sequence, 50'002U);
}

TEST(SequenceTracker, KeepsCountingOverAWrapWhenItJumpsAhead) {
    SequenceTracker tracker{{.width = 2}, 100};
    sequence_of(tracker, 60'000);
    tracker.next(3000);
    EXPECT_EQ(tracker.next(3001).sequence, 65536U + 3001U);
}

TEST(SequenceTracker, BeginsAnewWhenNothingButLateOnesCome) {
    SequenceTracker tracker{{}, 10'000};
    sequence_of(tracker, 5000);
    for (std::uint64_t i = 0; i < 63; ++i) {
        EXPECT_EQ(sequence_of(tracker, i), i);
        EXPECT_EQ(tracker.late(i).verdict, Verdict::in_sequence);
    }
    EXPECT_EQ(sequence_of(tracker, 63), 63U);
    const auto result = tracker.late(63);
    EXPECT_EQ(result.verdict, Verdict::restarted);
    EXPECT_EQ(result.sequence, 63U);
    EXPECT_EQ(sequence_of(tracker, 64), 64U);
}

TEST(SequenceTracker, BearsLateOnesBetweenOthers) {
    SequenceTracker tracker{{}, 10'000};
    for (std::uint64_t i = 0; i < 1000; ++i) {
        sequence_of(tracker, 5000 + i);
        sequence_of(tracker, i);
        EXPECT_EQ(tracker.late(i).verdict, Verdict::in_sequence);
    }
}

/// For any field width, first and divisor, a 64-bit number comes out as it went in.
TEST(SequenceTracker, FollowsAnyStreamThatStaysNearItself) {
    std::mt19937_64 random{20261121};
    for (int turn = 0; turn < 200; ++turn) {
        const auto width = static_cast<std::uint32_t>(1 + random() % 8);
        SequenceField field{.width = width};
        field.divisor = 1 + random() % (width == 1 ? 3 : 40);
        field.first = random() & field.max_number();
        const std::uint64_t near = std::min<std::uint64_t>(field.max_number() / field.divisor / 4, 1000);
        SequenceTracker tracker{field, near};
        std::uint64_t newest = random() % (field.max_number() / field.divisor / 2 + 1);
        for (int i = 0; i < 500; ++i) {
            const std::uint64_t step = random() % (2 * near + 1);
            const std::uint64_t sequence = i == 0 || newest + step < near ? newest : newest + step - near;
            const std::uint64_t number = (field.first + sequence * field.divisor) & field.max_number();
            ASSERT_EQ(sequence_of(tracker, number), sequence) << turn << ' ' << i;
            newest = std::max(newest, sequence);
        }
    }
}

}  // namespace
}  // namespace pktverbs::testing
