// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_counter.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <set>
#include <vector>

#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::size_t window = 64;

SequenceCounter count(std::initializer_list<std::uint64_t> numbers, const SequenceField& field = {}) {
    SequenceCounter counter{field, window};
    for (const std::uint64_t number : numbers) counter.add(number);
    return counter;
}

/// received, missing, reordered, duplicated, wild, restarts.
using Counts = std::array<std::uint64_t, 6>;
Counts counts(const SequenceCounter& counter) {
    return {counter.received(),   counter.missing(), counter.reordered(),
            counter.duplicated(), counter.wild(),    counter.restarts()};
}

TEST(SequenceCounter, StartsWithNothing) { EXPECT_EQ(counts(count({})), (Counts{0, 0, 0, 0, 0, 0})); }

TEST(SequenceCounter, CountsFromTheFirstNumber) {
    EXPECT_EQ(counts(count({1000, 1001, 1002})), (Counts{3, 0, 0, 0, 0, 0}));
}

TEST(SequenceCounter, FindsAGap) { EXPECT_EQ(counts(count({0, 1, 5, 6})), (Counts{4, 3, 0, 0, 0, 0})); }

TEST(SequenceCounter, CountsALateNumberAsReorderedNotMissing) {
    EXPECT_EQ(counts(count({0, 2, 1, 3})), (Counts{4, 0, 1, 0, 0, 0}));
}

TEST(SequenceCounter, CountsTheSecondOfANumberAsDuplicated) {
    EXPECT_EQ(counts(count({0, 1, 1, 0, 2})), (Counts{5, 0, 0, 2, 0, 0}));
}

TEST(SequenceCounter, CountsADuplicatedFirstNumber) { EXPECT_EQ(counts(count({7, 7})), (Counts{2, 0, 0, 1, 0, 0})); }

TEST(SequenceCounter, TakesALateNumberFromBeforeTheFirst) {
    EXPECT_EQ(counts(count({5, 3, 6})), (Counts{3, 1, 1, 0, 0, 0}));
}

TEST(SequenceCounter, KnowsTheOldestNumberInTheWindow) {
    EXPECT_EQ(counts(count({0, window - 1, 0})), (Counts{3, window - 2, 0, 1, 0, 0}));
}

TEST(SequenceCounter, BearsADuplicateOfLongAgo) {
    SequenceCounter counter;
    for (std::uint64_t number = 0; number < 70'000; ++number) counter.add(number);
    counter.add(5);
    for (std::uint64_t number = 70'000; number < 70'100; ++number) counter.add(number);
    EXPECT_EQ(counts(counter), (Counts{70'101, 0, 0, 0, 1, 0}));
}

TEST(SequenceCounter, BelievesInANewSenderWhenTwoNumbersAgree) {
    EXPECT_EQ(counts(count({100, 101, 200'000'000'000, 102})), (Counts{4, 0, 0, 0, 1, 0}));
    EXPECT_EQ(counts(count({100, 103, 1, 2, 3})), (Counts{5, 2, 0, 0, 0, 1}));
    EXPECT_EQ(counts(count({100, 103, 50, 51, 52})), (Counts{5, 49, 3, 0, 0, 0})) << "so near, they may be late";
}

TEST(SequenceCounter, CountsBothNumbersThatMadeItBelieve) {
    EXPECT_EQ(counts(count({1000, 1002, 5, 6, 8})), (Counts{5, 2, 0, 0, 0, 1}));
    EXPECT_EQ(counts(count({1000, 1002, 6, 5, 8})), (Counts{5, 2, 1, 0, 0, 1}));
}

TEST(SequenceCounter, ForgetsWhatFellOutOfTheWindow) {
    // 64 and 65 reuse the places of 0 and 1, which must be free.
    EXPECT_EQ(counts(count({0, 1, window - 1, window + 2, window, window + 1})), (Counts{6, window - 3, 2, 0, 0, 0}));
}

TEST(SequenceCounter, BelievesInAGapLongerThanTheWindowWhenTwoNumbersAgree) {
    EXPECT_EQ(counts(count({0, 10 * window})), (Counts{2, 0, 0, 0, 1, 0}));
    EXPECT_EQ(counts(count({0, 10 * window, 10 * window + 1})), (Counts{3, 10 * window - 1, 0, 0, 0, 0}));
    EXPECT_EQ(counts(count({0, 10 * window, 10 * window - 1})), (Counts{3, 10 * window - 2, 1, 0, 0, 0}));
}

TEST(SequenceCounter, TakesAHugeJumpForANewSender) {
    constexpr std::uint64_t longest = std::uint64_t{1} << 32;
    EXPECT_EQ(counts(count({0, longest, longest + 1})), (Counts{3, longest - 1, 0, 0, 0, 0}));
    EXPECT_EQ(counts(count({0, longest + 1, longest + 2})), (Counts{3, 0, 0, 0, 0, 1}));
}

TEST(SequenceCounter, WorksUpToTheLastNumber) {
    constexpr std::uint64_t last = ~std::uint64_t{0};
    EXPECT_EQ(counts(count({last - 2, last, last - 1, last, 0, 2, 1})), (Counts{7, 0, 2, 1, 0, 0}));
}

TEST(SequenceCounter, FollowsFieldsThatWrapInStepsThatDoNotDivideThem) {
    const SequenceField field{.width = 1, .first = 3, .divisor = 7};
    SequenceCounter counter{field, window};
    for (std::uint64_t sequence = 50; sequence < 5000; ++sequence)
        if (sequence != 1234) counter.add((field.first + 7 * sequence) & 0xff);
    EXPECT_EQ(counts(counter), (Counts{4949, 1, 0, 0, 0, 0}));
}

TEST(SequenceCounter, CountsTheFirstNumberOfAnyPhase) {
    const SequenceField field{.divisor = 16};
    EXPECT_EQ(counts(count({5, 21, 37}, field)), (Counts{3, 0, 0, 0, 0, 0}));
    EXPECT_EQ(counts(count({5, 37, 53}, field)), (Counts{3, 1, 0, 0, 0, 0}));
    EXPECT_EQ(counts(count({21, 5, 37}, field)), (Counts{3, 0, 1, 0, 0, 0})) << "late, but there";
    EXPECT_EQ(counts(count({3, 5, 21, 5}, field)), (Counts{4, 0, 0, 1, 1, 0})) << "3 belongs to no sequence";
    EXPECT_EQ(counts(count({5, 48, 64}, field)), (Counts{3, 0, 0, 0, 1, 0})) << "5 belongs to no sequence";
}

TEST(SequenceCounter, RefusesAWindowThatIsNone) {
    for (const std::size_t bad : {0U, 1U, 32U, 63U, 65U, 96U})
        expect_words(expect_error(EINVAL, [&] { SequenceCounter({}, bad); }), {"cannot count a sequence: a window of"});
    expect_words(expect_error(EINVAL, [] { SequenceCounter({.width = 9}); }), {"width 9"});
}

TEST(SequenceCounter, AgreesWithASetOverRandomFaults) {
    std::mt19937_64 random{20240817};
    for (int round = 0; round < 200; ++round) {
        std::vector<std::uint64_t> numbers;
        for (std::uint64_t number = 0; number < 1000; ++number) {
            const auto fault = random() % 20;
            if (fault != 0) numbers.push_back(number);
            if (fault == 1) numbers.push_back(number);
        }
        // Each number moves by less than the window, so that none looks like a new sender.
        for (std::size_t i = 0; i + 16 < numbers.size(); i += 16)
            if (random() % 4 == 0)
                std::shuffle(numbers.begin() + static_cast<std::ptrdiff_t>(i),
                             numbers.begin() + static_cast<std::ptrdiff_t>(i + 16), random);
        SequenceCounter counter{{}, window};
        std::set<std::uint64_t> seen;
        std::uint64_t reordered = 0;
        for (const auto number : numbers) {
            counter.add(number);
            const bool late = !seen.empty() && number < *seen.rbegin();
            if (seen.insert(number).second && late) ++reordered;
        }
        const std::uint64_t missing = *seen.rbegin() - *seen.begin() + 1 - seen.size();
        EXPECT_EQ(counts(counter), (Counts{numbers.size(), missing, reordered, numbers.size() - seen.size(), 0, 0}));
    }
}

}  // namespace
}  // namespace pktverbs::testing
