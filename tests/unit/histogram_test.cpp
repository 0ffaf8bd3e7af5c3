// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/counters/histogram.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace pktverbs {
namespace {

using Values = std::vector<std::uint64_t>;
constexpr auto largest = std::numeric_limits<std::uint64_t>::max();

Histogram histogram_of(const Values& values) {
    Histogram histogram;
    for (const auto value : values) histogram.record(value);
    return histogram;
}

/// Of sorted values, the nearest rank; `tenths` of a percent, so that it is exact.
std::uint64_t exact_percentile(const Values& sorted, std::uint64_t tenths) {
    const std::uint64_t rank = (tenths * sorted.size() + 999) / 1000;
    return sorted[rank == 0 ? 0 : rank - 1];
}

std::vector<std::pair<std::string, Values>> distributions() {
    std::mt19937_64 random{20261129};
    std::uniform_int_distribution<std::uint64_t> any, small{0, 1000};
    std::exponential_distribution<double> latency{1e-5};
    std::lognormal_distribution<double> tail{10, 3};
    std::vector<std::pair<std::string, Values>> all{
        {"any 64 bits", {}},   {"below 1000", {}},  {"exponential", {}},    {"lognormal", {}},
        {"two far apart", {}}, {"powers of 2", {}}, {"one alone", {12345}}, {"all the same", Values(1000, 777'777)}};
    for (int i = 0; i < 10'000; ++i) {
        all[0].second.push_back(any(random));
        all[1].second.push_back(small(random));
        all[2].second.push_back(static_cast<std::uint64_t>(latency(random)));
        all[3].second.push_back(static_cast<std::uint64_t>(tail(random)));
        all[4].second.push_back(i % 10 == 0 ? 1'000'000'000 : 1000);
        all[5].second.push_back((std::uint64_t{1} << i % 64) - static_cast<std::uint64_t>(i) % 3);
    }
    return all;
}

TEST(Histogram, AgreesWithSorting) {
    for (auto& [name, values] : distributions()) {
        const auto histogram = histogram_of(values);
        std::ranges::sort(values);
        EXPECT_EQ(histogram.count(), values.size()) << name;
        EXPECT_EQ(histogram.min(), values.front()) << name;
        EXPECT_EQ(histogram.max(), values.back()) << name;
        const auto sum = std::accumulate(values.begin(), values.end(), 0.0L);
        const auto mean = static_cast<double>(sum / static_cast<long double>(values.size()));
        EXPECT_NEAR(histogram.mean(), mean, 1e-12 * mean) << name;
        for (std::uint64_t tenths = 1; tenths <= 1000; ++tenths) {
            const auto exact = exact_percentile(values, tenths);
            const auto found = histogram.percentile(static_cast<double>(tenths) / 10);
            ASSERT_GE(found, exact) << name << ", " << tenths << " tenths of a percent";
            ASSERT_LE(static_cast<double>(found - exact), Histogram::max_relative_error * static_cast<double>(exact))
                << name << ", " << tenths << " tenths of a percent";
        }
        EXPECT_EQ(histogram.percentile(0), values.front()) << name;
        EXPECT_EQ(histogram.percentile(100), values.back()) << name;
    }
}

TEST(Histogram, IsExactForSmallNumbers) {
    Values values(256);
    std::iota(values.begin(), values.end(), 0);
    const auto histogram = histogram_of(values);
    std::uint64_t next = 0;
    for (const auto& bucket : histogram) {
        EXPECT_EQ(bucket.first, next);
        EXPECT_EQ(bucket.last, next);
        EXPECT_EQ(bucket.count, 1u);
        ++next;
    }
    EXPECT_EQ(next, 256u);
}

TEST(Histogram, HasABucketForEveryNumber) {
    for (std::uint64_t middle = 1; middle != 0; middle <<= 1) {
        for (const auto value : {middle - 1, middle, middle + 1, middle + middle / 3, middle + (middle - 1)}) {
            const auto histogram = histogram_of({value});
            const auto bucket = *histogram.begin();
            EXPECT_LE(bucket.first, value);
            EXPECT_GE(bucket.last, value);
            EXPECT_LE(static_cast<double>(bucket.last - bucket.first),
                      Histogram::max_relative_error * static_cast<double>(value))
                << value;
        }
    }
}

TEST(Histogram, HasBucketsThatAdjoin) {
    // 128 in each octave, from 2^40 to the end.
    Histogram histogram;
    for (std::uint64_t value = std::uint64_t{1} << 40; value >= std::uint64_t{1} << 40;
         value += std::uint64_t{1} << (std::bit_width(value) - 8))
        histogram.record(value);
    EXPECT_EQ(std::ranges::distance(histogram), 24 * 128);
    std::uint64_t next = std::uint64_t{1} << 40;
    for (const auto& bucket : histogram) {
        ASSERT_EQ(bucket.first, next);
        next = bucket.last + 1;
    }
    EXPECT_EQ(next, 0u) << "the last bucket ends with the last number";
}

TEST(Histogram, TakesTheExtremes) {
    const auto histogram = histogram_of({0, 1, largest});
    EXPECT_EQ(histogram.min(), 0u);
    EXPECT_EQ(histogram.max(), largest);
    EXPECT_EQ(histogram.percentile(33), 0u);
    EXPECT_EQ(histogram.percentile(66), 1u);
    EXPECT_EQ(histogram.percentile(67), largest);
    const Values ends(1000, largest);
    EXPECT_DOUBLE_EQ(histogram_of(ends).mean(), static_cast<double>(largest)) << "the sum passes 64 bits";
}

TEST(Histogram, IsZeroWhenEmpty) {
    const Histogram histogram;
    EXPECT_TRUE(histogram.empty());
    EXPECT_EQ(histogram.min(), 0u);
    EXPECT_EQ(histogram.max(), 0u);
    EXPECT_EQ(histogram.mean(), 0);
    EXPECT_EQ(histogram.percentile(50), 0u);
    EXPECT_EQ(histogram.percentile(100), 0u);
    EXPECT_TRUE(histogram.begin() == histogram.end());
}

TEST(Histogram, TakesNoMoreThanWasMeantByAPercentage) {
    Histogram histogram;
    for (std::uint64_t i = 1; i <= 1000; ++i) histogram.record(1000 * i);
    EXPECT_NEAR(static_cast<double>(histogram.percentile(99.9)), 999'000, 999);
    EXPECT_LT(histogram.percentile(99.9), 1'000'000u);
    Histogram two;
    two.record(1);
    two.record(1000);
    EXPECT_EQ(two.percentile(50), 1u);
    EXPECT_EQ(two.percentile(50.1), 1000u);
}

TEST(Histogram, ClampsAPercentage) {
    const auto histogram = histogram_of({5, 50, 500});
    EXPECT_EQ(histogram.percentile(-1), 5u);
    EXPECT_EQ(histogram.percentile(1e-300), 5u);
    EXPECT_EQ(histogram.percentile(101), 500u);
    EXPECT_EQ(histogram.percentile(std::nan("")), 5u);
}

TEST(Histogram, MergesAsIfAllWereRecordedInOne) {
    const auto all = distributions();
    Histogram merged;
    Histogram one;
    for (const auto& [name, values] : all) {
        merged.merge(histogram_of(values));
        for (const auto value : values) one.record(value);
        EXPECT_EQ(merged, one) << name;
    }
    merged.merge(Histogram{});
    EXPECT_EQ(merged, one);
    merged.merge(merged);
    EXPECT_EQ(merged.count(), 2 * one.count());
    EXPECT_DOUBLE_EQ(merged.mean(), one.mean());
}

TEST(Histogram, IsAsNewWhenCleared) {
    auto histogram = histogram_of({1, 1000, largest});
    histogram.clear();
    EXPECT_EQ(histogram, Histogram{});
    histogram.record(7);
    EXPECT_EQ(histogram.min(), 7u);
    EXPECT_EQ(histogram.max(), 7u);
}

}  // namespace
}  // namespace pktverbs
