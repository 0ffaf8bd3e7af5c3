// SPDX-License-Identifier: Apache-2.0
// Flows that count: all frames that matched, wherever they went.
#include "../../common/faulty_provider.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

class FlowCounts : public Wired {
protected:
    Context ctx = open(with_queues(2));
    const FlowRule rule = FlowRule{}.ether_type(0x88b5).count();
};

void expect_count(const Flow& flow, std::uint64_t packets, std::uint64_t bytes) {
    const auto count = flow.count();
    ASSERT_TRUE(count);
    EXPECT_EQ(count->packets, packets);
    EXPECT_EQ(count->bytes, bytes);
}

TEST_F(FlowCounts, StartAtZero) { expect_count(ctx.install(rule), 0, 0); }

TEST_F(FlowCounts, CountWhatMatches) {
    const Flow flow = ctx.install(rule);
    world.send(frame(0, 60));
    world.send(frame(1, 100));
    Bytes other = frame(2);
    other[12] = 0x08;
    world.send(other);
    expect_count(flow, 2, 160);
}

TEST_F(FlowCounts, CountWhatFindsNoBuffer) {
    const Flow flow = ctx.install(rule);
    plant(20);
    EXPECT_EQ(ctx.stats().drops.out_of_buffer, 4u);
    expect_count(flow, 20, 20 * 64);
}

TEST_F(FlowCounts, CountWhatADropRuleDrops) {
    const Flow flow = ctx.install(FlowRule{rule}.drop());
    plant(3);
    EXPECT_EQ(ctx.stats().drops.by_rule, 3u);
    expect_count(flow, 3, 192);
}

TEST_F(FlowCounts, AreAbsentUnlessAskedFor) {
    const Flow flow = hear(ctx);
    plant();
    EXPECT_FALSE(flow.count());
    EXPECT_FALSE(Flow{}.count());
    EXPECT_TRUE(ctx.counters().flows.empty());
}

TEST_F(FlowCounts, EndWithTheFlow) {
    Flow flow = ctx.install(rule);
    flow.remove();
    EXPECT_FALSE(flow.count());
    Flow outlives = ctx.install(rule);
    ctx.close();
    EXPECT_FALSE(outlives.count());
}

TEST_F(FlowCounts, AreInTheSnapshotWithTheirQueue) {
    const Flow one = ctx.install(rule, 1);
    const Flow other = ctx.install(FlowRule{}.ether_type(0x0800).count(), 0);
    plant(5);
    const Counters counters = ctx.counters();
    ASSERT_EQ(counters.flows.size(), 2u);
    EXPECT_EQ(counters.flows[0].rule, "ether_type 0x88b5 count");
    EXPECT_EQ(counters.flows[0].queues, std::vector<std::size_t>{1});
    EXPECT_EQ(counters.flows[0].count.packets, 5u);
    EXPECT_EQ(counters.flows[1].queues, std::vector<std::size_t>{0});
    EXPECT_EQ(counters.flows[1].count.packets, 0u);
    EXPECT_LT(counters.flows[0].id, counters.flows[1].id);
}

TEST_F(FlowCounts, BeginAnewInASlotThatIsToCount) {
    ctx.set_flow(0, FlowRule{}.ether_type(0x88b5));
    plant(2);
    EXPECT_TRUE(ctx.counters().flows.empty());
    ctx.set_flow(0, rule);
    plant(3);
    ASSERT_EQ(ctx.counters().flows.size(), 1u);
    EXPECT_EQ(ctx.counters().flows[0].count.packets, 3u);
    ctx.set_flow(0, rule);  // the same rule: left alone
    EXPECT_EQ(ctx.counters().flows[0].count.packets, 3u);
    EXPECT_EQ(ctx.recv(0ns).size() + ctx.recv(0ns).size(), 5u);
}

TEST_F(FlowCounts, AreForNormalRulesOnly) {
    for (const FlowRule& odd :
         {FlowRule{}.sniffer().count(), FlowRule{}.all_default().count(), FlowRule{}.multicast_default().count()}) {
        try {
            const Flow flow = ctx.install(odd);
            ADD_FAILURE() << odd.to_string();
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code().value(), EINVAL);
            EXPECT_NE(std::string{error.what()}.find("takes no actions, but there is count"), std::string::npos);
        }
    }
}

TEST_F(FlowCounts, MakeASnapshotOfAllQueues) {
    const Flow flow = ctx.install(rule, 1);
    plant(2);
    EXPECT_EQ(ctx.recv(0ns).size(), 2u);
    const Counters counters = ctx.counters();
    EXPECT_EQ(counters.device, "wire:" + name);
    ASSERT_EQ(counters.queues.size(), 2u);
    EXPECT_EQ(counters.queues[0].recv_packets, 0u);
    EXPECT_EQ(counters.queues[1].recv_packets, 2u);
    EXPECT_EQ(counters.sum().to_string(), ctx.stats().to_string());
    EXPECT_TRUE(counters.interface.empty());
}

TEST_F(FlowCounts, CountRulesWithRss) {
    Options options = with_queues(2);
    options.rss = Rss{};
    Context rss = open(options);
    const Flow all = rss.install(FlowRule{}.ipv4().count());
    const Flow one = rss.install(FlowRule{}.ipv6().count(), 1);
    const Counters counters = rss.counters();
    ASSERT_EQ(counters.flows.size(), 2u);
    EXPECT_EQ(counters.flows[0].queues, (std::vector<std::size_t>{0, 1}));
    EXPECT_EQ(counters.flows[1].queues, std::vector<std::size_t>{1});
}

/// Whichever verb fails, the rule is not installed, nothing is left over, and the errno is the verb's.
TEST(FlowCountFailures, LeaveNothingBehind) {
    FaultyProvider provider;
    Context ctx{provider.device("FlowCountFailures"), small};
    soft::WireTap world{"FlowCountFailures"};
    const std::size_t before = provider.living.size();
    provider.fail(0, 0);
    { const Flow flow = ctx.install(FlowRule{}.count()); }
    const int verbs = provider.calls;
    EXPECT_EQ(verbs, 4);
    for (int nth = 1; nth <= verbs; ++nth) {
        provider.fail(nth, EOPNOTSUPP);
        try {
            const Flow flow = ctx.install(FlowRule{}.count());
            ADD_FAILURE() << nth;
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code().value(), EOPNOTSUPP);
            if (provider.failed_verb != "create_flow") {
                EXPECT_NE(std::string{error.what()}.find("install the rule without count()"), std::string::npos);
            }
        }
        EXPECT_EQ(provider.living.size(), before) << provider.failed_verb;
    }
    world.send(frame(1));
    EXPECT_EQ(ctx.stats().drops.unmatched, 1u);
}

TEST(FlowCountFailures, AreReportedByTheReader) {
    FaultyProvider provider;
    Context ctx{provider.device("FlowCountFailures"), small};
    const Flow flow = ctx.install(FlowRule{}.count());
    provider.fail(1, EIO);
    try {
        static_cast<void>(flow.count());
        ADD_FAILURE();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EIO);
        EXPECT_NE(std::string{error.what()}.find("cannot read the counters of a flow on wire:"), std::string::npos);
    }
    EXPECT_TRUE(flow.count());  // and the next time, it works
}

}  // namespace
}  // namespace pktverbs::testing
