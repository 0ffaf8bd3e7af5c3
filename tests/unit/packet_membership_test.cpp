// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_membership.hpp"

#include <gtest/gtest.h>
#include <linux/if_packet.h>

#include <algorithm>

namespace pktverbs::soft {
namespace {

const MacAddress own_mac{MacAddress::Bytes{2, 0, 0, 0, 0, 1}};
const MacAddress other_mac{MacAddress::Bytes{2, 0, 0, 0, 0, 2}};
const MacAddress group_mac{MacAddress::Bytes{1, 0, 0x5e, 1, 2, 3}};

FlowMatch to(const MacAddress& mac) {
    FlowMatch flow;
    std::ranges::copy(mac.bytes(), flow.value.dst_mac);
    std::ranges::fill(flow.mask.dst_mac, std::uint8_t{0xff});
    return flow;
}

FlowMatch of_type(ibv_flow_attr_type type) {
    FlowMatch flow;
    flow.type = type;
    return flow;
}

std::vector<PacketMembership> find(const std::vector<FlowMatch>& flows) {
    std::vector<const FlowMatch*> pointers;
    for (const auto& flow : flows) pointers.push_back(&flow);
    return find_memberships(pointers, own_mac);
}

using Memberships = std::vector<PacketMembership>;

TEST(PacketMembership, IsNotNeededForOwnAndBroadcastFrames) {
    EXPECT_TRUE(find({}).empty());
    EXPECT_TRUE(find({to(own_mac), to(MacAddress::broadcast())}).empty());
}

TEST(PacketMembership, IsForTheGroupOrTheOtherAddress) {
    EXPECT_EQ(find({to(group_mac)}), (Memberships{{PACKET_MR_MULTICAST, group_mac}}));
    EXPECT_EQ(find({to(other_mac)}), (Memberships{{PACKET_MR_UNICAST, other_mac}}));
}

TEST(PacketMembership, IsPromiscuousForFlowsWithoutAWholeDestination) {
    const Memberships promiscuous{{PACKET_MR_PROMISC, {}}};
    EXPECT_EQ(find({FlowMatch{}}), promiscuous);
    EXPECT_EQ(find({of_type(IBV_FLOW_ATTR_SNIFFER), of_type(IBV_FLOW_ATTR_ALL_DEFAULT)}), promiscuous);
    FlowMatch vendor = to(other_mac);
    vendor.mask.dst_mac[5] = vendor.value.dst_mac[5] = 0;
    EXPECT_EQ(find({vendor}), promiscuous);
}

TEST(PacketMembership, IsForAllGroupsForTheMulticastDefault) {
    const Memberships all_groups{{PACKET_MR_ALLMULTI, {}}};
    EXPECT_EQ(find({of_type(IBV_FLOW_ATTR_MC_DEFAULT)}), all_groups);
    FlowMatch some = to(group_mac);
    some.mask.dst_mac[5] = some.value.dst_mac[5] = 0;
    EXPECT_EQ(find({some}), all_groups);
}

TEST(PacketMembership, StandsOnceAndNotForFlowsThatDrop) {
    FlowMatch drop;
    drop.drop = true;
    EXPECT_EQ(find({to(group_mac), drop, to(other_mac), to(group_mac)}),
              (Memberships{{PACKET_MR_MULTICAST, group_mac}, {PACKET_MR_UNICAST, other_mac}}));
}

TEST(PacketMembership, StandsForDropsThatAreCounted) {
    ibv_counters counters{};
    FlowMatch drop = to(other_mac);
    drop.drop = true;
    drop.counters = &counters;
    EXPECT_EQ(find({drop}), (Memberships{{PACKET_MR_UNICAST, other_mac}}));
}

}  // namespace
}  // namespace pktverbs::soft
