// SPDX-License-Identifier: Apache-2.0
// MacAddress: parsing and formatting.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string_view>
#include <type_traits>

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/format.hpp>

namespace pktverbs {
namespace {

using MacBytes = MacAddress::Bytes;

constexpr MacAddress example_mac{MacBytes{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01}};

static_assert(MacAddress{}.is_zero());
static_assert(MacAddress::broadcast().is_broadcast());
static_assert(example_mac.bytes()[2] == 0x5e);
static_assert(!std::is_convertible_v<std::string_view, MacAddress>);
static_assert(!std::is_convertible_v<MacBytes, MacAddress>);
static_assert(sizeof(MacAddress) == 6 && std::is_trivially_copyable_v<MacAddress>);

TEST(MacAddress, IsZeroByDefault) {
    EXPECT_EQ(MacAddress{}.bytes(), MacBytes{});
    EXPECT_FALSE(MacAddress{}.is_multicast());
}

TEST(MacAddress, ParsesColons) { EXPECT_EQ(MacAddress{"02:00:5e:10:00:01"}, example_mac); }
TEST(MacAddress, ParsesDashes) { EXPECT_EQ(MacAddress{"02-00-5e-10-00-01"}, example_mac); }
TEST(MacAddress, ParsesSingleDigits) { EXPECT_EQ(MacAddress{"2:0:5e:10:0:1"}, example_mac); }
TEST(MacAddress, ParsesEitherCase) { EXPECT_EQ(MacAddress{"02:00:5E:10:00:01"}, example_mac); }

TEST(MacAddress, ParsesTextThatIsNotTerminated) {
    constexpr std::string_view longer = "02:00:5e:10:00:01f";
    EXPECT_EQ(MacAddress::parse(longer.substr(0, 17)), example_mac);
}

TEST(MacAddress, RefusesEmptyText) {
    EXPECT_FALSE(MacAddress::parse(""));
    EXPECT_FALSE(MacAddress::parse({}));
}

TEST(MacAddress, RefusesOneOctet) { EXPECT_FALSE(MacAddress::parse("02")); }
TEST(MacAddress, RefusesFiveOctets) { EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00")); }
TEST(MacAddress, RefusesSevenOctets) { EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00:01:02")); }
TEST(MacAddress, RefusesThreeDigits) { EXPECT_FALSE(MacAddress::parse("002:00:5e:10:00:01")); }
TEST(MacAddress, RefusesMixedSeparators) {
    EXPECT_FALSE(MacAddress::parse("02:00-5e:10:00:01"));
    EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00-01"));
}

TEST(MacAddress, RefusesWhatIsNotHexDigits) {
    for (const auto* text :
         {"0g:00:5e:10:00:01", "-1:00:5e:10:00:01", "+1:00:5e:10:00:01", "0x:00:5e:10:00:01", ":00:5e:10:00:01",
          "02::5e:10:00:01", "02:00:5e:10:00:", "02.00.5e.10.00.01", "02005e100001", ":::::", " 2:00:5e:10:00:01"}) {
        EXPECT_FALSE(MacAddress::parse(text)) << text;
    }
}

TEST(MacAddress, RefusesTrailingText) {
    using namespace std::string_view_literals;
    EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00:01 "));
    EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00:01:"));
    EXPECT_FALSE(MacAddress::parse("02:00:5e:10:00:01\0"sv));
    EXPECT_FALSE(MacAddress::parse("02:00:5e\0:10:00:01"sv));
}

TEST(MacAddress, SaysWhatIsBadAndWhatIsExpected) {
    try {
        MacAddress{"02:00"};
        FAIL() << "did not throw";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "bad MAC address '02:00': expected six hex octets, like 02:00:5e:10:00:01");
    }
}

TEST(MacAddress, KnowsMulticastByTheGroupBit) {
    EXPECT_TRUE(MacAddress{"01:00:5e:00:00:01"}.is_multicast());
    EXPECT_TRUE(MacAddress::broadcast().is_multicast());
    EXPECT_FALSE(example_mac.is_multicast());
    EXPECT_FALSE(MacAddress{"01:00:5e:00:00:01"}.is_broadcast());
}

TEST(MacAddress, OrdersByOctetsFromTheLeft) {
    EXPECT_LT(MacAddress{"01:ff:ff:ff:ff:ff"}, MacAddress{"02:00:00:00:00:00"});
    EXPECT_LT(MacAddress{}, MacAddress{"00:00:00:00:00:01"});
    EXPECT_NE(MacAddress{}, MacAddress::broadcast());
}

TEST(MacAddress, FormatsInLowerCaseWithWidth) {
    EXPECT_EQ(MacAddress{"2:0:5E:10:0:1"}.to_string(), "02:00:5e:10:00:01");
    EXPECT_EQ(fmt::format("{}", example_mac), "02:00:5e:10:00:01");
    EXPECT_EQ(fmt::format("{:>20}|", example_mac), "   02:00:5e:10:00:01|");
}

}  // namespace
}  // namespace pktverbs
