// SPDX-License-Identifier: Apache-2.0
// Ipv4Address and Ipv4Prefix: text, masks and the group MAC.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string_view>
#include <type_traits>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/format.hpp>

namespace pktverbs {
namespace {

using namespace std::string_view_literals;
using Ipv4Bytes = Ipv4Address::Bytes;

constexpr Ipv4Address example_ip{Ipv4Bytes{192, 0, 2, 1}};

static_assert(Ipv4Address{}.is_zero());
static_assert(!example_ip.is_multicast());
static_assert(Ipv4Address{Ipv4Bytes{239, 129, 1, 150}}.multicast_mac() ==
              MacAddress{MacAddress::Bytes{0x01, 0x00, 0x5e, 0x01, 0x01, 0x96}});
static_assert(Ipv4Prefix{example_ip}.length == 32);
static_assert(!std::is_convertible_v<std::string_view, Ipv4Address>);
static_assert(!std::is_convertible_v<std::uint32_t, Ipv4Address>);
static_assert(!std::is_constructible_v<Ipv4Address, std::uint32_t>, "a number has a byte order, an address has none");

TEST(Ipv4Address, Parses) {
    EXPECT_EQ(Ipv4Address{"192.0.2.1"}, example_ip);
    EXPECT_EQ(Ipv4Address{"0.0.0.0"}, Ipv4Address{});
    EXPECT_EQ(Ipv4Address{"255.255.255.255"}, (Ipv4Address{Ipv4Bytes{255, 255, 255, 255}}));
}

TEST(Ipv4Address, ParsesTextThatIsNotTerminated) {
    EXPECT_EQ(Ipv4Address::parse("192.0.2.123"sv.substr(0, 9)), example_ip);
}

TEST(Ipv4Address, RefusesEmptyText) {
    EXPECT_FALSE(Ipv4Address::parse(""));
    EXPECT_FALSE(Ipv4Address::parse({}));
}

TEST(Ipv4Address, RefusesThreeOctets) { EXPECT_FALSE(Ipv4Address::parse("1.2.3")); }
TEST(Ipv4Address, RefusesFiveOctets) { EXPECT_FALSE(Ipv4Address::parse("1.2.3.4.5")); }
TEST(Ipv4Address, RefusesOctetsAbove255) {
    EXPECT_FALSE(Ipv4Address::parse("256.0.0.1"));
    EXPECT_FALSE(Ipv4Address::parse("1.2.3.256"));
    EXPECT_FALSE(Ipv4Address::parse("1.2.3.99999999999999999999"));
}
TEST(Ipv4Address, RefusesWhatInetAtonTakes) {
    for (const auto* text : {"010.0.0.1", "10.1", "10.0.1", "167772161", "0x0a000001", "0xa.0.0.1", "10.0.0.1 x"})
        EXPECT_FALSE(Ipv4Address::parse(text)) << text;
}
TEST(Ipv4Address, RefusesLeadingZeros) {
    EXPECT_FALSE(Ipv4Address::parse("01.2.3.4"));
    EXPECT_FALSE(Ipv4Address::parse("1.2.3.00"));
}

TEST(Ipv4Address, RefusesWhatIsNotDecimal) {
    for (const auto* text : {"1.2.3.", ".1.2.3", "1..2.3", "...", "1.2.3.+4", "1.2.3.-4", "1.2.3.0x4", "1.2.3.a",
                             "1.2.3.4/24", "1,2,3,4", "3232235777"}) {
        EXPECT_FALSE(Ipv4Address::parse(text)) << text;
    }
}

TEST(Ipv4Address, RefusesTextAround) {
    EXPECT_FALSE(Ipv4Address::parse(" 1.2.3.4"));
    EXPECT_FALSE(Ipv4Address::parse("1.2.3.4 "));
    EXPECT_FALSE(Ipv4Address::parse("1.2.3.4\0"sv));
    EXPECT_FALSE(Ipv4Address::parse("1.2\0.3.4"sv));
}

TEST(Ipv4Address, SaysWhatIsBadAndWhatIsExpected) {
    try {
        Ipv4Address{"1.2.3"};
        FAIL() << "did not throw";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "bad IPv4 address '1.2.3': expected four decimal octets, like 192.0.2.1");
    }
}

TEST(Ipv4Address, KnowsMulticastByItsFirstFourBits) {
    EXPECT_FALSE(Ipv4Address{"223.255.255.255"}.is_multicast());
    EXPECT_TRUE(Ipv4Address{"224.0.0.0"}.is_multicast());
    EXPECT_TRUE(Ipv4Address{"239.255.255.255"}.is_multicast());
    EXPECT_FALSE(Ipv4Address{"240.0.0.0"}.is_multicast());
}

TEST(Ipv4Address, OrdersByOctetsFromTheLeft) {
    EXPECT_LT(Ipv4Address{"9.255.255.255"}, Ipv4Address{"10.0.0.0"});
    EXPECT_NE(example_ip, Ipv4Address{});
}

TEST(Ipv4Address, FormatsWithWidth) {
    EXPECT_EQ(example_ip.to_string(), "192.0.2.1");
    EXPECT_EQ(fmt::format("{}", example_ip), "192.0.2.1");
    EXPECT_EQ(fmt::format("{:>20}|", example_ip), "           192.0.2.1|");
}

TEST(Ipv4Prefix, Parses) {
    const auto prefix = Ipv4Prefix::parse("192.0.2.1/24");
    ASSERT_TRUE(prefix);
    EXPECT_EQ(prefix->address, example_ip);
    EXPECT_EQ(prefix->length, 24);
    EXPECT_EQ(Ipv4Prefix::parse("0.0.0.0/0"), (Ipv4Prefix{Ipv4Address{}, 0}));
}

TEST(Ipv4Prefix, TakesABareAddressAsWhole) { EXPECT_EQ(Ipv4Prefix::parse("192.0.2.1"), (Ipv4Prefix{example_ip, 32})); }

TEST(Ipv4Prefix, RefusesBadLengths) {
    for (const auto text :
         {"1.2.3.4/33"sv, "1.2.3.4/"sv, "1.2.3.4/-1"sv, "1.2.3.4/+8"sv, "1.2.3.4/08"sv, "1.2.3.4/00"sv, "1.2.3.4/8 "sv,
          "1.2.3.4/8/8"sv, "1.2.3.4/256"sv, "1.2.3.4/8\0"sv, "1.2.3.4/a"sv}) {
        EXPECT_FALSE(Ipv4Prefix::parse(text)) << text;
    }
}

TEST(Ipv4Prefix, RefusesBadAddresses) {
    EXPECT_FALSE(Ipv4Prefix::parse(""));
    EXPECT_FALSE(Ipv4Prefix::parse("/8"));
    EXPECT_FALSE(Ipv4Prefix::parse("10/8"));
}

TEST(Ipv4Prefix, HasAMaskForEveryLength) {
    for (int length = 0; length <= 32; ++length) {
        const auto mask = Ipv4Prefix{{}, static_cast<std::uint8_t>(length)}.mask().bytes();
        for (int bit = 0; bit < 32; ++bit) {
            const int is_set = mask[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1;
            EXPECT_EQ(is_set, bit < length) << "bit " << bit << " of /" << length;
        }
    }
    EXPECT_EQ((Ipv4Prefix{example_ip, 23}.mask()), Ipv4Address{"255.255.254.0"});
}

TEST(Ipv4Prefix, TakesTooLongALengthAsWhole) {
    EXPECT_EQ((Ipv4Prefix{example_ip, 33}.mask()), Ipv4Address{"255.255.255.255"});
    EXPECT_EQ((Ipv4Prefix{example_ip, 255}.mask()), Ipv4Address{"255.255.255.255"});
}

TEST(Ipv4Prefix, Compares) {
    EXPECT_NE((Ipv4Prefix{example_ip, 24}), (Ipv4Prefix{example_ip, 25}));
    EXPECT_LT((Ipv4Prefix{example_ip, 24}), (Ipv4Prefix{example_ip, 25}));
}

TEST(Ipv4Prefix, FormatsWithWidth) {
    EXPECT_EQ((Ipv4Prefix{example_ip, 24}.to_string()), "192.0.2.1/24");
    EXPECT_EQ(fmt::format("{:>20}|", Ipv4Prefix{example_ip}), "        192.0.2.1/32|");
}

}  // namespace
}  // namespace pktverbs
