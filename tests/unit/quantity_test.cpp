// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace pktverbs {
namespace {

TEST(Quantity, IsDigitsDecimalsAndAUnit) {
    const auto whole = Quantity::parse("120Mpps");
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->digits, 120u);
    EXPECT_EQ(whole->decimals, 0u);
    EXPECT_EQ(whole->unit, "Mpps");
    const auto fraction = Quantity::parse("10.050ms");
    ASSERT_TRUE(fraction);
    EXPECT_EQ(fraction->digits, 10050u);
    EXPECT_EQ(fraction->decimals, 3u);
    EXPECT_EQ(fraction->unit, "ms");
    const auto point = Quantity::parse(".5");
    ASSERT_TRUE(point);
    EXPECT_EQ(point->digits, 5u);
    EXPECT_EQ(point->decimals, 1u);
    EXPECT_EQ(point->unit, "");
}

TEST(Quantity, NeedsANumberInFront) {
    for (const char* text : {"", "s", ".", "1.", "1.s", "-1", "+1", " 1", "nan", "inf"})
        EXPECT_FALSE(Quantity::parse(text)) << '"' << text << '"';
}

TEST(Quantity, RefusesZerosBeforeDigits) {
    for (const char* text : {"00", "01", "010s", "00.5"}) EXPECT_FALSE(Quantity::parse(text)) << text;
    EXPECT_TRUE(Quantity::parse("0"));
    EXPECT_TRUE(Quantity::parse("0.05"));
}

TEST(Quantity, HoldsAllOf64Bits) {
    const auto most = Quantity::parse("18446744073709551615");
    ASSERT_TRUE(most);
    EXPECT_EQ(most->digits, std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(most->times(std::uint64_t{1}), std::numeric_limits<std::uint64_t>::max());
    EXPECT_FALSE(most->times(std::uint64_t{2}));
    EXPECT_FALSE(Quantity::parse("18446744073709551616"));
    EXPECT_FALSE(Quantity::parse("18446744073709551620.5"));
}

TEST(Quantity, CutsOffDecimalsThatDoNotFit) {
    const std::string threes = "0." + std::string(100, '3') + "s";
    const auto third = Quantity::parse(threes);
    ASSERT_TRUE(third);
    EXPECT_EQ(third->digits, 333'333'333'333'333'333u);
    EXPECT_EQ(third->unit, "s");
    EXPECT_EQ(third->times(std::uint64_t{3}), 1u);
    const auto full = Quantity::parse("18446744073709551615.9");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->decimals, 0u);
    const std::string zeros = "0." + std::string(100, '0') + "1";
    const auto tiny = Quantity::parse(zeros);
    ASSERT_TRUE(tiny);
    EXPECT_EQ(tiny->times(std::uint64_t{1'000'000'000}), 0u);
}

TEST(Quantity, RoundsToTheNearest) {
    EXPECT_EQ(Quantity::parse("1.4")->times(std::uint64_t{1}), 1u);
    EXPECT_EQ(Quantity::parse("1.5")->times(std::uint64_t{1}), 2u);
    EXPECT_EQ(Quantity::parse("0.0000000015")->times(std::uint64_t{1'000'000'000}), 2u);
    EXPECT_EQ(Quantity::parse("2.5")->times(1e9), 2.5e9);
}

}  // namespace
}  // namespace pktverbs
