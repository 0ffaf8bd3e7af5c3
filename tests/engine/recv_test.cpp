// SPDX-License-Identifier: Apache-2.0
// Receiving: what recv returns, in which order, and how many packets.
#include <algorithm>

#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using Recv = Receiving;

TEST_F(Recv, GivesEmptyListWhenNothingArrived) {
    const RecvList list = ctx.recv(0ns);
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0u);
    EXPECT_EQ(list.outcome(), Outcome::timeout);
}

TEST_F(Recv, GivesExactlyTheBytesSent) {
    for (const std::size_t bytes : {14U, 18U, 63U, 64U, 65U, 255U, 256U}) {
        const Bytes sent = frame(7, std::max(bytes, min_frame));
        world.send(std::span{sent}.first(bytes));
        const RecvList list = ctx.recv(0ns);
        ASSERT_EQ(list.size(), 1u) << bytes;
        EXPECT_TRUE(std::ranges::equal(list.front().bytes(), std::span{sent}.first(bytes)));
        EXPECT_EQ(list.front().length(), bytes);
        EXPECT_TRUE(list.front().ok());
        EXPECT_EQ(list.outcome(), Outcome::packets);
    }
}

TEST_F(Recv, KeepsTheOrderOfArrival) {
    plant(5);
    EXPECT_EQ(numbers(ctx.recv(0ns)), (Numbers{0, 1, 2, 3, 4}));
}

TEST_F(Recv, KeepsTheOrderOverManyTurnsOfTheRing) {
    std::uint32_t next = 0;
    for (std::uint32_t turn = 0; turn < 100; ++turn) {
        plant(7, turn * 7);
        while (next != (turn + 1) * 7)
            for (const RecvPkt& pkt : ctx.recv(0ns)) ASSERT_EQ(number_of(pkt.bytes()), next++);
    }
}

TEST_F(Recv, TakesAtMostHalfOfWhatIsPosted) {
    plant(16);
    EXPECT_EQ(ctx.limits().max_batch, 8u);
    const RecvList first = ctx.recv(0ns), second = ctx.recv(0ns), third = ctx.recv(0ns);
    EXPECT_EQ(first.size(), 8u);
    EXPECT_EQ(second.size(), 4u);
    EXPECT_EQ(third.size(), 2u);
    EXPECT_EQ(ctx.stats().posted_now, 2u);
}

TEST_F(Recv, GivesTheLastPostedPacketToo) {
    plant(16);
    std::vector<RecvList> held;
    while (held.empty() || !held.back().empty()) held.push_back(ctx.recv(0ns));
    EXPECT_EQ(ctx.stats().posted_now, 0u);
    EXPECT_EQ(ctx.stats().starvations, 1u);
    EXPECT_EQ(ctx.stats().recv_packets, 16u);
}

TEST_F(Wired, RecvTakesUpToAnExplicitMaxBatch) {
    Options options = small;
    options.max_batch = 13;
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    plant(16);
    EXPECT_EQ(ctx.limits().max_batch, 13u);
    EXPECT_EQ(ctx.recv(0ns).size(), 13u);
    EXPECT_EQ(ctx.recv(0ns).size(), 3u);
}

TEST_F(Wired, RecvTakesMoreThanOnePollGives) {
    Context ctx = open({.send_packets = none, .recv_packets = 1024, .max_packet_size = 64, .max_batch = 1000});
    const Flow flow = hear(ctx);
    plant(200);
    const RecvList list = ctx.recv(0ns);
    ASSERT_EQ(list.size(), 200u);
    EXPECT_EQ(number_of(list.front().bytes()), 0u);
    EXPECT_EQ(ctx.stats().largest_batch, 200u);
}

TEST_F(Recv, LosesFramesOnlyWhenNothingIsPosted) {
    if (datagrams) GTEST_SKIP() << "SoftRoCE does not count what it drops";
    plant(20);
    EXPECT_EQ(ctx.stats().drops.out_of_buffer, 4u);
    EXPECT_EQ(numbers(ctx.recv(0ns)), (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(Recv, BodyMayGiveItsPacketAway) {
    plant(3);
    RecvList list = ctx.recv(0ns), kept;
    std::size_t seen = 0;
    for ([[maybe_unused]] RecvPkt& pkt : list) {
        ++seen;
        kept.append(list.pop_front());  // relinks the packet at which the loop is
    }
    EXPECT_EQ(seen, 3u);
    EXPECT_EQ(numbers(kept), (Numbers{0, 1, 2}));
    EXPECT_TRUE(list.empty());
}

TEST_F(Recv, TooLongFrameIsVisibleOnItsPacket) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    plant(1);
    world.send(frame(1, 257));
    const RecvList list = ctx.recv(0ns);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_TRUE(list.front().ok());
    const RecvPkt& failed = *std::next(list.begin());
    EXPECT_EQ(failed.status(), IBV_WC_LOC_LEN_ERR);
    EXPECT_FALSE(failed.ok());
    EXPECT_TRUE(failed.bytes().empty());
    EXPECT_EQ(ctx.stats().recv_errors[IBV_WC_LOC_LEN_ERR], 1u);
    EXPECT_EQ(ctx.stats().recv_packets, 1u);
    EXPECT_EQ(ctx.stats().recv_bytes, 64u);
}

TEST_F(Recv, ReportsQueueInErrorInsteadOfWaiting) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    world.send(frame(0, 300));
    EXPECT_EQ(ctx.recv(no_timeout).size(), 1u);
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::queue_error);
    EXPECT_EQ(ctx.recv(0ns).outcome(), Outcome::queue_error);
    EXPECT_TRUE(ctx.queue(0).in_error());
    EXPECT_EQ(to_string(ctx.recv().outcome()), "queue error");
}

TEST_F(Wired, RecvGivesTimestampsThatDoNotGoBack) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    Context ctx = open(with_timestamps(small));
    const Flow flow = hear(ctx);
    ASSERT_TRUE(ctx.limits().timestamps);
    plant(8);
    auto last = 0ns;
    for (const RecvPkt& pkt : ctx.recv(0ns)) {
        EXPECT_GE(pkt.timestamp(), last);
        EXPECT_GT(pkt.timestamp(), 0ns);
        last = pkt.timestamp();
    }
}

TEST_F(Recv, GivesNoTimestampUnlessAsked) {
    plant();
    EXPECT_FALSE(ctx.limits().timestamps);
    EXPECT_EQ(ctx.recv(0ns).front().timestamp(), 0ns);
}

TEST_F(Wired, RecvLeavesNoStaleNewsOnFailedPackets) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    for (const bool timestamps : {false, true}) {
        Options options = small;
        options.recv_packets = 1;
        options.timestamps = timestamps;
        Context ctx = open(options);
        const Flow flow = ctx.install(FlowRule{}.tag(77));
        plant();
        EXPECT_EQ(ctx.recv(0ns).front().flow_tag(), timestamps ? 77u : 0u);
        world.send(frame(0, 300));  // into the same, only packet
        const RecvList list = ctx.recv(0ns);
        ASSERT_EQ(list.size(), 1u);
        EXPECT_EQ(list.front().status(), IBV_WC_LOC_LEN_ERR);
        EXPECT_EQ(list.front().timestamp(), 0ns);
        EXPECT_EQ(list.front().flow_tag(), 0u);
        EXPECT_EQ(list.front().length(), 0u);
        EXPECT_FALSE(list.front().checksum_ok());
    }
}

TEST_F(Wired, RecvOfContextThatOnlySendsGivesNothing) {
    for (const std::uint32_t queues : {1U, 2U}) {
        Options options = with_queues(queues);
        options.recv_packets = none;
        Context ctx = open(options);
        EXPECT_TRUE(ctx.recv(0ns).empty());
        EXPECT_TRUE(ctx.recv(1ms).empty());
        EXPECT_TRUE(ctx.arm());
        EXPECT_EQ(ctx.fd(), -1);
        ctx.drain();
    }
}

TEST_F(Wired, RecvReturnsNothingBeforeAFlowIsInstalled) {
    if (datagrams) GTEST_SKIP() << "datagrams are not steered by flows";
    Context ctx = open();
    plant(3);
    EXPECT_TRUE(ctx.recv(0ns).empty());
    EXPECT_EQ(ctx.stats().drops.unmatched, 3u);
}

}  // namespace
}  // namespace pktverbs::testing
