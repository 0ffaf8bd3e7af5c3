// SPDX-License-Identifier: Apache-2.0
// FlowSpec: the bytes that ibv_create_flow gets, read back spec by spec.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "flow/flow_spec.hpp"

namespace pktverbs {
namespace {

static_assert(std::is_nothrow_constructible_v<FlowSpec, const FlowRule&, const MacAddress&, std::uint8_t>);
static_assert(!std::is_default_constructible_v<FlowSpec>);

const MacAddress own_mac{"02:00:5e:10:00:01"};
const MacAddress no_mac;
const MacAddress all_ones = MacAddress::broadcast();

FlowRule empty_rule() { return {}; }

// What a driver sees: the attribute, then each spec found by the size of the one before.
class ReadBack {
public:
    explicit ReadBack(const FlowRule& rule, std::uint8_t port = 1) {
        EXPECT_NO_THROW(rule.check());
        FlowSpec spec{rule, own_mac, port};
        attr = *spec.attr();
        const auto* const bytes = reinterpret_cast<const std::byte*>(spec.attr());
        block_.assign(bytes, bytes + attr.size);
        std::size_t at = sizeof(ibv_flow_attr);
        while (at < block_.size()) {
            ibv_flow_spec_action_drop header{};
            std::memcpy(&header, &block_[at], sizeof(header));
            types.push_back(header.type);
            offsets_.push_back(at);
            if (header.size == 0) break;
            at += header.size;
        }
        EXPECT_EQ(at, attr.size);
        EXPECT_EQ(types.size(), attr.num_of_specs);
    }

    // The one spec of this type; its size must be the whole structure's.
    template <class Spec>
    Spec spec(ibv_flow_spec_type type) const {
        Spec spec{};
        const auto found = std::ranges::find(types, type);
        if (found == types.end()) {
            ADD_FAILURE() << "no spec of type " << type;
            return spec;
        }
        std::memcpy(&spec, &block_[offsets_[static_cast<std::size_t>(found - types.begin())]], sizeof(spec));
        EXPECT_EQ(spec.size, sizeof(Spec));
        return spec;
    }
    ibv_flow_spec_eth eth() const { return spec<ibv_flow_spec_eth>(IBV_FLOW_SPEC_ETH); }
    ibv_flow_spec_ipv4 ipv4() const { return spec<ibv_flow_spec_ipv4>(IBV_FLOW_SPEC_IPV4); }
    ibv_flow_spec_ipv4_ext ipv4_ext() const { return spec<ibv_flow_spec_ipv4_ext>(IBV_FLOW_SPEC_IPV4_EXT); }
    ibv_flow_spec_ipv6 ipv6() const { return spec<ibv_flow_spec_ipv6>(IBV_FLOW_SPEC_IPV6); }
    ibv_flow_spec_tcp_udp udp() const { return spec<ibv_flow_spec_tcp_udp>(IBV_FLOW_SPEC_UDP); }
    ibv_flow_spec_tcp_udp tcp() const { return spec<ibv_flow_spec_tcp_udp>(IBV_FLOW_SPEC_TCP); }

    ibv_flow_attr attr{};
    std::vector<ibv_flow_spec_type> types;

private:
    std::vector<std::byte> block_;
    std::vector<std::size_t> offsets_;
};

using Types = std::vector<ibv_flow_spec_type>;

MacAddress mac(const std::uint8_t (&bytes)[6]) { return MacAddress{std::to_array(bytes)}; }
Ipv6Address ip(const std::uint8_t (&bytes)[16]) { return Ipv6Address{std::to_array(bytes)}; }
Ipv4Address ip(std::uint32_t word) { return Ipv4Address{std::bit_cast<Ipv4Address::Bytes>(word)}; }

template <class Filter>
bool is_zero(const Filter& filter) {
    constexpr std::array<std::byte, sizeof(Filter)> zeros{};
    return std::memcmp(&filter, zeros.data(), sizeof(Filter)) == 0;
}

TEST(FlowSpec, IsOneEmptyEthForTheEmptyRule) {
    const ReadBack got{empty_rule()};
    EXPECT_EQ(got.types, Types{IBV_FLOW_SPEC_ETH});
    EXPECT_EQ(got.attr.type, IBV_FLOW_ATTR_NORMAL);
    EXPECT_EQ(got.attr.size, sizeof(ibv_flow_attr) + sizeof(ibv_flow_spec_eth));
    EXPECT_EQ(got.attr.comp_mask, 0u);
    EXPECT_EQ(got.attr.flags, 0u);
    EXPECT_EQ(got.attr.priority, 0);
    EXPECT_TRUE(is_zero(got.eth().val));
    EXPECT_TRUE(is_zero(got.eth().mask));
}

TEST(FlowSpec, CarriesPortPriorityAndDontTrap) {
    const ReadBack got{empty_rule().priority(0x1234).dont_trap(), 2};
    EXPECT_EQ(got.attr.port, 2);
    EXPECT_EQ(got.attr.priority, 0x1234);
    EXPECT_EQ(got.attr.flags, std::uint32_t{IBV_FLOW_ATTR_FLAGS_DONT_TRAP});
}

TEST(FlowSpec, HasNoSpecsForTheOtherKinds) {
    const std::pair<FlowRule, ibv_flow_attr_type> kinds[] = {
        {empty_rule().sniffer().priority(7), IBV_FLOW_ATTR_SNIFFER},
        {empty_rule().all_default().priority(7), IBV_FLOW_ATTR_ALL_DEFAULT},
        {empty_rule().multicast_default().priority(7), IBV_FLOW_ATTR_MC_DEFAULT},
    };
    for (const auto& [kind, type] : kinds) {
        const ReadBack got{kind, 3};
        EXPECT_EQ(got.attr.type, type);
        EXPECT_EQ(got.attr.size, sizeof(ibv_flow_attr));
        EXPECT_EQ(got.attr.port, 3);
        EXPECT_EQ(got.attr.priority, 7);
        EXPECT_EQ(got.types, Types{});
    }
}

TEST(FlowSpec, MatchesMacs) {
    const auto eth = ReadBack{empty_rule().dst_mac("02:00:00:00:00:0a").src_mac("02:00:00:00:00:0b")}.eth();
    EXPECT_EQ(mac(eth.val.dst_mac), MacAddress{"02:00:00:00:00:0a"});
    EXPECT_EQ(mac(eth.mask.dst_mac), all_ones);
    EXPECT_EQ(mac(eth.val.src_mac), MacAddress{"02:00:00:00:00:0b"});
    EXPECT_EQ(mac(eth.mask.src_mac), all_ones);
    EXPECT_EQ(eth.mask.ether_type, 0);
}

TEST(FlowSpec, MatchesAMacOfZeros) {
    const auto eth = ReadBack{empty_rule().src_mac(no_mac)}.eth();
    EXPECT_EQ(mac(eth.mask.src_mac), all_ones);
    EXPECT_EQ(mac(eth.mask.dst_mac), no_mac);
}

TEST(FlowSpec, FillsInTheOwnMac) {
    const auto eth = ReadBack{empty_rule().own_mac()}.eth();
    EXPECT_EQ(mac(eth.val.dst_mac), own_mac);
    EXPECT_EQ(mac(eth.mask.dst_mac), all_ones);
}

TEST(FlowSpec, KeepsTheOwnMacOutWhenNotAsked) {
    EXPECT_EQ(mac(ReadBack{empty_rule().dst_ip("10.0.0.1")}.eth().mask.dst_mac), no_mac);
    EXPECT_EQ(mac(ReadBack{empty_rule().own_mac(false)}.eth().mask.dst_mac), no_mac);
}

TEST(FlowSpec, FillsInTheMacOfAGroup) {
    const auto eth4 = ReadBack{empty_rule().dst_ip("239.130.1.150")}.eth();
    EXPECT_EQ(mac(eth4.val.dst_mac), MacAddress{"01:00:5e:02:01:96"});
    EXPECT_EQ(mac(eth4.mask.dst_mac), all_ones);
    const auto eth6 = ReadBack{empty_rule().dst_ip("ff15::1:2")}.eth();
    EXPECT_EQ(mac(eth6.val.dst_mac), MacAddress{"33:33:00:01:00:02"});
    EXPECT_EQ(mac(eth6.mask.dst_mac), all_ones);
}

TEST(FlowSpec, FillsInTheCommonMacBitsOfAGroupPrefix) {
    const auto some = ReadBack{empty_rule().dst_ip("239.130.1.150/20")}.eth();
    EXPECT_EQ(mac(some.val.dst_mac), MacAddress{"01:00:5e:02:00:00"});
    EXPECT_EQ(mac(some.mask.dst_mac), MacAddress{"ff:ff:ff:ff:f0:00"});
    const auto all = ReadBack{empty_rule().dst_ip("224.0.0.0/4")}.eth();
    EXPECT_EQ(mac(all.val.dst_mac), MacAddress{"01:00:5e:00:00:00"});
    EXPECT_EQ(mac(all.mask.dst_mac), MacAddress{"ff:ff:ff:80:00:00"});
    const auto all6 = ReadBack{empty_rule().dst_ip("ff15::1:2/96")}.eth();
    EXPECT_EQ(mac(all6.val.dst_mac), MacAddress{"33:33:00:00:00:00"});
    EXPECT_EQ(mac(all6.mask.dst_mac), MacAddress{"ff:ff:00:00:00:00"});
}

TEST(FlowSpec, LeavesTheMacOpenForAPrefixThatHoldsUnicastToo) {
    EXPECT_EQ(mac(ReadBack{empty_rule().dst_ip("224.0.0.0/3")}.eth().mask.dst_mac), no_mac);
    EXPECT_EQ(mac(ReadBack{empty_rule().dst_ip("ff00::/7")}.eth().mask.dst_mac), no_mac);
    EXPECT_EQ(mac(ReadBack{empty_rule().dst_ip("255.255.255.255")}.eth().mask.dst_mac), no_mac);
}

TEST(FlowSpec, MatchesTheEtherType) {
    const auto eth = ReadBack{empty_rule().ether_type(0x88f7)}.eth();
    EXPECT_EQ(eth.val.ether_type, htons(0x88f7));
    EXPECT_EQ(eth.mask.ether_type, 0xffff);
    EXPECT_EQ(ReadBack{empty_rule().ether_type(0)}.eth().mask.ether_type, 0xffff);
}

TEST(FlowSpec, FillsInTheEtherTypeOfTheIpVersion) {
    for (const auto& ipv4 :
         {empty_rule().ipv4(), empty_rule().src_ip("10.0.0.1"), empty_rule().ipv4().ether_type(0x0800).udp()}) {
        EXPECT_EQ(ReadBack{ipv4}.eth().val.ether_type, htons(0x0800));
        EXPECT_EQ(ReadBack{ipv4}.eth().mask.ether_type, 0xffff);
    }
    for (const auto& ipv6 : {empty_rule().ipv6(), empty_rule().dst_ip("::1")}) {
        EXPECT_EQ(ReadBack{ipv6}.eth().val.ether_type, htons(0x86dd));
        EXPECT_EQ(ReadBack{ipv6}.eth().mask.ether_type, 0xffff);
    }
}

TEST(FlowSpec, MatchesVlanIdAndPriorityApart) {
    const auto id = ReadBack{empty_rule().vlan(0x123)}.eth();
    EXPECT_EQ(id.val.vlan_tag, htons(0x0123));
    EXPECT_EQ(id.mask.vlan_tag, htons(0x0fff));
    const auto priority = ReadBack{empty_rule().vlan_priority(5)}.eth();
    EXPECT_EQ(priority.val.vlan_tag, htons(0xa000));
    EXPECT_EQ(priority.mask.vlan_tag, htons(0xe000));
    const auto both = ReadBack{empty_rule().vlan(0xfff).vlan_priority(7)}.eth();
    EXPECT_EQ(both.val.vlan_tag, htons(0xefff));
    EXPECT_EQ(both.mask.vlan_tag, htons(0xefff));
}

TEST(FlowSpec, MatchesVlanZero) {
    const auto eth = ReadBack{empty_rule().vlan(0)}.eth();
    EXPECT_EQ(eth.val.vlan_tag, 0);
    EXPECT_EQ(eth.mask.vlan_tag, htons(0x0fff));
}

TEST(FlowSpec, MatchesIpv4Addresses) {
    const ReadBack got{empty_rule().src_ip("10.1.2.3").dst_ip("192.0.2.1")};
    EXPECT_EQ(got.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV4}));
    EXPECT_EQ(ip(got.ipv4().val.src_ip), Ipv4Address{"10.1.2.3"});
    EXPECT_EQ(ip(got.ipv4().mask.src_ip), Ipv4Address{"255.255.255.255"});
    EXPECT_EQ(ip(got.ipv4().val.dst_ip), Ipv4Address{"192.0.2.1"});
    EXPECT_EQ(ip(got.ipv4().mask.dst_ip), Ipv4Address{"255.255.255.255"});
}

TEST(FlowSpec, MasksThePrefix) {
    const auto spec = ReadBack{empty_rule().src_ip("10.1.2.3/8").dst_ip("192.0.2.1/0")}.ipv4();
    EXPECT_EQ(ip(spec.val.src_ip), Ipv4Address{"10.0.0.0"});
    EXPECT_EQ(ip(spec.mask.src_ip), Ipv4Address{"255.0.0.0"});
    EXPECT_EQ(spec.val.dst_ip, 0u);
    EXPECT_EQ(spec.mask.dst_ip, 0u);
    const auto spec6 = ReadBack{empty_rule().src_ip("2001:db8:1::/33")}.ipv6();
    EXPECT_EQ(ip(spec6.val.src_ip), Ipv6Address{"2001:db8::"});
    EXPECT_EQ(ip(spec6.mask.src_ip), Ipv6Address{"ffff:ffff:8000::"});
}

TEST(FlowSpec, HasAnEmptySpecForABareIpVersion) {
    const ReadBack ipv4{empty_rule().ipv4()};
    EXPECT_EQ(ipv4.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV4}));
    EXPECT_TRUE(is_zero(ipv4.ipv4().mask));
    const ReadBack ipv6{empty_rule().ipv6()};
    EXPECT_EQ(ipv6.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV6}));
    EXPECT_TRUE(is_zero(ipv6.ipv6().mask));
}

TEST(FlowSpec, TakesTheExtendedIpv4SpecOnlyWhenNeeded) {
    for (const auto& extended :
         {empty_rule().ipv4().protocol(1), empty_rule().ipv4().tos(0), empty_rule().ipv4().ttl(0)}) {
        EXPECT_EQ(ReadBack{extended}.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV4_EXT}));
    }
    const auto spec =
        ReadBack{empty_rule().src_ip("10.1.2.3").dst_ip("192.0.2.0/24").protocol(1).tos(2).ttl(3)}.ipv4_ext();
    EXPECT_EQ(ip(spec.val.src_ip), Ipv4Address{"10.1.2.3"});
    EXPECT_EQ(ip(spec.mask.dst_ip), Ipv4Address{"255.255.255.0"});
    EXPECT_EQ(spec.val.proto, 1);
    EXPECT_EQ(spec.val.tos, 2);
    EXPECT_EQ(spec.val.ttl, 3);
    EXPECT_EQ(spec.mask.proto & spec.mask.tos & spec.mask.ttl, 0xff);
    EXPECT_EQ(spec.mask.flags, 0);
}

TEST(FlowSpec, MatchesZeroInOneOctetAlone) {
    const auto spec = ReadBack{empty_rule().ipv4().tos(0)}.ipv4_ext();
    EXPECT_EQ(spec.mask.tos, 0xff);
    EXPECT_EQ(spec.mask.proto, 0);
    EXPECT_EQ(spec.mask.ttl, 0);
}

TEST(FlowSpec, LeavesTheProtocolToTheUdpSpec) {
    EXPECT_EQ(ReadBack{empty_rule().ipv4().udp()}.types,
              (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV4, IBV_FLOW_SPEC_UDP}));
    EXPECT_EQ(ReadBack{empty_rule().ipv4().udp().ttl(1)}.ipv4_ext().mask.proto, 0);
    EXPECT_EQ(ReadBack{empty_rule().ipv6().tcp()}.ipv6().mask.next_hdr, 0);
}

TEST(FlowSpec, MatchesIpv6) {
    const ReadBack got{empty_rule().src_ip("2001:db8::1").dst_ip("2001:db8::2").protocol(58).tos(2).ttl(255)};
    EXPECT_EQ(got.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV6}));
    const auto spec = got.ipv6();
    EXPECT_EQ(ip(spec.val.src_ip), Ipv6Address{"2001:db8::1"});
    EXPECT_EQ(ip(spec.val.dst_ip), Ipv6Address{"2001:db8::2"});
    EXPECT_EQ(ip(spec.mask.src_ip), (Ipv6Prefix{{}, 128}.mask()));
    EXPECT_EQ(ip(spec.mask.dst_ip), (Ipv6Prefix{{}, 128}.mask()));
    EXPECT_EQ(spec.val.next_hdr, 58);
    EXPECT_EQ(spec.val.traffic_class, 2);
    EXPECT_EQ(spec.val.hop_limit, 255);
    EXPECT_EQ(spec.mask.next_hdr & spec.mask.traffic_class & spec.mask.hop_limit, 0xff);
    EXPECT_EQ(spec.mask.flow_label, 0u);
}

TEST(FlowSpec, MatchesUdpWithoutPorts) {
    const ReadBack got{empty_rule().udp()};
    EXPECT_EQ(got.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_UDP}));
    EXPECT_TRUE(is_zero(got.udp().mask));
    EXPECT_EQ(got.eth().mask.ether_type, 0);
}

TEST(FlowSpec, MatchesOnlyTheGivenPort) {
    const auto udp = ReadBack{empty_rule().udp().dst_port(7148)}.udp();
    EXPECT_EQ(udp.val.dst_port, htons(7148));
    EXPECT_EQ(udp.mask.dst_port, 0xffff);
    EXPECT_EQ(udp.mask.src_port, 0);
    const auto tcp = ReadBack{empty_rule().tcp().src_port(0)}.tcp();
    EXPECT_EQ(tcp.val.src_port, 0);
    EXPECT_EQ(tcp.mask.src_port, 0xffff);
    EXPECT_EQ(tcp.mask.dst_port, 0);
}

TEST(FlowSpec, EndsWithTheActions) {
    const ReadBack tagged{empty_rule().dst_ip("10.0.0.1").udp().tag(0xabcdef)};
    EXPECT_EQ(tagged.types,
              (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV4, IBV_FLOW_SPEC_UDP, IBV_FLOW_SPEC_ACTION_TAG}));
    EXPECT_EQ(tagged.spec<ibv_flow_spec_action_tag>(IBV_FLOW_SPEC_ACTION_TAG).tag_id, 0xabcdefu);
    const ReadBack dropped{empty_rule().tcp().drop()};
    EXPECT_EQ(dropped.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_TCP, IBV_FLOW_SPEC_ACTION_DROP}));
    dropped.spec<ibv_flow_spec_action_drop>(IBV_FLOW_SPEC_ACTION_DROP);
}

TEST(FlowSpec, CarriesATagOfZero) {
    EXPECT_EQ(ReadBack{empty_rule().tag(0)}.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_ACTION_TAG}));
}

TEST(FlowSpec, HoldsTheLargestRule) {
    const ReadBack got{empty_rule().src_ip("::1").protocol(6).tcp().dst_port(80).vlan(1).tag(1)};
    EXPECT_EQ(got.types, (Types{IBV_FLOW_SPEC_ETH, IBV_FLOW_SPEC_IPV6, IBV_FLOW_SPEC_TCP, IBV_FLOW_SPEC_ACTION_TAG}));
    EXPECT_LE(got.attr.size, sizeof(FlowSpec));
}

TEST(FlowSpec, IsTheSameBytesForTheSameRule) {
    const auto same = empty_rule().dst_ip("ff15::1:2").udp().dst_port(7148).vlan(5);
    FlowSpec one{same, own_mac, 1};
    FlowSpec other{same, own_mac, 1};
    ASSERT_EQ(one.attr()->size, other.attr()->size);
    EXPECT_EQ(std::memcmp(one.attr(), other.attr(), one.attr()->size), 0);
}

}  // namespace
}  // namespace pktverbs
