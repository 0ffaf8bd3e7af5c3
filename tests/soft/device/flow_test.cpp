// SPDX-License-Identifier: Apache-2.0
// Flows end to end: which queue pair's completion queue a frame comes out of.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ip_frame.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

class Flows : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    std::vector<verbs::QpHandle> qps;
    std::vector<verbs::FlowHandle> flows;

    Flows() {
        for (int i = 0; i < 3; ++i) {
            qps.push_back(end.make_qp());
            end.fill(16, qps.back().get());
        }
    }
    void TearDown() override { flows.clear(); }

    void add(std::size_t qp, const FlowAttr& attr) {
        flows.push_back(end.make_flow(qps[qp].get(), attr));
        ASSERT_NE(flows.back(), nullptr);
    }
    /// Sends a frame; returns the indexes of the queue pairs that got it.
    std::vector<std::size_t> takers(const Frame& frame) {
        tap.send(frame);
        std::vector<std::size_t> got;
        const auto done = poll_all(end.recv_cq);
        for (std::size_t i = 0; i < qps.size(); ++i)
            for (const ibv_wc& wc : done)
                if (wc.qp_num == qps[i]->qp_num) got.push_back(i);
        return got;
    }
};
using Takers = std::vector<std::size_t>;

const FlowAttr sniffer{IBV_FLOW_ATTR_SNIFFER};
const FlowAttr all_default{IBV_FLOW_ATTR_ALL_DEFAULT};
const FlowAttr multicast_default{IBV_FLOW_ATTR_MC_DEFAULT};
FlowAttr copying(FlowAttr attr) { return attr.flags(IBV_FLOW_ATTR_FLAGS_DONT_TRAP); }

TEST_F(Flows, DeliverToTheQueuePairThatAsked) {
    for (std::size_t i = 0; i < 3; ++i) add(i, to_mac(static_cast<unsigned>(i)));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(takers(frame_to(static_cast<unsigned>(i))), Takers{i});
}

TEST_F(Flows, CountUnmatchedFrames) {
    add(0, to_mac(1));
    EXPECT_EQ(takers(frame_to(2)), Takers{});
    EXPECT_EQ(takers(frame_to(3)), Takers{});
    EXPECT_EQ(end.drops().unmatched, 2U);
    EXPECT_EQ(end.drops().total(), 2U);
}

/// NICs match nothing after a fragment's IP header, not even in the first one.
TEST_F(Flows, OfPortsMissFragmentsAndCountThem) {
    IpFrame frame;
    auto port = udp_spec();
    port.val.dst_port = htons(frame.dst_port);
    port.mask.dst_port = 0xffff;
    auto ip = ipv4_spec();
    std::copy(frame.dst.begin(), frame.dst.end(), reinterpret_cast<std::uint8_t*>(&ip.val.dst_ip));
    ip.mask.dst_ip = 0xffffffff;
    add(0, FlowAttr{}.add(ip).add(port));
    EXPECT_EQ(takers(frame.bytes()), Takers{0});
    for (const unsigned place : {0x2000U, 0x2008U, 0x0010U}) {
        frame.fragment = static_cast<std::uint16_t>(place);
        EXPECT_EQ(takers(frame.bytes()), Takers{});
    }
    EXPECT_EQ(end.drops().fragments, 3U);
    EXPECT_EQ(end.drops().unmatched, 0U);
    IpFrame elsewhere = frame;
    elsewhere.dst.back() ^= 1;
    EXPECT_EQ(takers(elsewhere.bytes()), Takers{});
    EXPECT_EQ(end.drops().fragments, 3U) << "not for want of ports";
    EXPECT_EQ(end.drops().unmatched, 1U);
    EXPECT_EQ(end.drops().total(), 4U);

    add(1, FlowAttr{}.add(ip).add(udp_spec()));  // any UDP, by the IP header
    EXPECT_EQ(takers(frame.bytes()), Takers{1});
    frame.fragment = 0x2000;
    EXPECT_EQ(takers(frame.bytes()), Takers{1});
    frame.fragment = 0x4000;  // don't fragment: whole
    EXPECT_EQ(takers(frame.bytes()), Takers{0});
    EXPECT_EQ(end.drops().fragments, 3U);
}

TEST_F(Flows, GoByPriority) {
    add(0, to_mac(1, 2));
    EXPECT_EQ(takers(frame_to(1)), Takers{0});
    add(1, to_mac(1, 1));
    EXPECT_EQ(takers(frame_to(1)), Takers{1});
    flows.pop_back();
    EXPECT_EQ(takers(frame_to(1)), Takers{0});
}

TEST_F(Flows, OfTheSameRuleAllGetTheFrame) {
    add(0, to_mac(1));
    add(2, to_mac(1));
    EXPECT_EQ(takers(frame_to(1)), (Takers{0, 2}));
}

TEST_F(Flows, PassACopyOnWithoutTrapping) {
    add(0, copying(to_mac(1, 0)));
    add(1, to_mac(1, 1));
    EXPECT_EQ(takers(frame_to(1)), (Takers{0, 1}));
}

TEST_F(Flows, DropByRule) {
    add(0, to_mac(1, 0).add(drop_spec()));
    add(1, all_default);
    EXPECT_EQ(takers(frame_to(1)), Takers{});
    EXPECT_EQ(takers(frame_to(2)), Takers{1});
    EXPECT_EQ(end.drops().by_rule, 1U);
}

TEST_F(Flows, CopyEverythingToASniffer) {
    add(0, to_mac(1));
    add(1, sniffer);
    add(2, to_mac(3).add(drop_spec()));
    EXPECT_EQ(takers(frame_to(1)), (Takers{0, 1}));
    EXPECT_EQ(takers(frame_to(2)), Takers{1});
    EXPECT_EQ(takers(frame_to(3)), Takers{1});
}

TEST_F(Flows, FallBackToTheDefaults) {
    add(0, all_default);
    add(1, multicast_default);
    add(2, to_mac(1));
    EXPECT_EQ(takers(frame_to(1)), Takers{2});
    EXPECT_EQ(takers(frame_to(2)), Takers{0});
    EXPECT_EQ(takers(multicast_frame()), Takers{1});
}

TEST_F(Flows, DeliverOnceToAQueuePairThatWantsItTwice) {
    add(0, sniffer);
    add(0, to_mac(1));
    EXPECT_EQ(takers(frame_to(1)), Takers{0});
}

TEST_F(Flows, OfOneQueuePairOutOfBuffersLeaveTheOthersAlone) {
    add(0, to_mac(1));
    add(1, to_mac(1));
    for (int i = 0; i < 16; ++i) takers(frame_to(1));
    end.fill(1, qps[1].get());
    EXPECT_EQ(takers(frame_to(1)), Takers{1});
    EXPECT_EQ(end.drops().out_of_buffer, 1U);
}

TEST_F(Flows, ServeManyQueuePairs) {
    constexpr std::size_t many = 200;
    for (std::size_t i = qps.size(); i < many; ++i) {
        qps.push_back(end.make_qp({.send_depth = 0, .recv_depth = 1}));
        end.fill(1, qps.back().get());
    }
    for (std::size_t i = 0; i < many; ++i) add(i, to_mac(static_cast<unsigned>(i)));
    for (std::size_t i = 0; i < many; ++i) EXPECT_EQ(takers(frame_to(static_cast<unsigned>(i))), Takers{i});
    EXPECT_EQ(end.drops().total(), 0U);
}

TEST_F(Flows, EndWithTheirHandle) {
    for (int round = 0; round < 50; ++round) {
        add(0, to_mac(1));
        flows.pop_back();
    }
    EXPECT_EQ(takers(frame_to(1)), Takers{});
}

TEST(Drops, CountMissingBuffers) {
    VerbsEnd end;
    WireTap tap{"w"};
    end.fill(1);
    for (int i = 0; i < 3; ++i) tap.send(frame_to(1));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
    EXPECT_EQ(end.drops().out_of_buffer, 2U);
    end.fill(1);
    tap.send(frame_to(1));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
}

TEST(Drops, CountFramesLongerThanTheMtuAllows) {
    VerbsEnd end{{.wire = "mtu=1500"}};
    WireTap tap{"w"};
    end.fill(2);
    tap.send(frame_to(1, 1522));
    tap.send(frame_to(1, 1523));
    EXPECT_EQ(poll_one(end.recv_cq).byte_len, 1522U);
    EXPECT_EQ(end.drops().oversize, 1U);
}

TEST(Drops, CountRuntsAsUnmatched) {
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    const auto flow = end.make_flow(end.qp.get(), to_mac(1));
    for (std::size_t bytes = 0; bytes < 14; ++bytes) tap.send(frame_to(1, bytes));
    EXPECT_EQ(end.drops().unmatched, 14U);
}

TEST(Drops, AreReadByTheDevice) {
    VerbsEnd end;
    WireTap tap{"w"};
    tap.send(frame_to(1));
    ASSERT_NE(end.device.read_drops, nullptr);
    EXPECT_EQ(end.device.read_drops(end.device, end.context.get()).out_of_buffer, 1U);
}

}  // namespace
}  // namespace pktverbs::testing
