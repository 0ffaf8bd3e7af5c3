// SPDX-License-Identifier: Apache-2.0
// FlowTable: which queue pairs get a frame.
#include "soft/steering/flow_table.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <random>
#include <vector>

#include "../fuzz/steering_case.hpp"
#include "flow_attr.hpp"
#include "soft/steering/counters.hpp"

namespace pktverbs::soft {

bool operator==(const Target& a, const Target& b) { return a.queue_pair == b.queue_pair && a.tag == b.tag; }
void PrintTo(const Target& target, std::ostream* out) { *out << target.queue_pair << " tag " << target.tag; }

}  // namespace pktverbs::soft

namespace {

using namespace pktverbs::soft;
using Targets = std::vector<Target>;

/// Never dereferenced.
QueuePair* queue_pair(std::uintptr_t number) { return reinterpret_cast<QueuePair*>(number * 64); }
QueuePair* const qp1 = queue_pair(1);
QueuePair* const qp2 = queue_pair(2);
QueuePair* const qp3 = queue_pair(3);

/// An UDP frame from one port to another.
FrameKey udp(unsigned src_port, unsigned dst_port) {
    FrameKey key{};
    key.dst_mac[0] = 2;
    key.ether_type = htons(0x0800);
    key.src_port = htons(static_cast<std::uint16_t>(src_port));
    key.dst_port = htons(static_cast<std::uint16_t>(dst_port));
    key.protocol = 17;
    key.flags = FrameKey::is_ipv4 | FrameKey::has_ports;
    return key;
}

FrameKey to(std::uint8_t first_byte) {
    FrameKey key{};
    key.dst_mac[0] = first_byte;
    return key;
}

FlowAttr to_port(unsigned port, std::uint16_t priority = 0) {
    auto spec = udp_spec();
    spec.val.dst_port = htons(static_cast<std::uint16_t>(port));
    spec.mask.dst_port = 0xffff;
    FlowAttr attr;
    return attr.add(spec).priority(priority);
}

FlowAttr from_port(unsigned port, std::uint16_t priority = 0) {
    auto spec = udp_spec();
    spec.val.src_port = htons(static_cast<std::uint16_t>(port));
    spec.mask.src_port = 0xffff;
    FlowAttr attr;
    return attr.add(spec).priority(priority);
}

FlowAttr copying(FlowAttr attr) { return attr.flags(IBV_FLOW_ATTR_FLAGS_DONT_TRAP); }
FlowAttr dropping(FlowAttr attr) { return attr.add(drop_spec()); }
FlowAttr tagging(std::uint32_t tag, FlowAttr attr) { return attr.add(tag_spec(tag)); }

const FlowAttr sniffer{IBV_FLOW_ATTR_SNIFFER};
const FlowAttr all_default{IBV_FLOW_ATTR_ALL_DEFAULT};
const FlowAttr multicast_default{IBV_FLOW_ATTR_MC_DEFAULT};

class FlowTableTest : public testing::Test {
protected:
    FlowTable::Handle add(const FlowAttr& attr, QueuePair* qp) {
        FlowTable::Handle handle = 0;
        EXPECT_EQ(try_add(attr, qp, handle), 0);
        return handle;
    }

    int try_add(const FlowAttr& attr, QueuePair* qp, FlowTable::Handle& handle) {
        FlowMatch match;
        EXPECT_EQ(attr.read(match), 0);
        return table.add(match, qp, handle);
    }

    Verdict verdict(const FrameKey& key) {
        std::span<const Target> targets;
        const Verdict verdict = table.steer(key, frame_bytes, targets);
        EXPECT_EQ(verdict == Verdict::deliver, !targets.empty());
        return verdict;
    }

    Targets steer(const FrameKey& key) {
        std::span<const Target> targets;
        table.steer(key, frame_bytes, targets);
        return {targets.begin(), targets.end()};
    }

    static constexpr std::uint32_t frame_bytes = 100;
    FlowTable table;
};

TEST_F(FlowTableTest, WantsNothingWhenEmpty) {
    EXPECT_TRUE(table.empty());
    EXPECT_EQ(table.size(), 0U);
    EXPECT_EQ(verdict(udp(1, 2)), Verdict::unmatched);
    EXPECT_EQ(verdict(FrameKey{}), Verdict::unmatched);
}

TEST_F(FlowTableTest, SteersToTheRuleThatMatches) {
    add(to_port(1000), qp1);
    add(to_port(2000), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
    EXPECT_EQ(steer(udp(1, 2000)), (Targets{{qp2, 0}}));
    EXPECT_EQ(verdict(udp(1, 2000)), Verdict::deliver);
    EXPECT_EQ(verdict(udp(1, 3000)), Verdict::unmatched);
}

TEST_F(FlowTableTest, SteersEverythingToARuleWithoutSpecs) {
    add(FlowAttr{}, qp1);
    EXPECT_EQ(steer(FrameKey{}), (Targets{{qp1, 0}}));
    EXPECT_EQ(steer(udp(1, 2)), (Targets{{qp1, 0}}));
}

TEST_F(FlowTableTest, ReportsTheTagOfTheRule) {
    add(tagging(77, to_port(1000)), qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 77}}));
}

TEST_F(FlowTableTest, TriesLowerPriorityNumbersFirst) {
    add(to_port(1000, 2), qp1);
    add(from_port(1, 1), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
    EXPECT_EQ(steer(udp(2, 1000)), (Targets{{qp1, 0}}));
}

TEST_F(FlowTableTest, TriesOlderRulesFirstWithinAPriority) {
    const auto first = add(to_port(1000), qp1);
    add(from_port(1), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
    table.remove(first);
    add(to_port(1000), qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
}

TEST_F(FlowTableTest, SharesTheFrameBetweenLikeRules) {
    add(to_port(1000), qp1);
    add(from_port(1), qp3);
    add(tagging(5, to_port(1000)), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}, {qp2, 5}}));
}

TEST_F(FlowTableTest, DoesNotShareTheFrameAcrossPriorities) {
    add(to_port(1000, 1), qp1);
    add(to_port(1000, 0), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
}

TEST_F(FlowTableTest, KeepsTheAgeOfARuleThatShared) {
    const auto first = add(to_port(1000), qp1);
    add(from_port(1), qp2);
    add(to_port(1000), qp3);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}, {qp3, 0}}));
    table.remove(first);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
}

TEST_F(FlowTableTest, GivesACopyToDontTrapAndGoesOn) {
    add(copying(to_port(1000)), qp1);
    add(from_port(1), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}, {qp2, 0}}));
    EXPECT_EQ(steer(udp(2, 1000)), (Targets{{qp1, 0}}));
}

TEST_F(FlowTableTest, GivesNoCopyBehindTheRuleThatTook) {
    add(to_port(1000), qp1);
    add(copying(to_port(1000, 1)), qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
}

TEST_F(FlowTableTest, CountsADontTrapMatchAsSteered) {
    add(copying(to_port(1000)), qp1);
    add(all_default, qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
    EXPECT_EQ(steer(udp(1, 1001)), (Targets{{qp2, 0}}));
}

TEST_F(FlowTableTest, DropsWhatADropRuleMatches) {
    add(dropping(to_port(1000)), qp1);
    add(from_port(1, 1), qp2);
    add(all_default, qp3);
    EXPECT_EQ(verdict(udp(1, 1000)), Verdict::drop);
    EXPECT_EQ(steer(udp(1, 1001)), (Targets{{qp2, 0}}));
    EXPECT_EQ(steer(udp(2, 1001)), (Targets{{qp3, 0}}));
}

TEST_F(FlowTableTest, DeliversWhatWasCopiedBeforeTheDrop) {
    add(copying(from_port(1)), qp1);
    add(dropping(to_port(1000, 1)), qp2);
    EXPECT_EQ(verdict(udp(1, 1000)), Verdict::deliver);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
    EXPECT_EQ(verdict(udp(2, 1000)), Verdict::drop);
    add(sniffer, qp3);
    EXPECT_EQ(steer(udp(2, 1000)), (Targets{{qp3, 0}}));
}

TEST_F(FlowTableTest, LetsTheOlderOfADropAndALikeRuleDecide) {
    add(to_port(1000), qp1);
    add(dropping(to_port(1000)), qp2);
    add(to_port(1000), qp3);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}, {qp3, 0}}));
    add(dropping(to_port(2000)), qp2);
    add(to_port(2000), qp1);
    EXPECT_EQ(verdict(udp(1, 2000)), Verdict::drop);
}

TEST_F(FlowTableTest, AlwaysGivesSniffersACopy) {
    add(sniffer, qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
    EXPECT_EQ(steer(FrameKey{}), (Targets{{qp1, 0}}));
    add(sniffer, qp2);
    add(to_port(1000), qp3);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}, {qp2, 0}, {qp3, 0}}));
}

TEST_F(FlowTableTest, DoesNotCountSniffersAsSteering) {
    add(sniffer, qp1);
    add(all_default, qp2);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}, {qp2, 0}}));
}

TEST_F(FlowTableTest, GivesMulticastDefaultsWhatNoRuleTook) {
    add(multicast_default, qp1);
    add(multicast_default, qp2);
    add(to_port(1000), qp3);
    EXPECT_EQ(steer(to(0x01)), (Targets{{qp1, 0}, {qp2, 0}}));
    EXPECT_EQ(steer(to(0xff)), (Targets{{qp1, 0}, {qp2, 0}}));
    EXPECT_EQ(verdict(to(0x02)), Verdict::unmatched);
    FrameKey key = udp(1, 1000);
    key.dst_mac[0] = 1;
    EXPECT_EQ(steer(key), (Targets{{qp3, 0}}));
}

TEST_F(FlowTableTest, GivesAllDefaultsWhatNothingElseTook) {
    add(all_default, qp1);
    add(all_default, qp2);
    EXPECT_EQ(steer(to(0x01)), (Targets{{qp1, 0}, {qp2, 0}}));
    EXPECT_EQ(steer(to(0x02)), (Targets{{qp1, 0}, {qp2, 0}}));
    add(multicast_default, qp3);
    EXPECT_EQ(steer(to(0x01)), (Targets{{qp3, 0}}));
    EXPECT_EQ(steer(to(0x02)), (Targets{{qp1, 0}, {qp2, 0}}));
}

TEST_F(FlowTableTest, GivesAQueuePairAFrameOnce) {
    add(copying(tagging(1, to_port(1000))), qp1);
    add(copying(tagging(2, from_port(1))), qp1);
    add(tagging(3, FlowAttr{}), qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 1}}));
    EXPECT_EQ(steer(udp(1, 1001)), (Targets{{qp1, 2}}));
    EXPECT_EQ(steer(udp(2, 1001)), (Targets{{qp1, 3}}));
    add(sniffer, qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
}

TEST_F(FlowTableTest, GivesAQueuePairWithTwoLikeRulesTheFrameOnce) {
    add(tagging(1, to_port(1000)), qp1);
    add(tagging(2, to_port(1000)), qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 1}}));
}

TEST_F(FlowTableTest, KeepsTheSameFlowUntilItsLastIsRemoved) {
    for (const FlowAttr& match : {to_port(1000), copying(to_port(1000)), sniffer, all_default}) {
        const auto first = add(match, qp1);
        const auto second = add(match, qp1);
        EXPECT_EQ(table.size(), 2U);
        EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
        EXPECT_TRUE(table.remove(first));
        EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
        EXPECT_TRUE(table.remove(second));
        EXPECT_EQ(steer(udp(1, 1000)), Targets{});
    }
}

TEST_F(FlowTableTest, RemovesOneFlow) {
    const auto first = add(to_port(1000), qp1);
    const auto second = add(to_port(1000), qp2);
    EXPECT_NE(first, second);
    EXPECT_TRUE(table.remove(first));
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
    EXPECT_FALSE(table.remove(first));
    EXPECT_TRUE(table.remove(second));
    EXPECT_TRUE(table.empty());
    EXPECT_EQ(verdict(udp(1, 1000)), Verdict::unmatched);
}

TEST_F(FlowTableTest, RemovesAllFlowsOfAQueuePair) {
    add(to_port(1000), qp1);
    add(sniffer, qp1);
    add(all_default, qp1);
    add(from_port(1, 1), qp2);
    table.remove_all(qp1);
    EXPECT_EQ(table.size(), 1U);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
    EXPECT_EQ(verdict(udp(2, 1000)), Verdict::unmatched);
    table.remove_all(qp3);
    EXPECT_EQ(table.size(), 1U);
}

TEST_F(FlowTableTest, ReportsAllMatchesInForce) {
    std::vector<const FlowMatch*> matches{nullptr};
    table.matches(matches);
    EXPECT_TRUE(matches.empty());
    add(to_port(1000, 3), qp1);
    add(sniffer, qp2);
    table.matches(matches);
    ASSERT_EQ(matches.size(), 2U);
    EXPECT_EQ(matches[0]->type, IBV_FLOW_ATTR_SNIFFER);
    EXPECT_EQ(matches[1]->priority, 3);
    EXPECT_TRUE(matches[1]->matches(udp(1, 1000)));
}

/// Changes that no frame has seen yet.
class ChangedFlowsTest : public FlowTableTest {
protected:
    /// As an offered frame, before anything is steered.
    Targets find(const FrameKey& key) {
        std::span<const Target> targets;
        table.find_targets(key, targets);
        return {targets.begin(), targets.end()};
    }
};

TEST_F(ChangedFlowsTest, AreInForceForTheFirstFrame) {
    EXPECT_EQ(find(udp(1, 1000)), Targets{});
    const auto first = add(to_port(1000), qp1);
    EXPECT_EQ(find(udp(1, 1000)), (Targets{{qp1, 0}}));
    add(to_port(1000), qp2);
    EXPECT_EQ(find(udp(1, 1000)), (Targets{{qp1, 0}, {qp2, 0}}));
    EXPECT_TRUE(table.remove(first));
    EXPECT_EQ(find(udp(1, 1000)), (Targets{{qp2, 0}}));
    table.remove_all(qp2);
    EXPECT_EQ(find(udp(1, 1000)), Targets{});
    EXPECT_EQ(verdict(udp(1, 1000)), Verdict::unmatched);
}

TEST_F(ChangedFlowsTest, AddUpWithoutAFrameInBetween) {
    std::vector<FlowTable::Handle> handles;
    for (unsigned i = 0; i < 20; ++i) handles.push_back(add(tagging(i, to_port(1000 + i % 10, 1)), queue_pair(1 + i)));
    for (unsigned i = 0; i < 20; i += 3) EXPECT_TRUE(table.remove(handles[i]));
    table.remove_all(queue_pair(2));
    const auto late = add(tagging(50, from_port(1, 0)), queue_pair(50));
    EXPECT_FALSE(table.remove(handles[0]));
    EXPECT_EQ(steer(udp(1, 1002)), (Targets{{queue_pair(50), 50}}));
    EXPECT_TRUE(table.remove(late));
    add(tagging(60, to_port(1002, 1)), queue_pair(60));
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{queue_pair(11), 10}}));
    EXPECT_EQ(steer(udp(1, 1001)), (Targets{{queue_pair(12), 11}}));
    EXPECT_EQ(steer(udp(1, 1002)), (Targets{{queue_pair(3), 2}, {queue_pair(60), 60}}));
    EXPECT_EQ(steer(udp(1, 1005)), (Targets{{queue_pair(6), 5}}));
}

/// The order of making counts, not that of numbers or places.
TEST_F(ChangedFlowsTest, KeepTheirOrderWhenOthersGo) {
    const auto first = add(from_port(1), qp1);
    add(to_port(1000), qp2);
    add(from_port(1), qp3);
    EXPECT_TRUE(table.remove(first));
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
    add(from_port(1), qp1);
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp2, 0}}));
    EXPECT_EQ(steer(udp(1, 2000)), (Targets{{qp3, 0}, {qp1, 0}}));
}

TEST_F(ChangedFlowsTest, AreLookedAtForFragmentsAtOnce) {
    FrameKey fragment = udp(0, 0);
    fragment.flags = FrameKey::is_ipv4 | FrameKey::is_fragment;
    EXPECT_FALSE(table.misses(fragment));
    const auto flow = add(to_port(1000), qp1);
    EXPECT_TRUE(table.misses(fragment));
    EXPECT_TRUE(table.remove(flow));
    EXPECT_FALSE(table.misses(fragment));
}

TEST_F(ChangedFlowsTest, CountFromTheFirstFrameAndNoLonger) {
    Counters counters{nullptr};
    const auto flow = add(to_port(7).add(count_spec(&counters)), qp1);
    find(udp(1, 7));
    EXPECT_EQ(counters.packets(), 0U);
    steer(udp(1, 7));
    EXPECT_EQ(counters.packets(), 1U);
    EXPECT_TRUE(table.remove(flow));
    steer(udp(1, 7));
    EXPECT_EQ(counters.packets(), 1U);
}

/// The bytes of udp(), as parse_frame() reads them.
std::vector<std::uint8_t> udp_frame(unsigned src_port, unsigned dst_port) {
    std::vector<std::uint8_t> frame(60);
    const FrameKey key = udp(src_port, dst_port);
    frame[0] = 2;
    frame[12] = 8;
    frame[14] = 0x45;
    frame[17] = 46;
    frame[23] = 17;
    std::memcpy(&frame[34], &key.src_port, 2);
    std::memcpy(&frame[36], &key.dst_port, 2);
    EXPECT_EQ(parse_frame(frame), key);
    return frame;
}

class RecallTest : public FlowTableTest {
protected:
    /// Steers it and remembers where to, if that is one target. Whether it is recalled then.
    bool is_remembered(unsigned dst_port) {
        const auto frame = udp_frame(1, dst_port);
        std::span<const Target> targets;
        const Verdict verdict = table.steer(udp(1, dst_port), frame_bytes, targets);
        if (verdict == Verdict::deliver && targets.size() == 1) table.remember(frame, targets[0], nullptr);
        const KnownFrames::Known* const known = table.recall(frame);
        EXPECT_TRUE(known == nullptr || (targets.size() == 1 && known->queue_pair == targets[0].queue_pair &&
                                         known->tag == targets[0].tag));
        return known != nullptr;
    }
};

TEST_F(RecallTest, KnowsWhoAloneGetsAFrame) {
    add(tagging(5, to_port(7)), qp1);
    add(to_port(8), qp2);
    add(all_default, qp3);
    EXPECT_TRUE(is_remembered(7));
    EXPECT_TRUE(is_remembered(8));
    EXPECT_TRUE(is_remembered(9));
    add(to_port(10), qp2);
    for (const unsigned port : {7U, 8U, 9U, 10U}) EXPECT_FALSE(table.recall(udp_frame(1, port))) << "flows changed";
    EXPECT_TRUE(is_remembered(7));
    table.remove_all(qp1);
    EXPECT_FALSE(table.recall(udp_frame(1, 7)));
}

TEST_F(RecallTest, IsForgottenByEveryChange) {
    add(to_port(7), qp1);
    const auto other = add(to_port(8), qp2);
    EXPECT_TRUE(is_remembered(7));
    EXPECT_TRUE(table.remove(other));
    EXPECT_FALSE(table.recall(udp_frame(1, 7)));
    const auto back = add(to_port(8), qp2);  // a second change without a frame in between
    EXPECT_FALSE(table.recall(udp_frame(1, 7)));
    EXPECT_TRUE(is_remembered(7));
    table.remove_all(qp2);
    EXPECT_FALSE(table.recall(udp_frame(1, 7)));
    EXPECT_TRUE(is_remembered(7));
    EXPECT_FALSE(table.remove(back));
    table.remove_all(qp2);
    EXPECT_TRUE(table.recall(udp_frame(1, 7))) << "nothing has changed";
}

/// Found for an offered frame, which is steered later.
TEST_F(RecallTest, ComesAfterAFindThatCompiles) {
    add(to_port(7), qp1);
    std::span<const Target> targets;
    table.find_targets(udp(1, 7), targets);
    EXPECT_TRUE(is_remembered(7));
    add(from_port(1, 0), qp2);
    table.find_targets(udp(1, 7), targets);
    EXPECT_FALSE(table.recall(udp_frame(1, 7)));
}

TEST_F(RecallTest, IsNotForFramesThatAreCounted) {
    Counters counters{nullptr};
    add(to_port(7).add(count_spec(&counters)), qp1);
    add(to_port(8), qp1);
    for (int frame = 1; frame <= 3; ++frame) {
        EXPECT_FALSE(is_remembered(7));
        EXPECT_EQ(counters.packets(), static_cast<std::uint64_t>(frame));
    }
    EXPECT_TRUE(is_remembered(8));
    EXPECT_FALSE(table.recall(udp_frame(1, 7)));
}

TEST_F(RecallTest, IsNotForFramesThatSeveralGet) {
    add(copying(to_port(7)), qp1);
    add(to_port(7), qp1);
    add(to_port(8), qp1);
    add(to_port(8), qp2);
    EXPECT_FALSE(is_remembered(7)) << "a copy to the one that takes it";
    EXPECT_FALSE(is_remembered(8));
    add(sniffer, qp3);
    EXPECT_FALSE(is_remembered(9)) << "only sniffed";
}

/// Rules on the same bits, enough of them to be hashed.
class ManyRulesTest : public FlowTableTest {
protected:
    static constexpr unsigned count = 300;

    void SetUp() override {
        for (unsigned i = 0; i < count; ++i)
            handles.push_back(add(tagging(i, to_port(1000 + i, 1)), queue_pair(1 + i % 7)));
    }

    Targets rule(unsigned i) { return {{queue_pair(1 + i % 7), i}}; }

    std::vector<FlowTable::Handle> handles;
};

TEST_F(ManyRulesTest, AreEachFound) {
    for (unsigned i = 0; i < count; ++i) EXPECT_EQ(steer(udp(1, 1000 + i)), rule(i));
    EXPECT_EQ(verdict(udp(1, 999)), Verdict::unmatched);
    EXPECT_EQ(verdict(udp(1, 1000 + count)), Verdict::unmatched);
}

TEST_F(ManyRulesTest, AreNoLongerFoundWhenRemoved) {
    for (unsigned i = 0; i < count; i += 2) EXPECT_TRUE(table.remove(handles[i]));
    for (unsigned i = 0; i < count; ++i) EXPECT_EQ(steer(udp(1, 1000 + i)), i % 2 == 0 ? Targets{} : rule(i));
}

TEST_F(ManyRulesTest, KeepTheirPlaceAmongOtherRules) {
    add(from_port(1, 0), qp1);
    add(from_port(2, 1), qp2);
    add(from_port(3, 2), qp3);
    add(copying(from_port(4, 0)), queue_pair(20));
    add(copying(from_port(5, 2)), queue_pair(20));
    EXPECT_EQ(steer(udp(1, 1000)), (Targets{{qp1, 0}}));
    EXPECT_EQ(steer(udp(2, 1000)), rule(0));
    EXPECT_EQ(steer(udp(2, 999)), (Targets{{qp2, 0}}));
    EXPECT_EQ(steer(udp(3, 1000)), rule(0));
    EXPECT_EQ(steer(udp(3, 999)), (Targets{{qp3, 0}}));
    EXPECT_EQ(steer(udp(4, 1000)), (Targets{{queue_pair(20), 0}, rule(0)[0]}));
    EXPECT_EQ(steer(udp(5, 1000)), rule(0));
}

TEST_F(ManyRulesTest, KeepTheirPlaceAmongThoseOnOtherBits) {
    for (unsigned i = 0; i < count; ++i) add(from_port(1000 + i, static_cast<std::uint16_t>(i % 3)), qp1);
    EXPECT_EQ(steer(udp(1000, 1005)), (Targets{{qp1, 0}}));
    EXPECT_EQ(steer(udp(1001, 1005)), rule(5));
    EXPECT_EQ(steer(udp(1002, 1005)), rule(5));
    EXPECT_EQ(steer(udp(1002, 1)), (Targets{{qp1, 0}}));
}

TEST_F(ManyRulesTest, ShareDropAndHideAsFewDo) {
    add(to_port(1001, 1), queue_pair(20));
    add(dropping(to_port(1002, 0)), queue_pair(20));
    add(dropping(to_port(1003, 2)), queue_pair(20));
    EXPECT_EQ(steer(udp(1, 1001)), (Targets{rule(1)[0], {queue_pair(20), 0}}));
    EXPECT_EQ(verdict(udp(1, 1002)), Verdict::drop);
    EXPECT_EQ(steer(udp(1, 1003)), rule(3));
}

TEST(Steering, AgreesWithTheReferenceOnRandomScripts) {
    std::mt19937 random{20240607};
    std::uniform_int_distribution<int> byte{0, 255};
    std::uniform_int_distribution<std::size_t> length{1, 1000};
    for (int script = 0; script < 500; ++script) {
        std::vector<std::uint8_t> input(length(random));
        for (std::uint8_t& each : input) each = static_cast<std::uint8_t>(byte(random));
        ASSERT_EQ(compare_steering(input), "") << "script " << script;
    }
}

}  // namespace
