// SPDX-License-Identifier: Apache-2.0
// FlowMatch: which flow attributes are accepted, which refused and how, and what they match.
#include "soft/steering/flow_match.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "flow_attr.hpp"

namespace {

using pktverbs::soft::FlowMatch;
using pktverbs::soft::FrameKey;
using pktverbs::soft::read_flow_attr;

/// Expects it to be accepted.
FlowMatch match_of(const FlowAttr& attr) {
    FlowMatch match;
    EXPECT_EQ(attr.read(match), 0);
    return match;
}

int error_of(const FlowAttr& attr) {
    FlowMatch match;
    match.tag = 12345;
    const int error = attr.read(match);
    if (error != 0) {
        EXPECT_EQ(match.tag, 12345U) << "a refused flow must not change the match";
    }
    return error;
}

FrameKey udp_key() {
    FrameKey key{};
    key.dst_mac[0] = 2;
    key.ether_type = htons(0x0800);
    key.src_ip[0] = 10;
    key.dst_ip[0] = 239;
    key.src_port = htons(1000);
    key.dst_port = htons(7148);
    key.protocol = 17;
    key.tos = 4;
    key.ttl = 64;
    key.flags = FrameKey::is_ipv4 | FrameKey::has_ports;
    return key;
}

FrameKey ipv6_key() {
    FrameKey key = udp_key();
    key.ether_type = htons(0x86dd);
    key.flow_label = htonl(0x12345);
    key.flags = FrameKey::is_ipv6 | FrameKey::has_ports;
    return key;
}

TEST(FlowMatch, WithoutSpecsMatchesEverything) {
    const FlowMatch match = match_of(FlowAttr{});
    EXPECT_EQ(match.type, IBV_FLOW_ATTR_NORMAL);
    EXPECT_TRUE(match.matches(FrameKey{}));
    EXPECT_TRUE(match.matches(udp_key()));
}

TEST(FlowMatch, KeepsTypePriorityFlagsTagAndDrop) {
    for (const auto type :
         {IBV_FLOW_ATTR_NORMAL, IBV_FLOW_ATTR_ALL_DEFAULT, IBV_FLOW_ATTR_MC_DEFAULT, IBV_FLOW_ATTR_SNIFFER}) {
        EXPECT_EQ(match_of(FlowAttr{type}).type, type);
    }
    EXPECT_EQ(match_of(FlowAttr{}.priority(65535)).priority, 65535);
    EXPECT_FALSE(match_of(FlowAttr{}).dont_trap);
    EXPECT_TRUE(match_of(FlowAttr{}.flags(IBV_FLOW_ATTR_FLAGS_DONT_TRAP)).dont_trap);
    EXPECT_EQ(match_of(FlowAttr{}).tag, 0U);
    EXPECT_EQ(match_of(FlowAttr{}.add(tag_spec(0xffffff))).tag, 0xffffffU);
    EXPECT_FALSE(match_of(FlowAttr{}).drop);
    EXPECT_TRUE(match_of(FlowAttr{}.add(drop_spec())).drop);
}

TEST(FlowMatch, MatchesEthernetFields) {
    auto spec = eth_spec();
    spec.val.dst_mac[0] = 2;
    std::memset(spec.mask.dst_mac, 0xff, 6);
    spec.val.ether_type = htons(0x0800);
    spec.mask.ether_type = 0xffff;
    const FlowMatch match = match_of(FlowAttr{}.add(spec));
    FrameKey key = udp_key();
    EXPECT_TRUE(match.matches(key));
    key.src_mac[3] = 9;
    EXPECT_TRUE(match.matches(key));
    key.ether_type = htons(0x0806);
    EXPECT_FALSE(match.matches(key));
    key = udp_key();
    key.dst_mac[5] = 1;
    EXPECT_FALSE(match.matches(key));
}

TEST(FlowMatch, MatchesTheVlanOnlyOfTaggedFrames) {
    auto spec = eth_spec();
    spec.mask.vlan_tag = htons(0x0fff);
    const FlowMatch match = match_of(FlowAttr{}.add(spec));
    FrameKey key = udp_key();
    EXPECT_FALSE(match.matches(key));
    key.flags |= FrameKey::has_vlan;
    key.vlan_tci = htons(0x6000);
    EXPECT_TRUE(match.matches(key));
    key.vlan_tci = htons(0x6001);
    EXPECT_FALSE(match.matches(key));
}

TEST(FlowMatch, MatchesTaggedFramesIfTheVlanIsNotAskedFor) {
    FrameKey key = udp_key();
    key.flags |= FrameKey::has_vlan;
    key.vlan_tci = htons(5);
    EXPECT_TRUE(match_of(FlowAttr{}.add(eth_spec())).matches(key));
}

TEST(FlowMatch, MatchesIpv4Addresses) {
    auto spec = ipv4_spec();
    spec.val.dst_ip = htonl(0xef000000);
    spec.mask.dst_ip = htonl(0xffffff00);
    const FlowMatch match = match_of(FlowAttr{}.add(spec));
    FrameKey key = udp_key();
    EXPECT_TRUE(match.matches(key));
    key.dst_ip[3] = 77;
    EXPECT_TRUE(match.matches(key));
    key.dst_ip[2] = 1;
    EXPECT_FALSE(match.matches(key));
}

TEST(FlowMatch, TakesAnEmptyIpSpecForItsVersion) {
    EXPECT_TRUE(match_of(FlowAttr{}.add(ipv4_spec())).matches(udp_key()));
    EXPECT_FALSE(match_of(FlowAttr{}.add(ipv4_spec())).matches(ipv6_key()));
    EXPECT_FALSE(match_of(FlowAttr{}.add(ipv4_spec())).matches(FrameKey{}));
    EXPECT_TRUE(match_of(FlowAttr{}.add(ipv4_ext_spec())).matches(udp_key()));
    EXPECT_FALSE(match_of(FlowAttr{}.add(ipv4_ext_spec())).matches(ipv6_key()));
    EXPECT_TRUE(match_of(FlowAttr{}.add(ipv6_spec())).matches(ipv6_key()));
    EXPECT_FALSE(match_of(FlowAttr{}.add(ipv6_spec())).matches(udp_key()));
}

TEST(FlowMatch, MatchesTheOtherIpv4Fields) {
    auto spec = ipv4_ext_spec();
    spec.val.proto = 17;
    spec.mask.proto = 0xff;
    spec.val.tos = 4;
    spec.mask.tos = 0xfc;
    spec.val.ttl = 64;
    spec.mask.ttl = 0xff;
    spec.val.flags = 7;  // outside its mask
    const FlowMatch match = match_of(FlowAttr{}.add(spec));
    EXPECT_TRUE(match.matches(udp_key()));
    for (const auto field : {&FrameKey::protocol, &FrameKey::ttl, &FrameKey::tos}) {
        FrameKey key = udp_key();
        key.*field = 99;
        EXPECT_FALSE(match.matches(key));
    }
}

TEST(FlowMatch, MatchesIpv6Fields) {
    auto spec = ipv6_spec();
    spec.val.src_ip[0] = 10;
    spec.mask.src_ip[0] = 0xff;
    spec.val.dst_ip[0] = 239;
    std::memset(spec.mask.dst_ip, 0xff, 16);
    spec.val.flow_label = htonl(0x12345);
    spec.mask.flow_label = htonl(0xfffff);
    spec.val.next_hdr = 17;
    spec.mask.next_hdr = 0xff;
    spec.val.traffic_class = 4;
    spec.mask.traffic_class = 0xff;
    spec.val.hop_limit = 64;
    spec.mask.hop_limit = 0xff;
    const FlowMatch match = match_of(FlowAttr{}.add(spec));
    EXPECT_TRUE(match.matches(ipv6_key()));
    FrameKey key = ipv6_key();
    key.src_ip[15] = 1;
    EXPECT_TRUE(match.matches(key));
    key.dst_ip[15] = 1;
    EXPECT_FALSE(match.matches(key));
    key = ipv6_key();
    key.flow_label = htonl(0x12346);
    EXPECT_FALSE(match.matches(key));
    for (const auto field : {&FrameKey::protocol, &FrameKey::ttl, &FrameKey::tos}) {
        key = ipv6_key();
        key.*field = 99;
        EXPECT_FALSE(match.matches(key));
    }
}

TEST(FlowMatch, LooksAtTwentyBitsOfTheFlowLabel) {
    auto spec = ipv6_spec();
    spec.val.flow_label = htonl(0xfff12345);
    spec.mask.flow_label = 0xffffffff;
    EXPECT_TRUE(match_of(FlowAttr{}.add(spec)).matches(ipv6_key()));
}

TEST(FlowMatch, MatchesPorts) {
    auto spec = udp_spec();
    spec.val.dst_port = htons(7148);
    spec.mask.dst_port = 0xffff;
    FlowMatch match = match_of(FlowAttr{}.add(spec));
    FrameKey key = udp_key();
    EXPECT_TRUE(match.matches(key));
    EXPECT_TRUE(match.matches(ipv6_key()));
    key.dst_port = htons(7149);
    EXPECT_FALSE(match.matches(key));
    key = udp_key();
    key.protocol = 6;
    EXPECT_FALSE(match.matches(key));

    spec = tcp_spec();
    spec.val.src_port = htons(1000);
    spec.mask.src_port = 0xffff;
    match = match_of(FlowAttr{}.add(spec));
    EXPECT_TRUE(match.matches(key));
    EXPECT_FALSE(match.matches(udp_key()));
}

TEST(FlowMatch, TakesAPortOfZeroForAPort) {
    auto spec = udp_spec();
    spec.mask.dst_port = 0xffff;
    const FlowMatch match = match_of(FlowAttr{}.add(spec));
    FrameKey fragment = udp_key();
    fragment.src_port = fragment.dst_port = 0;
    fragment.flags = FrameKey::is_ipv4;
    EXPECT_FALSE(match.matches(fragment));
    fragment.flags |= FrameKey::has_ports;
    EXPECT_TRUE(match.matches(fragment));
}

TEST(FlowMatch, MatchesFragmentsIfNoPortIsAskedFor) {
    FrameKey fragment = udp_key();
    fragment.src_port = fragment.dst_port = 0;
    fragment.flags = FrameKey::is_ipv4 | FrameKey::is_fragment;
    EXPECT_TRUE(match_of(FlowAttr{}.add(udp_spec())).matches(fragment));
    EXPECT_FALSE(match_of(FlowAttr{}.add(tcp_spec())).matches(fragment));
}

TEST(FlowMatch, MissesFragmentsThatItWouldHaveTakenWhole) {
    auto port = udp_spec();
    port.val.dst_port = htons(7148);
    port.mask.dst_port = 0xffff;
    auto ip = ipv4_spec();
    ip.mask.dst_ip = 0xffffffff;
    std::memcpy(&ip.val.dst_ip, udp_key().dst_ip, 4);
    const FlowAttr attr = FlowAttr{}.add(ip).add(port);
    FrameKey fragment = udp_key();
    fragment.src_port = fragment.dst_port = 0;
    fragment.flags = FrameKey::is_ipv4 | FrameKey::is_fragment;
    EXPECT_TRUE(match_of(attr).misses(fragment));
    EXPECT_FALSE(match_of(attr).matches(fragment));
    EXPECT_FALSE(match_of(attr).misses(udp_key())) << "no fragment";
    EXPECT_FALSE(match_of(FlowAttr{}.add(ip).add(udp_spec())).misses(fragment)) << "it matches";
    EXPECT_FALSE(match_of(FlowAttr{attr}.add(drop_spec())).misses(fragment)) << "it wants none";
    fragment.dst_ip[3] ^= 1;
    EXPECT_FALSE(match_of(attr).misses(fragment)) << "another address";
}

TEST(FlowMatch, IgnoresValuesOutsideTheirMasks) {
    auto eth = eth_spec();
    std::memset(&eth.val, 0xff, sizeof eth.val);
    auto ip = ipv4_ext_spec();
    std::memset(&ip.val, 0xff, sizeof ip.val);
    auto udp = udp_spec();
    std::memset(&udp.val, 0xff, sizeof udp.val);
    const FlowMatch match = match_of(FlowAttr{}.add(eth).add(ip).add(udp));
    EXPECT_TRUE(match.matches(udp_key()));
    EXPECT_EQ(match, match_of(FlowAttr{}.add(ipv4_spec()).add(udp_spec())));
}

TEST(FlowMatch, TakesSpecsInAnyOrder) {
    const FlowAttr one = FlowAttr{}.add(eth_spec()).add(ipv4_spec()).add(udp_spec()).add(tag_spec(3));
    const FlowAttr other = FlowAttr{}.add(tag_spec(3)).add(udp_spec()).add(ipv4_spec()).add(eth_spec());
    EXPECT_EQ(match_of(one), match_of(other));
}

TEST(FlowMatch, RefusesAMalformedAttribute) {
    EXPECT_EQ(error_of(FlowAttr{}.comp_mask(1)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.port(0)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.port(2)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.raw_type(4)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.raw_type(0xffffffff)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.flags(1)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.flags(8)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.flags(0x80000000)), EINVAL);
}

TEST(FlowMatch, RefusesEgress) { EXPECT_EQ(error_of(FlowAttr{}.flags(IBV_FLOW_ATTR_FLAGS_EGRESS)), EOPNOTSUPP); }

TEST(FlowMatch, RefusesAnAttributeSmallerThanItsSpecs) {
    EXPECT_EQ(error_of(FlowAttr{}.size(sizeof(ibv_flow_attr) - 1)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.size(0)), EINVAL);
    const auto eth = FlowAttr{}.add(eth_spec());
    EXPECT_EQ(error_of(FlowAttr{eth}.size(sizeof(ibv_flow_attr) + 39)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{eth}.size(sizeof(ibv_flow_attr) + 5)), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{eth}.size(sizeof(ibv_flow_attr))), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{eth}.specs(2)), EINVAL);
}

TEST(FlowMatch, TakesAnAttributeLargerThanItsSpecs) {
    EXPECT_EQ(error_of(FlowAttr{}.add(eth_spec()).specs(0)), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth_spec()).add(eth_spec()).specs(1)), 0);
}

TEST(FlowMatch, ChecksTheSizeOfEachSpec) {
    const auto refuses_wrong_sizes = [](auto spec) {
        const auto right = spec.size;
        EXPECT_EQ(error_of(FlowAttr{}.add(spec)), 0);
        for (const int wrong : {0, 7, right - 1, right + 1, right + 4, 65535}) {
            spec.size = static_cast<std::uint16_t>(wrong);
            EXPECT_EQ(error_of(FlowAttr{}.add(spec).add(eth_spec()).specs(1)), EINVAL)
                << "type " << spec.type << " size " << wrong;
        }
    };
    refuses_wrong_sizes(eth_spec());
    refuses_wrong_sizes(ipv4_spec());
    refuses_wrong_sizes(ipv4_ext_spec());
    refuses_wrong_sizes(ipv6_spec());
    refuses_wrong_sizes(tcp_spec());
    refuses_wrong_sizes(udp_spec());
    refuses_wrong_sizes(tag_spec(1));
    refuses_wrong_sizes(drop_spec());
    ibv_counters counters{};
    refuses_wrong_sizes(count_spec(&counters));
}

TEST(FlowMatch, NamesTheCountersOfOneCountAction) {
    ibv_counters counters{};
    FlowMatch match;
    ASSERT_EQ(FlowAttr{}.add(count_spec(&counters)).read(match), 0);
    EXPECT_EQ(match.counters, &counters);
    EXPECT_EQ(error_of(FlowAttr{}.add(count_spec(nullptr))), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(count_spec(&counters)).add(count_spec(&counters))), EINVAL);
}

TEST(FlowMatch, RefusesSpecsThatAreNotModelled) {
    for (const std::uint32_t type : {IBV_FLOW_SPEC_ESP, IBV_FLOW_SPEC_VXLAN_TUNNEL, IBV_FLOW_SPEC_GRE,
                                     IBV_FLOW_SPEC_MPLS, IBV_FLOW_SPEC_ACTION_HANDLE}) {
        EXPECT_EQ(error_of(FlowAttr{}.add_raw(type, 24)), EOPNOTSUPP) << type;
    }
    for (const std::uint32_t type : {IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV4, IBV_FLOW_SPEC_IPV6, IBV_FLOW_SPEC_IPV4_EXT,
                                     IBV_FLOW_SPEC_TCP, IBV_FLOW_SPEC_UDP, IBV_FLOW_SPEC_GRE}) {
        EXPECT_EQ(error_of(FlowAttr{}.add_raw(type | IBV_FLOW_SPEC_INNER, 40)), EOPNOTSUPP) << type;
    }
    auto spec = ipv4_ext_spec();
    spec.mask.flags = 1;
    EXPECT_EQ(error_of(FlowAttr{}.add(spec)), EOPNOTSUPP);
}

TEST(FlowMatch, RefusesUnknownSpecs) {
    for (const std::uint32_t type : {0U, 0x21U, 0x33U, 0x100U, 0x1004U, 0x1100U, 0x2000U, 0xffffffffU}) {
        EXPECT_EQ(error_of(FlowAttr{}.add_raw(type, 24)), EINVAL) << type;
    }
}

TEST(FlowMatch, RefusesALayerGivenTwice) {
    EXPECT_EQ(error_of(FlowAttr{}.add(eth_spec()).add(eth_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(ipv4_spec()).add(ipv4_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(ipv4_spec()).add(ipv4_ext_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(ipv6_spec()).add(ipv4_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(udp_spec()).add(udp_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(tcp_spec()).add(udp_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(tag_spec(1)).add(tag_spec(1))), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(drop_spec()).add(drop_spec())), EINVAL);
}

TEST(FlowMatch, RefusesAnEtherTypeThatExcludesTheIpVersion) {
    const auto eth = [](int type, int mask) {
        auto spec = eth_spec();
        spec.val.ether_type = htons(static_cast<std::uint16_t>(type));
        spec.mask.ether_type = htons(static_cast<std::uint16_t>(mask));
        return spec;
    };
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x0800, 0xffff)).add(ipv4_spec())), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x86dd, 0xffff)).add(ipv4_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x86dd, 0xffff)).add(ipv4_ext_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(ipv4_spec()).add(eth(0x86dd, 0xffff))), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x86dd, 0x0000)).add(ipv4_spec())), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x08ff, 0xff00)).add(ipv4_spec())), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x86dd, 0xffff)).add(ipv6_spec())), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x0800, 0xffff)).add(ipv6_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(eth(0x0806, 0xffff))), 0);
}

TEST(FlowMatch, RefusesAProtocolThatExcludesThePorts) {
    auto ip = ipv4_ext_spec();
    ip.val.proto = 6;
    ip.mask.proto = 0xff;
    EXPECT_EQ(error_of(FlowAttr{}.add(ip).add(tcp_spec())), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(ip).add(udp_spec())), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(udp_spec()).add(ip)), EINVAL);
    ip.mask.proto = 0;
    EXPECT_EQ(error_of(FlowAttr{}.add(ip).add(udp_spec())), 0);
    auto ipv6 = ipv6_spec();
    ipv6.val.next_hdr = 17;
    ipv6.mask.next_hdr = 0xff;
    EXPECT_EQ(error_of(FlowAttr{}.add(ipv6).add(udp_spec())), 0);
    EXPECT_EQ(error_of(FlowAttr{}.add(ipv6).add(tcp_spec())), EINVAL);
}

TEST(FlowMatch, RefusesSpecsWithSniffersAndDefaults) {
    for (const auto type : {IBV_FLOW_ATTR_ALL_DEFAULT, IBV_FLOW_ATTR_MC_DEFAULT, IBV_FLOW_ATTR_SNIFFER}) {
        EXPECT_EQ(error_of(FlowAttr{type}.add(eth_spec())), EINVAL);
        EXPECT_EQ(error_of(FlowAttr{type}.add(tag_spec(1))), EINVAL);
    }
}

TEST(FlowMatch, TakesDontTrapOnlyForNormalFlowsThatDoNotDrop) {
    const std::uint32_t dont_trap = IBV_FLOW_ATTR_FLAGS_DONT_TRAP;
    EXPECT_EQ(error_of(FlowAttr{}.flags(dont_trap).add(eth_spec())), 0);
    for (const auto type : {IBV_FLOW_ATTR_ALL_DEFAULT, IBV_FLOW_ATTR_MC_DEFAULT, IBV_FLOW_ATTR_SNIFFER}) {
        EXPECT_EQ(error_of(FlowAttr{type}.flags(dont_trap)), EINVAL);
    }
    EXPECT_EQ(error_of(FlowAttr{}.flags(dont_trap).add(drop_spec())), EINVAL);
}

TEST(FlowMatch, RefusesATagOfMoreThan24Bits) {
    EXPECT_EQ(error_of(FlowAttr{}.add(tag_spec(1U << 24))), EINVAL);
    EXPECT_EQ(error_of(FlowAttr{}.add(tag_spec(0xffffffff))), EINVAL);
}

}  // namespace
