// SPDX-License-Identifier: Apache-2.0
// FlowRule: what it stores, what it refuses, and its text.
#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/format.hpp>

namespace pktverbs {
namespace {

template <class Value>
concept CanBeDstIp = requires(FlowRule rule, Value value) {
    rule.dst_ip(value);
};
template <class Value>
concept CanBeDstMac = requires(FlowRule rule, Value value) {
    rule.dst_mac(value);
};
static_assert(CanBeDstIp<const char*> && CanBeDstIp<Ipv4Address> && CanBeDstIp<Ipv6Prefix>);
static_assert(!CanBeDstIp<MacAddress> && !CanBeDstIp<std::uint32_t>);
static_assert(!CanBeDstMac<Ipv4Address> && !CanBeDstMac<std::uint64_t>);
static_assert(std::is_copy_constructible_v<FlowRule> && std::is_copy_assignable_v<FlowRule>);

FlowRule rule() { return {}; }

// The refusal's own text, without the words common to all refusals; empty if the rule passes.
std::string refusal(const FlowRule& rule) {
    try {
        rule.check();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::error_code(EINVAL, std::generic_category()));
        const std::string what = error.what();
        const std::string_view start = "flow rule contradicts itself: ";
        const std::string_view end = ": Invalid argument";
        EXPECT_TRUE(what.starts_with(start)) << what;
        EXPECT_TRUE(what.ends_with(end)) << what;
        return what.substr(start.size(), what.size() - start.size() - end.size());
    }
    return "";
}

bool passes(const FlowRule& rule) { return refusal(rule).empty(); }

TEST(FlowRule, PassesWhenEmpty) { EXPECT_TRUE(passes(rule())); }

TEST(FlowRule, PassesWhenFull) {
    EXPECT_EQ(refusal(rule()
                          .dst_mac("01:00:5e:02:01:96")
                          .src_mac("02:00:5e:10:00:01")
                          .ether_type(0x0800)
                          .vlan(4095)
                          .vlan_priority(7)
                          .ipv4()
                          .src_ip("10.0.0.0/8")
                          .dst_ip("239.2.1.150")
                          .protocol(17)
                          .tos(255)
                          .ttl(255)
                          .udp()
                          .src_port(65535)
                          .dst_port(7148)
                          .priority(65535)
                          .dont_trap()
                          .tag(0xffffff)),
              "");
}

TEST(FlowRule, TakesZeroAsAValue) {
    const auto zeros = rule().vlan(0).vlan_priority(0).src_ip("0.0.0.0").tos(0).ttl(0).udp().src_port(0).tag(0);
    EXPECT_TRUE(passes(zeros));
    EXPECT_NE(zeros, rule().src_ip("0.0.0.0").udp());
    EXPECT_EQ(zeros.fields().src_port, 0);
    EXPECT_EQ(refusal(rule().src_port(0)), "src_port 0 needs a protocol: add .udp() or .tcp()");
    EXPECT_EQ(refusal(rule().ipv4().tcp().protocol(0)), "tcp is protocol 6, but protocol is 0");
    EXPECT_EQ(refusal(rule().ipv4().ether_type(0)), "ipv4() is IPv4 (0x0800), but ether_type is 0x0000");
    EXPECT_EQ(refusal(rule().sniffer().tag(0)), "sniffer takes no actions, but there is tag 0");
}

TEST(FlowRule, ReadsAddressesAndPrefixesOfEitherVersion) {
    EXPECT_EQ(rule().src_ip("10.1.2.3"), rule().src_ip(Ipv4Address{"10.1.2.3"}));
    EXPECT_EQ(rule().src_ip("10.0.0.0/8"), rule().src_ip(Ipv4Prefix{Ipv4Address{"10.0.0.0"}, 8}));
    EXPECT_EQ(rule().dst_ip("ff15::42"), rule().dst_ip(Ipv6Address{"ff15::42"}));
    EXPECT_EQ(rule().dst_ip("2001:db8::/32"), rule().dst_ip(Ipv6Prefix{Ipv6Address{"2001:db8::"}, 32}));
}

TEST(FlowRule, RefusesTextThatIsNoAddress) {
    for (const auto* text : {"", "10.0.0.0/33", "::/129", "example.org", "10.0.0.1:80"}) {
        EXPECT_THROW(rule().src_ip(text), std::invalid_argument) << text;
        EXPECT_THROW(rule().dst_ip(text), std::invalid_argument) << text;
    }
    try {
        rule().dst_ip("10.0.0.0/33");
        FAIL() << "did not throw";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(),
                     "bad IP address '10.0.0.0/33': expected an address or a prefix, like 192.0.2.1, 10.0.0.0/8 or "
                     "ff15::42");
    }
    EXPECT_THROW(rule().dst_mac("02:00"), std::invalid_argument);
}

TEST(FlowRule, StaysAsItWasAfterBadText) {
    auto kept = rule().dst_ip("10.0.0.1");
    EXPECT_THROW(kept.dst_ip("10.0.0"), std::invalid_argument);
    EXPECT_EQ(kept, rule().dst_ip("10.0.0.1"));
}

TEST(FlowRule, RefusesAVlanAbove4095) {
    EXPECT_TRUE(passes(rule().vlan(4095)));
    EXPECT_EQ(refusal(rule().vlan(4096)), "vlan 4096 is above 4095");
}

TEST(FlowRule, RefusesAVlanPriorityAbove7) {
    EXPECT_TRUE(passes(rule().vlan_priority(7)));
    EXPECT_EQ(refusal(rule().vlan_priority(8)), "vlan_priority 8 is above 7");
}

TEST(FlowRule, RefusesATagOf25Bits) {
    EXPECT_TRUE(passes(rule().tag(0xffffff)));
    EXPECT_EQ(refusal(rule().tag(0x1000000)), "tag 16777216 is above 16777215");
}

TEST(FlowRule, RefusesPrefixLengthsOutOfRange) {
    const Ipv4Prefix ipv4{Ipv4Address{"10.0.0.0"}, 33};
    const Ipv6Prefix ipv6{Ipv6Address{"2001:db8::"}, 129};
    EXPECT_EQ(refusal(rule().src_ip(ipv4)), "src_ip 10.0.0.0/33 has a prefix length above 32");
    EXPECT_EQ(refusal(rule().dst_ip(ipv4)), "dst_ip 10.0.0.0/33 has a prefix length above 32");
    EXPECT_EQ(refusal(rule().src_ip(ipv6)), "src_ip 2001:db8::/129 has a prefix length above 128");
    EXPECT_EQ(refusal(rule().dst_ip(ipv6)), "dst_ip 2001:db8::/129 has a prefix length above 128");
}

TEST(FlowRule, RefusesIpv4WithIpv6) {
    EXPECT_EQ(refusal(rule().ipv4().ipv6()), "ipv4() is IPv4 and ipv6() is IPv6");
    EXPECT_EQ(refusal(rule().src_ip("10.0.0.1").dst_ip("2001:db8::1")),
              "src_ip 10.0.0.1 is IPv4 and dst_ip 2001:db8::1 is IPv6");
    EXPECT_EQ(refusal(rule().src_ip("2001:db8::/32").dst_ip("10.0.0.0/8")),
              "dst_ip 10.0.0.0/8 is IPv4 and src_ip 2001:db8::/32 is IPv6");
    EXPECT_EQ(refusal(rule().ipv6().src_ip("10.0.0.1")), "src_ip 10.0.0.1 is IPv4 and ipv6() is IPv6");
    EXPECT_EQ(refusal(rule().ipv4().src_ip("::")), "ipv4() is IPv4 and src_ip :: is IPv6");
}

TEST(FlowRule, KeepsBothVersionsOfOneFieldAndRefusesThem) {
    const auto both = rule().dst_ip("10.0.0.1").dst_ip("2001:db8::1");
    EXPECT_TRUE(both.fields().dst_ipv4 && both.fields().dst_ipv6);
    EXPECT_EQ(refusal(both), "dst_ip 10.0.0.1 is IPv4 and dst_ip 2001:db8::1 is IPv6");
}

TEST(FlowRule, RefusesAnEtherTypeThatIsNotTheIpVersion) {
    EXPECT_TRUE(passes(rule().ipv4().ether_type(0x0800)));
    EXPECT_TRUE(passes(rule().ipv6().ether_type(0x86dd)));
    EXPECT_TRUE(passes(rule().ether_type(0x0806)));
    EXPECT_EQ(refusal(rule().src_ip("10.0.0.1").ether_type(0x0806)),
              "src_ip 10.0.0.1 is IPv4 (0x0800), but ether_type is 0x0806");
    EXPECT_EQ(refusal(rule().ipv4().ether_type(0x86dd)), "ipv4() is IPv4 (0x0800), but ether_type is 0x86dd");
    EXPECT_EQ(refusal(rule().dst_ip("::1").ether_type(0x0800)),
              "dst_ip ::1 is IPv6 (0x86dd), but ether_type is 0x0800");
}

TEST(FlowRule, RefusesUdpWithTcp) { EXPECT_EQ(refusal(rule().udp().tcp()), "udp and tcp"); }

TEST(FlowRule, RefusesAPortWithoutUdpOrTcp) {
    EXPECT_EQ(refusal(rule().src_port(80)), "src_port 80 needs a protocol: add .udp() or .tcp()");
    EXPECT_EQ(refusal(rule().ipv4().dst_port(80)), "dst_port 80 needs a protocol: add .udp() or .tcp()");
    EXPECT_FALSE(passes(rule().ipv4().protocol(17).dst_port(80)));
}

TEST(FlowRule, TakesUdpAndTcpOverEitherVersion) {
    EXPECT_TRUE(passes(rule().udp()));
    EXPECT_TRUE(passes(rule().tcp().src_port(80).dst_port(80)));
    EXPECT_TRUE(passes(rule().udp().ether_type(0x0800)));
    EXPECT_TRUE(passes(rule().udp().ether_type(0x86dd)));
}

TEST(FlowRule, RefusesAProtocolThatIsNotUdpOrTcp) {
    EXPECT_TRUE(passes(rule().ipv4().udp().protocol(17)));
    EXPECT_TRUE(passes(rule().ipv6().tcp().protocol(6)));
    EXPECT_EQ(refusal(rule().ipv4().udp().protocol(6)), "udp is protocol 17, but protocol is 6");
    EXPECT_EQ(refusal(rule().ipv6().tcp().protocol(17)), "tcp is protocol 6, but protocol is 17");
}

TEST(FlowRule, RefusesIpFieldsWithoutAVersion) {
    const std::string rest = " needs an IP version: add .ipv4(), .ipv6() or an address";
    EXPECT_EQ(refusal(rule().protocol(1)), "protocol" + rest);
    EXPECT_EQ(refusal(rule().tos(1)), "tos" + rest);
    EXPECT_EQ(refusal(rule().ttl(1)), "ttl" + rest);
    EXPECT_EQ(refusal(rule().udp().protocol(17)), "protocol" + rest);
    EXPECT_EQ(refusal(rule().ether_type(0x0806).protocol(1)), "protocol" + rest);
    EXPECT_TRUE(passes(rule().ipv4().protocol(1)));
    EXPECT_TRUE(passes(rule().ipv6().ttl(1)));
    EXPECT_TRUE(passes(rule().src_ip("10.0.0.1").tos(1)));
}

TEST(FlowRule, RefusesUdpAndTcpBelowAnotherEtherType) {
    EXPECT_EQ(refusal(rule().udp().ether_type(0x0806)), "udp is over IP, but ether_type is 0x0806");
    EXPECT_EQ(refusal(rule().tcp().ether_type(0x88f7)), "tcp is over IP, but ether_type is 0x88f7");
}

TEST(FlowRule, RefusesFieldsOnTheOtherKinds) {
    EXPECT_TRUE(passes(rule().sniffer().priority(3)));
    EXPECT_TRUE(passes(rule().all_default()));
    EXPECT_TRUE(passes(rule().multicast_default()));
    EXPECT_EQ(refusal(rule().sniffer().dst_ip("10.0.0.1").udp()),
              "sniffer takes no fields, but there is dst_ip 10.0.0.1 udp");
    EXPECT_EQ(refusal(rule().all_default().own_mac()), "all_default takes no fields, but there is own_mac");
    EXPECT_EQ(refusal(rule().multicast_default().vlan(0)), "multicast_default takes no fields, but there is vlan 0");
}

TEST(FlowRule, RefusesEveryFieldOnASniffer) {
    for (const auto& fields : {rule().dst_mac("02:00:00:00:00:01"),
                               rule().src_mac("02:00:00:00:00:01"),
                               rule().own_mac(),
                               rule().ether_type(0),
                               rule().vlan(0),
                               rule().vlan_priority(0),
                               rule().ipv4(),
                               rule().ipv6(),
                               rule().src_ip("0.0.0.0"),
                               rule().dst_ip("0.0.0.0/0"),
                               rule().src_ip("::"),
                               rule().dst_ip("::/0"),
                               rule().protocol(0),
                               rule().tos(0),
                               rule().ttl(0),
                               rule().udp(),
                               rule().tcp(),
                               rule().src_port(0),
                               rule().dst_port(0),
                               rule().dont_trap(),
                               rule().drop(),
                               rule().tag(0)}) {
        EXPECT_FALSE(passes(FlowRule{fields}.sniffer())) << fields.to_string();
    }
}

TEST(FlowRule, RefusesActionsOnTheOtherKinds) {
    EXPECT_EQ(refusal(rule().sniffer().dont_trap()), "sniffer takes no actions, but there is dont_trap");
    EXPECT_EQ(refusal(rule().all_default().drop()), "all_default takes no actions, but there is drop");
    EXPECT_EQ(refusal(rule().multicast_default().tag(5)), "multicast_default takes no actions, but there is tag 5");
}

TEST(FlowRule, RefusesDropWithDontTrap) {
    EXPECT_EQ(refusal(rule().drop().dont_trap()), "drop and dont_trap, which passes frames on");
    EXPECT_TRUE(passes(rule().drop().dont_trap(false)));
    EXPECT_TRUE(passes(rule().drop(false).dont_trap()));
}

TEST(FlowRule, RefusesDropWithATag) {
    EXPECT_EQ(refusal(rule().drop().tag(5)), "drop and tag 5, which no completion would report");
}

TEST(FlowRule, RefusesOwnMacWithDstMac) {
    EXPECT_EQ(refusal(rule().own_mac().dst_mac("02:00:00:00:00:01")), "own_mac and dst_mac 02:00:00:00:00:01");
    EXPECT_TRUE(passes(rule().own_mac(false).dst_mac("02:00:00:00:00:01")));
}

TEST(FlowRule, RefusesAMacThatIsNotTheGroups) {
    EXPECT_TRUE(passes(rule().dst_ip("239.2.1.150").dst_mac("01:00:5e:02:01:96")));
    EXPECT_TRUE(passes(rule().dst_ip("ff15::1:2").dst_mac("33:33:00:01:00:02")));
    EXPECT_EQ(refusal(rule().dst_ip("239.2.1.150").dst_mac("02:00:00:00:00:01")),
              "dst_mac 02:00:00:00:00:01 and the multicast dst_ip 239.2.1.150, which has dst_mac 01:00:5e:02:01:96");
    EXPECT_EQ(refusal(rule().dst_ip("ff15::1:2").dst_mac("33:33:00:01:00:03")),
              "dst_mac 33:33:00:01:00:03 and the multicast dst_ip ff15::1:2, which has dst_mac 33:33:00:01:00:02");
}

TEST(FlowRule, RefusesOwnMacWithAMulticastAddress) {
    EXPECT_EQ(refusal(rule().dst_ip("239.2.1.150").own_mac()),
              "own_mac and the multicast dst_ip 239.2.1.150, which has dst_mac 01:00:5e:02:01:96");
    EXPECT_TRUE(passes(rule().dst_ip("10.0.0.1").own_mac()));
}

TEST(FlowRule, TakesAnyGroupMacOfAMulticastPrefix) {
    EXPECT_TRUE(passes(rule().dst_ip("239.2.0.0/16").dst_mac("01:00:5e:02:01:96")));
    EXPECT_FALSE(passes(rule().dst_ip("239.2.0.0/16").dst_mac("01:00:5e:03:01:96")));
    EXPECT_TRUE(passes(rule().dst_ip("ff15::/16").dst_mac("33:33:00:01:00:02")));
    EXPECT_FALSE(passes(rule().dst_ip("ff15::/16").own_mac()));
}

TEST(FlowRule, TakesAnyMacForAPrefixThatHoldsUnicastToo) {
    EXPECT_TRUE(passes(rule().dst_ip("224.0.0.0/3").own_mac()));
    EXPECT_TRUE(passes(rule().dst_ip("ff00::/7").own_mac()));
    EXPECT_TRUE(passes(rule().dst_ip("224.0.0.0/0").dst_mac("02:00:00:00:00:01")));
}

TEST(FlowRule, ReadsAsEverythingWhenEmpty) { EXPECT_EQ(rule().to_string(), "everything"); }

TEST(FlowRule, ReadsAsItWasBuilt) {
    EXPECT_EQ(rule().dst_ip("239.2.1.150").udp().dst_port(7148).to_string(), "dst_ip 239.2.1.150 udp dst_port 7148");
    EXPECT_EQ(rule().src_ip("10.0.0.0/8").tcp().to_string(), "src_ip 10.0.0.0/8 tcp");
    EXPECT_EQ(rule().dst_ip("2001:db8::/32").src_ip("::1").to_string(), "src_ip ::1 dst_ip 2001:db8::/32");
}

TEST(FlowRule, ReadsItsKind) {
    EXPECT_EQ(rule().sniffer().to_string(), "sniffer");
    EXPECT_EQ(rule().all_default().priority(2).to_string(), "all_default priority 2");
    EXPECT_EQ(rule().multicast_default().to_string(), "multicast_default");
}

TEST(FlowRule, ReadsPriorityAndActionsAtTheEnd) {
    EXPECT_EQ(rule().drop().priority(3).to_string(), "everything priority 3 drop");
    EXPECT_EQ(rule().dont_trap().tag(0).udp().to_string(), "udp dont_trap tag 0");
}

TEST(FlowRule, ReadsEveryFieldEvenIfTheyContradict) {
    EXPECT_EQ(rule()
                  .own_mac()
                  .dst_mac("02:00:00:00:00:01")
                  .src_mac("02:00:00:00:00:02")
                  .ether_type(0x0806)
                  .vlan(0)
                  .vlan_priority(7)
                  .ipv4()
                  .ipv6()
                  .src_ip("10.0.0.1")
                  .src_ip("::1")
                  .dst_ip("10.0.0.2")
                  .dst_ip("::2")
                  .protocol(0)
                  .tos(1)
                  .ttl(2)
                  .udp()
                  .tcp()
                  .src_port(3)
                  .dst_port(4)
                  .priority(5)
                  .dont_trap()
                  .drop()
                  .tag(6)
                  .to_string(),
              "own_mac dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02 ether_type 0x0806 vlan 0 vlan_priority 7 "
              "ipv4 ipv6 src_ip 10.0.0.1 src_ip ::1 dst_ip 10.0.0.2 dst_ip ::2 protocol 0 tos 1 ttl 2 udp tcp src_port "
              "3 dst_port 4 priority 5 dont_trap drop tag 6");
}

TEST(FlowRule, FormatsWithWidth) {
    EXPECT_EQ(fmt::format("{}", rule().udp()), "udp");
    EXPECT_EQ(fmt::format("{:>20}|", rule().udp()), "                 udp|");
}

TEST(FlowRule, ComparesByItsFields) {
    EXPECT_EQ(rule().udp().dst_port(80), rule().dst_port(80).udp());
    EXPECT_NE(rule().udp(), rule().tcp());
    EXPECT_NE(rule().sniffer(), rule());
}

}  // namespace
}  // namespace pktverbs
