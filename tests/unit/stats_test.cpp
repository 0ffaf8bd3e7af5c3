// SPDX-License-Identifier: Apache-2.0
// Stats: counters, summed and as text.
#include <gtest/gtest.h>

#include <pktverbs/counters/stats.hpp>
#include <pktverbs/format.hpp>

namespace pktverbs {
namespace {

Stats every_counter(std::uint64_t base) {
    Stats stats;
    stats.recv_packets = base + 1;
    stats.recv_bytes = base + 2;
    stats.recv_errors[IBV_WC_LOC_LEN_ERR] = base + 3;
    stats.sent_packets = base + 4;
    stats.sent_bytes = base + 5;
    stats.send_errors[IBV_WC_TM_RNDV_INCOMPLETE] = base + 6;
    stats.empty_wakeups = base + 7;
    stats.starvations = base + 8;
    stats.refused_posts = base + 9;
    stats.largest_batch = static_cast<std::uint32_t>(base + 10);
    stats.posted_now = static_cast<std::uint32_t>(base + 11);
    stats.in_flight = static_cast<std::uint32_t>(base + 12);
    stats.drops = {.out_of_buffer = base + 13,
                   .unmatched = base + 14,
                   .fragments = base + 19,
                   .by_rule = base + 15,
                   .not_ready = base + 16,
                   .oversize = base + 17,
                   .link = base + 18,
                   .unsent = base + 20};
    return stats;
}

constexpr const char* zeros = "recv_packets 0 recv_bytes 0 sent_packets 0 sent_bytes 0 posted_now 0 in_flight 0";

TEST(Stats, AddsEveryCounter) {
    auto sum = every_counter(0);
    sum += every_counter(100);
    EXPECT_EQ(sum.recv_packets, 102u);
    EXPECT_EQ(sum.recv_bytes, 104u);
    EXPECT_EQ(sum.recv_errors[IBV_WC_LOC_LEN_ERR], 106u);
    EXPECT_EQ(sum.recv_errors[IBV_WC_TM_RNDV_INCOMPLETE], 0u);
    EXPECT_EQ(sum.sent_packets, 108u);
    EXPECT_EQ(sum.sent_bytes, 110u);
    EXPECT_EQ(sum.send_errors[IBV_WC_TM_RNDV_INCOMPLETE], 112u);
    EXPECT_EQ(sum.empty_wakeups, 114u);
    EXPECT_EQ(sum.starvations, 116u);
    EXPECT_EQ(sum.refused_posts, 118u);
    EXPECT_EQ(sum.posted_now, 122u);
    EXPECT_EQ(sum.in_flight, 124u);
    EXPECT_EQ(sum.drops.out_of_buffer, 126u);
    EXPECT_EQ(sum.drops.unmatched, 128u);
    EXPECT_EQ(sum.drops.by_rule, 130u);
    EXPECT_EQ(sum.drops.not_ready, 132u);
    EXPECT_EQ(sum.drops.oversize, 134u);
    EXPECT_EQ(sum.drops.link, 136u);
    EXPECT_EQ(sum.drops.fragments, 138u);
    EXPECT_EQ(sum.drops.unsent, 140u);
}

TEST(Stats, KeepsTheLargerBatch) {
    auto small = every_counter(0);
    auto large = every_counter(100);
    EXPECT_EQ((small += large).largest_batch, 110u);
    EXPECT_EQ((large += every_counter(0)).largest_batch, 110u);
}

TEST(Stats, AddsNothingToNothing) {
    Stats stats;
    stats += Stats{};
    EXPECT_EQ(stats.to_string(), zeros);
}

TEST(Stats, LeavesOutWhatIsZeroWhenAllIsWell) { EXPECT_EQ(Stats{}.to_string(), zeros); }

TEST(Stats, ShowsEveryCounterThatIsNotZero) {
    EXPECT_EQ(every_counter(0).to_string(),
              "recv_packets 1 recv_bytes 2 sent_packets 4 sent_bytes 5 posted_now 11 in_flight 12 largest_batch 10 "
              "empty_wakeups 7 starvations 8 refused_posts 9 recv_errors.LOC_LEN_ERR 3 "
              "send_errors.TM_RNDV_INCOMPLETE 6 drops.out_of_buffer 13 drops.unmatched 14 drops.fragments 19 "
              "drops.by_rule 15 drops.not_ready 16 drops.oversize 17 drops.link 18 drops.unsent 20");
}

TEST(Stats, NamesEveryErrorStatus) {
    Stats stats;
    for (std::size_t i = 0; i < stats.recv_errors.size(); ++i) stats.recv_errors[i] = i;
    const auto text = stats.to_string();
    EXPECT_EQ(text.find("SUCCESS"), text.npos);
    const auto contains = [&](std::string_view words) { return text.find(words) != text.npos; };
    EXPECT_TRUE(contains(fmt::format(" recv_errors.WR_FLUSH_ERR {}", int{IBV_WC_WR_FLUSH_ERR})));
    EXPECT_TRUE(contains(fmt::format(" recv_errors.RNR_RETRY_EXC_ERR {}", int{IBV_WC_RNR_RETRY_EXC_ERR})));
    EXPECT_TRUE(contains(fmt::format(" recv_errors.FATAL_ERR {}", int{IBV_WC_FATAL_ERR})));
    EXPECT_TRUE(contains(fmt::format(" recv_errors.TM_ERR {}", int{IBV_WC_TM_ERR})));
}

TEST(Stats, FormatsWithWidth) {
    EXPECT_EQ(fmt::format("{}", Stats{}), zeros);
    EXPECT_EQ(fmt::format("{:>82}", Stats{}), fmt::format("  {}", zeros));
}

}  // namespace
}  // namespace pktverbs
