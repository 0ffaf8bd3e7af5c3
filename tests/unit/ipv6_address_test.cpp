// SPDX-License-Identifier: Apache-2.0
// Ipv6Address and Ipv6Prefix: text, masks, the group MAC and the link-local GID.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/format.hpp>

namespace pktverbs {
namespace {

using namespace std::string_view_literals;
using Ipv6Bytes = Ipv6Address::Bytes;

constexpr Ipv6Address example_ipv6{Ipv6Bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
constexpr Ipv6Address mapped{Ipv6Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}};

static_assert(Ipv6Address{}.is_zero());
static_assert(!example_ipv6.is_multicast());
static_assert(Ipv6Address{Ipv6Bytes{0xff, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}}.multicast_mac() ==
              MacAddress{MacAddress::Bytes{0x33, 0x33, 1, 2, 3, 4}});
static_assert(Ipv6Address::link_local(MacAddress{MacAddress::Bytes{0x02, 0x00, 0x5e, 0x10, 0x00, 0x01}}) ==
              Ipv6Address{Ipv6Bytes{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x5e, 0xff, 0xfe, 0x10, 0, 1}});
static_assert(Ipv6Prefix{example_ipv6}.length == 128);
static_assert(!std::is_convertible_v<std::string_view, Ipv6Address>);

TEST(Ipv6Address, ParsesEveryForm) {
    EXPECT_EQ(Ipv6Address{"2001:db8::1"}, example_ipv6);
    EXPECT_EQ(Ipv6Address{"2001:0DB8:0:0:0:0:0:1"}, example_ipv6);
    EXPECT_EQ(Ipv6Address{"2001:0db8:0000:0000:0000:0000:0000:0001"}, example_ipv6);
    EXPECT_EQ(Ipv6Address{"::"}, Ipv6Address{});
    EXPECT_EQ(Ipv6Address{"::ffff:192.0.2.1"}, mapped);
    EXPECT_EQ(Ipv6Address{"::ffff:c000:201"}, mapped);
    EXPECT_EQ(Ipv6Address{"0000:0000:0000:0000:0000:ffff:192.0.2.1"}, mapped);
}

TEST(Ipv6Address, ParsesTheLongestText) {
    EXPECT_EQ(Ipv6Address{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"},
              Ipv6Address{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"});
    EXPECT_FALSE(Ipv6Address::parse("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555"));
    EXPECT_FALSE(Ipv6Address::parse(std::string(1000, ':')));
}

TEST(Ipv6Address, ParsesTextThatIsNotTerminated) {
    EXPECT_EQ(Ipv6Address::parse("2001:db8::123"sv.substr(0, 11)), example_ipv6);
}

TEST(Ipv6Address, RefusesEmptyText) {
    EXPECT_FALSE(Ipv6Address::parse(""));
    EXPECT_FALSE(Ipv6Address::parse({}));
}

TEST(Ipv6Address, RefusesSevenGroups) { EXPECT_FALSE(Ipv6Address::parse("1:2:3:4:5:6:7")); }
TEST(Ipv6Address, RefusesNineGroups) { EXPECT_FALSE(Ipv6Address::parse("1:2:3:4:5:6:7:8:9")); }
TEST(Ipv6Address, RefusesAZone) { EXPECT_FALSE(Ipv6Address::parse("fe80::1%eth0")); }

TEST(Ipv6Address, RefusesWhatIsNotAnAddress) {
    for (const auto* text :
         {"1:2:3:4:5:6:7:8::", "1::2::3",     ":::",        ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:",
          "12345::",           "::g",         "::-1",       "[::1]",          "::1/64",
          "::1.2.3",           "::1.2.3.256", "::01.2.3.4", "::1.2.3.010",    "::0x1.2.3.4",
          "00001::",           "::0x1",       "::+1",       "1.2.3.4::",      "1:2:3:4:5:6:7:1.2.3.4",
          "192.0.2.1"}) {
        EXPECT_FALSE(Ipv6Address::parse(text)) << text;
    }
}

TEST(Ipv6Address, RefusesTextAround) {
    EXPECT_FALSE(Ipv6Address::parse(" ::1"));
    EXPECT_FALSE(Ipv6Address::parse("::1 "));
    EXPECT_FALSE(Ipv6Address::parse("::1\0"sv));
    EXPECT_FALSE(Ipv6Address::parse("::1\0junk"sv));
}

TEST(Ipv6Address, SaysWhatIsBadAndWhatIsExpected) {
    try {
        Ipv6Address{"fe80::1%eth0"};
        FAIL() << "did not throw";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(),
                     "bad IPv6 address 'fe80::1%eth0': expected groups of hex digits and no zone, like 2001:db8::1");
    }
}

TEST(Ipv6Address, FormatsAsRfc5952Asks) {
    const std::pair<const char*, const char*> cases[] = {
        {"::", "::"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"2001:0DB8::0001", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // 4.2.2: one group alone stays
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // 4.2.3: the longest run
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // 4.2.3: of equal ones the first
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"0:0:3:4:5:6:7:8", "::3:4:5:6:7:8"},
        {"::ffff:c000:0201", "::ffff:192.0.2.1"},  // 5: a well-known prefix
        {"2001:db8::192.0.2.1", "2001:db8::c000:201"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (const auto& [given, canonical] : cases) {
        EXPECT_EQ(Ipv6Address{given}.to_string(), canonical);
        EXPECT_EQ(Ipv6Address{canonical}, Ipv6Address{given});
    }
}

TEST(Ipv6Address, FormatsWithWidth) {
    EXPECT_EQ(fmt::format("{}", example_ipv6), "2001:db8::1");
    EXPECT_EQ(fmt::format("{:>20}|", example_ipv6), "         2001:db8::1|");
}

TEST(Ipv6Address, KnowsMulticastByItsFirstOctet) {
    EXPECT_TRUE(Ipv6Address{"ff02::1"}.is_multicast());
    EXPECT_FALSE(Ipv6Address{"fe80::1"}.is_multicast());
}

TEST(Ipv6Address, OrdersByOctetsFromTheLeft) {
    EXPECT_LT(Ipv6Address{"::ffff"}, Ipv6Address{"1::"});
    EXPECT_NE(example_ipv6, Ipv6Address{});
}

TEST(Ipv6Prefix, Parses) {
    EXPECT_EQ(Ipv6Prefix::parse("2001:db8::1/32"), (Ipv6Prefix{example_ipv6, 32}));
    EXPECT_EQ(Ipv6Prefix::parse("::/0"), (Ipv6Prefix{Ipv6Address{}, 0}));
    EXPECT_EQ(Ipv6Prefix::parse("2001:db8::1/128"), (Ipv6Prefix{example_ipv6, 128}));
}

TEST(Ipv6Prefix, TakesABareAddressAsWhole) {
    EXPECT_EQ(Ipv6Prefix::parse("2001:db8::1"), (Ipv6Prefix{example_ipv6, 128}));
}

TEST(Ipv6Prefix, RefusesBadLengths) {
    for (const auto text : {"::1/129"sv, "::1/"sv, "::1/-1"sv, "::1/+8"sv, "::1/064"sv, "::1/00"sv, "::1/64 "sv,
                            "::1/64/64"sv, "::1/256"sv, "::1/64\0"sv, "::1/a"sv}) {
        EXPECT_FALSE(Ipv6Prefix::parse(text)) << text;
    }
}

TEST(Ipv6Prefix, RefusesBadAddresses) {
    EXPECT_FALSE(Ipv6Prefix::parse(""));
    EXPECT_FALSE(Ipv6Prefix::parse("/64"));
    EXPECT_FALSE(Ipv6Prefix::parse("10.0.0.0/8"));
}

TEST(Ipv6Prefix, HasAMaskForEveryLength) {
    for (int length = 0; length <= 128; ++length) {
        const auto mask = Ipv6Prefix{{}, static_cast<std::uint8_t>(length)}.mask().bytes();
        for (int bit = 0; bit < 128; ++bit) {
            const int is_set = mask[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1;
            EXPECT_EQ(is_set, bit < length) << "bit " << bit << " of /" << length;
        }
    }
    EXPECT_EQ((Ipv6Prefix{example_ipv6, 33}.mask()), Ipv6Address{"ffff:ffff:8000::"});
}

TEST(Ipv6Prefix, TakesTooLongALengthAsWhole) {
    EXPECT_EQ((Ipv6Prefix{example_ipv6, 255}.mask()), Ipv6Address{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"});
}

TEST(Ipv6Prefix, Compares) { EXPECT_LT((Ipv6Prefix{example_ipv6, 32}), (Ipv6Prefix{example_ipv6, 33})); }

TEST(Ipv6Prefix, FormatsWithWidth) {
    EXPECT_EQ((Ipv6Prefix{example_ipv6, 32}.to_string()), "2001:db8::1/32");
    EXPECT_EQ(fmt::format("{:>20}|", Ipv6Prefix{example_ipv6, 32}), "      2001:db8::1/32|");
}

TEST(Ipv6Address, GivesBackTheMacOfALinkLocalAddress) {
    constexpr MacAddress mac{MacAddress::Bytes{0x02, 0x50, 0x56, 0, 0, 1}};
    static_assert(Ipv6Address::link_local(mac).link_local_mac() == mac);
    EXPECT_EQ(Ipv6Address{"fe80::50:56ff:fe00:1"}.link_local_mac(), mac);
    EXPECT_EQ(Ipv6Address{"fe80::1"}.link_local_mac(), std::nullopt);
    EXPECT_EQ(Ipv6Address{"2001:db8::50:56ff:fe00:1"}.link_local_mac(), std::nullopt);
}

}  // namespace
}  // namespace pktverbs
