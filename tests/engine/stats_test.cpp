// SPDX-License-Identifier: Apache-2.0
// Counters: each counts what its name says.

#include <atomic>
#include <thread>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/format.hpp>

#include "faulty_ops.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using Counters = Receiving;

TEST_F(Counters, StartAtZero) {
    const Stats stats = ctx.stats();
    EXPECT_EQ(stats.to_string(), "recv_packets 0 recv_bytes 0 sent_packets 0 sent_bytes 0 posted_now 16 in_flight 0");
}

TEST_F(Counters, CountPacketsAndBytesOfBothSides) {
    world.send(frame(0, 100));
    world.send(frame(0, 60));
    ctx.recv(0ns);
    SendList list = ctx.acquire(3);
    for (SendPkt& pkt : list) fill(pkt, 0, 200);
    ctx.send(std::move(list));
    ctx.flush(0ns);
    EXPECT_EQ(fmt::to_string(ctx.stats()),
              "recv_packets 2 recv_bytes 160 sent_packets 3 sent_bytes 600 posted_now 16 in_flight 0 largest_batch 2");
}

TEST_F(Counters, ReportTheLargestBatch) {
    for (const std::uint32_t count : {1U, 5U, 3U}) {
        plant(count);
        ctx.recv(0ns);
    }
    EXPECT_EQ(ctx.stats().largest_batch, 5u);
}

TEST_F(Counters, ReportStarvations) {
    for (std::uint64_t turn = 1; turn <= 3; ++turn) {
        plant(16);
        std::vector<RecvList> held;
        while (held.empty() || !held.back().empty()) held.push_back(ctx.recv(0ns));
        EXPECT_EQ(ctx.stats().starvations, turn);
    }
    plant(8);
    ctx.recv(0ns);
    EXPECT_EQ(ctx.stats().starvations, 3u);
}

TEST_F(Counters, ReportErrorsByStatus) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    plant(2);
    world.send(frame(0, 300));
    std::vector<RecvList> held;
    while (ctx.stats().posted_now != 0) held.push_back(ctx.recv(0ns));  // packets that end here would be flushed again
    const Stats stats = ctx.stats();
    EXPECT_EQ(stats.recv_packets, 2u);
    EXPECT_EQ(stats.recv_errors[IBV_WC_SUCCESS], 0u);
    EXPECT_EQ(stats.recv_errors[IBV_WC_LOC_LEN_ERR], 1u);
    EXPECT_EQ(stats.recv_errors[IBV_WC_WR_FLUSH_ERR], 13u);
    EXPECT_NE(stats.to_string().find("recv_errors.LOC_LEN_ERR 1 recv_errors.WR_FLUSH_ERR 13"), std::string::npos);
}

TEST_F(Counters, ReportDropsByReason) {
    if (datagrams) GTEST_SKIP() << "datagrams are not steered by flows";
    flow.remove();
    plant(2);
    const Flow drop = ctx.install(FlowRule{}.drop());
    plant(3);
    const Flow all = ctx.install(FlowRule{}.ether_type(0x88b5));
    world.send(frame(0, 9000 + 14 + 9));
    plant(20);
    const auto drops = ctx.stats().drops;
    EXPECT_EQ(drops.unmatched, 2u);
    EXPECT_EQ(drops.by_rule + drops.out_of_buffer, 3u + 20u - (16u - ctx.stats().posted_now));
    EXPECT_EQ(drops.oversize, 1u);
}

TEST_F(Counters, AreSumsOverTheQueues) {
    Context two = open(with_queues(2));
    const Flow one = hear(two, 0), other = hear(two, 1);
    plant(4);
    EXPECT_EQ(two.recv(0ns).size() + two.recv(0ns).size(), 8u);
    EXPECT_EQ(two.queue(0).stats().recv_packets, 4u);
    EXPECT_EQ(two.stats().recv_packets, 8u);
    EXPECT_EQ(two.stats().recv_bytes, 8u * 64);
    EXPECT_EQ(two.stats().largest_batch, 4u);
    EXPECT_EQ(two.stats().posted_now, 32u);
}

TEST_F(Counters, StayThroughRecover) {
    plant(3);
    ctx.recv(0ns);
    ctx.queue(0).recover();
    EXPECT_EQ(ctx.stats().recv_packets, 3u);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(Counters, OfDropsStartWithTheContext) {
    if (datagrams) GTEST_SKIP() << "datagrams are not steered by flows";
    flow.remove();
    plant(5);
    EXPECT_EQ(ctx.stats().drops.unmatched, 5u);
    EXPECT_EQ(open().stats().drops.total(), 0u);
}

TEST_F(Counters, MayBeReadByAnyThread) {
    std::atomic<bool> done{false};
    std::thread reader{[&] {
        std::uint64_t last = 0;
        while (!done) {
            const Stats stats = ctx.stats();
            EXPECT_GE(stats.recv_packets, last);
            EXPECT_LE(stats.posted_now, 16u);
            last = stats.recv_packets;
        }
    }};
    for (std::uint32_t turn = 0; turn < 500; ++turn) {
        plant(2);
        ctx.recv(0ns);
        ctx.send(filled(ctx.acquire(2), turn));
    }
    done = true;
    reader.join();
    EXPECT_EQ(ctx.stats().recv_packets, 1000u);
}

}  // namespace
}  // namespace pktverbs::testing
