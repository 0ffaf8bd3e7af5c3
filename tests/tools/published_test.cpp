// SPDX-License-Identifier: Apache-2.0
// What a program publishes, as another reads it: nothing in it is believed.
#include "top/published.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "base/publication.hpp"

namespace {

using tool::parse_published;

const std::string head = "pktverbs-status 1 7 1234 sink 2.500\n";

TEST(Published, HasNumbersByKey) {
    const auto published = parse_published(head +
                                           "# TYPE pktverbs_sink_packets gauge\npktverbs_sink_packets 12\n"
                                           "pktverbs_sink_bytes 1.2e3\npktverbs_sink_lost_packets 3\n"
                                           "pktverbs_sink_failed_packets 0\n");
    ASSERT_TRUE(published);
    EXPECT_EQ(published->process, 7);
    EXPECT_EQ(published->start, 1234U);
    EXPECT_EQ(published->subcommand, "sink");
    EXPECT_DOUBLE_EQ(published->seconds, 2.5);
    EXPECT_EQ(published->packets(), 12);
    EXPECT_EQ(published->bytes(), 1200);
    EXPECT_EQ(published->lost(), 3);
    EXPECT_EQ(published->losses(), "lost_packets 3");
}

TEST(Published, AddsWhatHasLabels) {
    const auto published = parse_published(
        "pktverbs-status 1 7 1 bridge 1\npktverbs_bridge_ports_lost_link{device=\"a b\"} 2\n"
        "pktverbs_bridge_ports_lost_link{device=\"c} 9\"} 3\n");
    ASSERT_TRUE(published);
    EXPECT_EQ(published->losses(), "ports_lost_link 5");
    EXPECT_FALSE(published->packets());
    EXPECT_FALSE(published->lost());
}

TEST(Published, IsNoneWithAnotherHead) {
    for (const char* const text : {"", "\n", "pktverbs-status", "pktverbs-status 2 7 1234 sink 2\n",
                                   "pktverbs-status 1 -7 1234 sink 2\n", "pktverbs-status 1 7 x sink 2\n",
                                   "pktverbs-status 1 7 1234 si\x1b[Jnk 2\n", "pktverbs-status 1 7 1234 sink nan\n",
                                   "pktverbs-status 1 7 1234 sink -1\n", "pktverbs-status 1 7 1234 sink 2 3\n",
                                   "pktverbs-status 1 7 1234  2\n", "pktverbs-status 1 99999999999 1234 sink 2\n"})
        EXPECT_FALSE(parse_published(text)) << text;
}

TEST(Published, LeavesOutWhatIsNoNumberOrKey) {
    const auto published = parse_published(head +
                                           "pktverbs_sink_packets nan\npktverbs_sink_bytes 1e30\n"
                                           "pktverbs_sink_lost -1\npktverbs_gen_lost 1\npktverbs_sink_\x1b 1\n"
                                           "pktverbs_sink_lost\npktverbs_sink_ 1\n");
    ASSERT_TRUE(published);
    EXPECT_TRUE(published->metrics.empty());
}

TEST(Published, IsFoundWhileItsPublicationLives) {
    const auto own = [] {
        for (const auto& published : tool::list_published())
            if (published.process == ::getpid()) return published.metric("packets");
        return std::optional<double>{-1};
    };
    EXPECT_EQ(own(), -1);
    {
        tool::Publication publication{"gen"};
        EXPECT_EQ(own(), std::nullopt);
        publication.set(1, "pktverbs_gen_packets 5\n");
        EXPECT_EQ(own(), 5);
    }
    EXPECT_EQ(own(), -1);
}

}  // namespace
