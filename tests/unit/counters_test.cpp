// SPDX-License-Identifier: Apache-2.0
// Counters: all counters in all forms, and the table that they come from.

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/format.hpp>

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "counters/stats_fields.hpp"

namespace pktverbs {
namespace {

bool contains(std::string_view text, std::string_view words) { return text.find(words) != text.npos; }

Counters example_counters() {
    Counters counters;
    counters.device = "wire:x";
    counters.queues.resize(2);
    counters.queues[0].recv_packets = 3;
    counters.queues[0].recv_bytes = 180;
    counters.queues[0].posted_now = 16;
    counters.queues[1].recv_errors[IBV_WC_LOC_LEN_ERR] = 2;
    counters.queues[1].largest_batch = 4;
    counters.drops.unmatched = 7;
    counters.flows.push_back({.id = 1, .rule = "udp dst_port 7148 count", .queues = {1}, .count = {10, 640}});
    counters.interface.push_back({"driver", "rx_discards_phy", 5});
    return counters;
}

TEST(StatsFields, HaveNamesOfTheirOwn) {
    std::set<std::string_view> names;
    for (const StatsField& field : stats_fields) EXPECT_TRUE(names.insert(field.name).second) << field.name;
    for (const DropField& drop : drop_fields) EXPECT_TRUE(names.insert(drop.reason).second) << drop.reason;
}

/// OpenMetrics, "Unit": the name of a family ends with its unit.
TEST(StatsFields, EndWithTheirUnits) {
    for (const StatsField& field : stats_fields) EXPECT_TRUE(field.name.ends_with(field.unit)) << field.name;
}

TEST(StatsFields, ReachEveryNumber) {
    Stats stats;
    std::size_t numbers = 0;
    for (const StatsField& field : stats_fields)
        visit_numbers(field, stats, [&](std::string_view, std::uint64_t) { ++numbers; });
    EXPECT_EQ(numbers, 10u + 2 * (stats.recv_errors.size() - 1) + 8);
}

TEST(Counters, AddUp) {
    const Stats sum = example_counters().sum();
    EXPECT_EQ(sum.recv_packets, 3u);
    EXPECT_EQ(sum.recv_errors[IBV_WC_LOC_LEN_ERR], 2u);
    EXPECT_EQ(sum.drops.unmatched, 7u);
    EXPECT_EQ(sum.largest_batch, 4u);
}

TEST(Counters, AreText) {
    EXPECT_EQ(fmt::to_string(example_counters()),
              "wire:x: recv_packets 3 recv_bytes 180 sent_packets 0 sent_bytes 0 posted_now 16 in_flight 0 "
              "largest_batch 4 recv_errors.LOC_LEN_ERR 2 drops.unmatched 7\n"
              "queue 0: recv_packets 3 recv_bytes 180 sent_packets 0 sent_bytes 0 posted_now 16 in_flight 0\n"
              "queue 1: recv_packets 0 recv_bytes 0 sent_packets 0 sent_bytes 0 posted_now 0 in_flight 0 "
              "largest_batch 4 recv_errors.LOC_LEN_ERR 2\n"
              "flow 1 (udp dst_port 7148 count): packets 10 bytes 640\n"
              "interface: driver.rx_discards_phy 5");
}

TEST(Counters, AreJson) {
    Counters one = example_counters();
    one.queues.pop_back();
    one.flows[0].queues = {0, 2};
    EXPECT_EQ(one.to_json(),
              R"({"device": "wire:x", "queues": [{"recv_packets": 3, "recv_bytes": 180, "sent_packets": 0, )"
              R"("sent_bytes": 0, "posted_now": 16, "in_flight": 0, "largest_batch": 0, "empty_wakeups": 0, )"
              R"("starvations": 0, "refused_posts": 0, "recv_errors": {}, "send_errors": {}}], )"
              R"("drops": {"out_of_buffer": 0, "unmatched": 7, "fragments": 0, "by_rule": 0, "not_ready": 0, )"
              R"("oversize": 0, "link": 0, "unsent": 0}, )"
              R"("flows": [{"flow": 1, "rule": "udp dst_port 7148 count", "queues": [0, 2], "packets": 10, )"
              R"("bytes": 640}], "interface": [{"source": "driver", "name": "rx_discards_phy", "value": 5}]})");
    EXPECT_EQ(Counters{}.to_json().find("\"queues\": []") != std::string::npos, true);
}

TEST(Counters, OfAQueueAreJson) {
    Stats stats;
    stats.send_errors[IBV_WC_WR_FLUSH_ERR] = 4;
    stats.send_errors[IBV_WC_LOC_QP_OP_ERR] = 1;
    stats.drops.link = 9;
    const std::string json = to_json(stats);
    EXPECT_TRUE(contains(json, R"("send_errors": {"LOC_QP_OP_ERR": 1, "WR_FLUSH_ERR": 4}, "drops": {)")) << json;
    EXPECT_TRUE(contains(json, R"("link": 9, "unsent": 0}})")) << json;
}

TEST(OpenMetrics, HasAFamilyForEachCounter) {
    const std::string text = to_openmetrics(example_counters());
    for (const StatsField& field : stats_fields) {
        if (field.name == "drops") continue;
        EXPECT_TRUE(contains(text, fmt::format("# TYPE pktverbs_{} ", field.name))) << field.name;
    }
    EXPECT_TRUE(contains(text,
                         "# TYPE pktverbs_recv_bytes counter\n"
                         "# UNIT pktverbs_recv_bytes bytes\n"
                         "# HELP pktverbs_recv_bytes Bytes of whole frames handed out.\n"
                         "pktverbs_recv_bytes_total{device=\"wire:x\",queue=\"0\"} 180\n"
                         "pktverbs_recv_bytes_total{device=\"wire:x\",queue=\"1\"} 0\n"))
        << text;
    EXPECT_TRUE(contains(text, "# TYPE pktverbs_posted_now gauge\n"));
    EXPECT_TRUE(contains(text, "\npktverbs_posted_now{device=\"wire:x\",queue=\"0\"} 16\n"));
    EXPECT_TRUE(
        contains(text, "\npktverbs_recv_errors_total{device=\"wire:x\",queue=\"1\",status=\"LOC_LEN_ERR\"} 2\n"));
    EXPECT_TRUE(contains(text, "\npktverbs_dropped_packets_total{device=\"wire:x\",reason=\"unmatched\"} 7\n"));
    EXPECT_TRUE(contains(text,
                         "\npktverbs_flow_packets_total{device=\"wire:x\",flow=\"1\",rule=\"udp dst_port 7148 "
                         "count\",queues=\"1\"} 10\n"));
    EXPECT_TRUE(contains(
        text, "\npktverbs_interface_events_total{device=\"wire:x\",source=\"driver\",name=\"rx_discards_phy\"} 5\n"));
    EXPECT_TRUE(text.ends_with("} 5\n# EOF\n"));
}

TEST(OpenMetrics, KeepsTheSamplesOfAFamilyTogether) {
    std::array<Counters, 2> both{example_counters(), example_counters()};
    both[1].device = "wire:y";
    const std::string text = to_openmetrics(both);
    EXPECT_TRUE(contains(text,
                         "pktverbs_sent_packets_total{device=\"wire:x\",queue=\"1\"} 0\n"
                         "pktverbs_sent_packets_total{device=\"wire:y\",queue=\"0\"} 0\n"));
    EXPECT_EQ(text.find("# TYPE pktverbs_sent_packets "), text.rfind("# TYPE pktverbs_sent_packets "));
    EXPECT_EQ(text.find("# EOF"), text.rfind("# EOF"));
}

TEST(OpenMetrics, DistinguishesContextsOnOneDevice) {
    const std::array<Counters, 3> same{example_counters(), example_counters(), example_counters()};
    const std::string text = to_openmetrics(same);
    std::set<std::string_view> lines;
    for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
        EXPECT_TRUE(lines.insert(rest.substr(0, rest.find('\n'))).second) << rest.substr(0, rest.find('\n'));
    EXPECT_TRUE(contains(text, "pktverbs_posted_now{device=\"wire:x\",context=\"3\",queue=\"0\"} 16\n"));
}

TEST(OpenMetrics, EscapesLabels) {
    Counters odd = example_counters();
    odd.device = "a\"b\\c\nd\xff";
    EXPECT_TRUE(contains(to_openmetrics(odd), R"(device="a\"b\\c\nd)"
                                              "\xef\xbf\xbd\""));
}

TEST(OpenMetrics, OfNothingIsOnlyMetadata) {
    const std::string text = to_openmetrics(std::span<const Counters>{});
    EXPECT_FALSE(contains(text, "_total"));
    EXPECT_TRUE(text.ends_with("# EOF\n"));
}

}  // namespace
}  // namespace pktverbs
