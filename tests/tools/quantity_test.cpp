// SPDX-License-Identifier: Apache-2.0
#include "base/quantity.hpp"

#include <gtest/gtest.h>

#include "base/record.hpp"

namespace tool {
namespace {

TEST(ToolQuantity, HasTheUnitThatFits) {
    EXPECT_EQ(bits_per_second(0), "0 b/s");
    EXPECT_EQ(bits_per_second(512), "512 b/s");
    EXPECT_EQ(bits_per_second(999.6), "1.00 kb/s");
    EXPECT_EQ(bits_per_second(9.876e9), "9.88 Gb/s");
    EXPECT_EQ(bits_per_second(99.96e9), "100 Gb/s");
    EXPECT_EQ(bits_per_second(4e14), "400 Tb/s");
    EXPECT_EQ(packets_per_second(10), "10 pps");
    EXPECT_EQ(packets_per_second(0.25), "0.25 pps");
    EXPECT_EQ(packets_per_second(1.488e7), "14.9 Mpps");
    EXPECT_EQ(time(0), "0 ns");
    EXPECT_EQ(time(850), "850 ns");
    EXPECT_EQ(time(12'345), "12.3 us");
    EXPECT_EQ(time(3.6e12), "3600 s");
    EXPECT_EQ(bytes(64), "64 B");
    EXPECT_EQ(bytes(1536), "1.50 KiB");
}

TEST(ToolQuantity, NeverRoundsALossAway) {
    EXPECT_EQ(percent(0, 10), "0 %");
    EXPECT_EQ(percent(1, 3), "33.3 %");
    EXPECT_EQ(percent(10, 10), "100 %");
    EXPECT_EQ(percent(1, 1e12), "1e-06 %");
    EXPECT_NE(percent(1e12 - 1, 1e12), "100 %");
    EXPECT_EQ(percent(1, 0), "0 %");
}

TEST(ToolRecord, IsJson) {
    Record record;
    record.set("flag", true).set("packets", 3u).set("offset", -2).set("rate", 1.5).set("name", "a\"b\\\n");
    record.set("none", 1.0 / 0.0).set("buckets", std::vector<std::uint64_t>{1, 2});
    record.set("flows", std::vector{Record{}.set("flow", "x").set("lost", 1), Record{}});
    EXPECT_EQ(record.to_json(),
              R"({"flag": true, "packets": 3, "offset": -2, "rate": 1.5, "name": "a\"b\\\u000a", "none": null, )"
              R"("buckets": [1, 2], "flows": [{"flow": "x", "lost": 1}, {}]})");
}

TEST(ToolRecord, IsMetrics) {
    Record record;
    record.set("flag", true).set("name", "unseen").set("none", 1.0 / 0.0);
    record.set("flow",
               std::vector{Record{}.set("name", "a\"b").set("lost", 1), Record{}.set("name", "c").set("lost", 0)});
    std::string text;
    record.add_metrics(text, "p");
    EXPECT_EQ(text,
              "# TYPE p_flag gauge\np_flag 1\n# TYPE p_none gauge\np_none NaN\n"
              "# TYPE p_flow_lost gauge\np_flow_lost{name=\"a\\\"b\"} 1\np_flow_lost{name=\"c\"} 0\n");
}

}  // namespace
}  // namespace tool
