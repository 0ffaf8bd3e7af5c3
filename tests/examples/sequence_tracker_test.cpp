// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <set>
#include <vector>

#include "common/sequence_tracker.hpp"

using example::SequenceTracker;

namespace {

constexpr std::size_t window = 64;

SequenceTracker track(std::initializer_list<std::uint64_t> numbers) {
    SequenceTracker tracker{window};
    for (const auto number : numbers) tracker.add(number);
    return tracker;
}

/// received, missing, reordered, duplicated, restarts.
std::array<std::uint64_t, 5> counts(const SequenceTracker& tracker) {
    return {tracker.received(), tracker.missing(), tracker.reordered(), tracker.duplicated(), tracker.restarts()};
}
using Counts = std::array<std::uint64_t, 5>;

}  // namespace

TEST(SequenceTracker, StartsWithNothing) { EXPECT_EQ(counts(track({})), (Counts{0, 0, 0, 0, 0})); }

TEST(SequenceTracker, CountsFromTheFirstNumberSeen) {
    EXPECT_EQ(counts(track({1000, 1001, 1002})), (Counts{3, 0, 0, 0, 0}));
}

TEST(SequenceTracker, FindsAGap) { EXPECT_EQ(counts(track({0, 1, 5, 6})), (Counts{4, 3, 0, 0, 0})); }

TEST(SequenceTracker, CountsALateNumberAsReorderedNotMissing) {
    EXPECT_EQ(counts(track({0, 2, 1, 3})), (Counts{4, 0, 1, 0, 0}));
}

TEST(SequenceTracker, CountsTheSecondOfANumberAsDuplicated) {
    EXPECT_EQ(counts(track({0, 1, 1, 0, 2})), (Counts{5, 0, 0, 2, 0}));
}

TEST(SequenceTracker, CountsADuplicatedFirstNumber) { EXPECT_EQ(counts(track({7, 7})), (Counts{2, 0, 0, 1, 0})); }

TEST(SequenceTracker, TakesALateNumberFromBeforeTheFirst) {
    EXPECT_EQ(counts(track({5, 3, 6})), (Counts{3, 1, 1, 0, 0}));
}

TEST(SequenceTracker, KnowsTheOldestNumberInTheWindow) {
    EXPECT_EQ(counts(track({0, window - 1, 0})), (Counts{3, window - 2, 0, 1, 0}));
}

TEST(SequenceTracker, TakesANumberFromBeforeTheWindowForANewSender) {
    EXPECT_EQ(counts(track({0, window, 0, 1})), (Counts{4, window - 1, 0, 0, 1}));
}

TEST(SequenceTracker, ForgetsWhatFellOutOfTheWindow) {
    // The slots of 0 and 1 are used again by 64 and 65, and must be found free.
    EXPECT_EQ(counts(track({0, 1, window - 1, window + 2, window, window + 1})), (Counts{6, window - 3, 2, 0, 0}));
}

TEST(SequenceTracker, StandsAGapLongerThanTheWindow) {
    EXPECT_EQ(counts(track({0, 10 * window, 10 * window - 1})), (Counts{3, 10 * window - 2, 1, 0, 0}));
}

TEST(SequenceTracker, TakesAHugeJumpForANewSender) {
    constexpr auto most = SequenceTracker::longest_gap;
    EXPECT_EQ(counts(track({0, most})), (Counts{2, most - 1, 0, 0, 0}));
    EXPECT_EQ(counts(track({0, most + 1})), (Counts{2, 0, 0, 0, 1}));
}

TEST(SequenceTracker, WorksUpToTheLastNumber) {
    constexpr auto last = ~std::uint64_t{0};
    EXPECT_EQ(counts(track({last - 2, last, last - 1, last})), (Counts{4, 0, 1, 1, 0}));
}

TEST(SequenceTracker, AgreesWithASetOverRandomFaults) {
    std::mt19937_64 random{20240817};
    for (int round = 0; round < 200; ++round) {
        std::vector<std::uint64_t> numbers;
        for (std::uint64_t number = 0; number < 1000; ++number) {
            const auto fault = random() % 20;
            if (fault != 0) numbers.push_back(number);
            if (fault == 1) numbers.push_back(number);
        }
        // Each number moves by less than the window, so that nothing looks like a new sender.
        for (std::size_t i = 0; i + 16 < numbers.size(); i += 16)
            if (random() % 4 == 0)
                std::shuffle(numbers.begin() + static_cast<std::ptrdiff_t>(i),
                             numbers.begin() + static_cast<std::ptrdiff_t>(i + 16), random);
        SequenceTracker tracker{window};
        std::set<std::uint64_t> seen;
        std::uint64_t reordered = 0;
        for (const auto number : numbers) {
            tracker.add(number);
            const bool late = !seen.empty() && number < *seen.rbegin();
            if (seen.insert(number).second && late) ++reordered;
        }
        EXPECT_EQ(tracker.received(), numbers.size());
        EXPECT_EQ(tracker.missing(), *seen.rbegin() - *seen.begin() + 1 - seen.size());
        EXPECT_EQ(tracker.reordered(), reordered);
        EXPECT_EQ(tracker.duplicated(), numbers.size() - seen.size());
        EXPECT_EQ(tracker.restarts(), 0U);
    }
}
