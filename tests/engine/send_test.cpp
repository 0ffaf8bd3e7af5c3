// SPDX-License-Identifier: Apache-2.0
// Sending: acquiring, posting, completing.
#include <algorithm>
#include <future>
#include <optional>
#include <stdexcept>

#include "faulty_ops.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

class Send : public Wired {
protected:
    Context ctx = open();
    Queue& queue = ctx.queue(0);
};

std::vector<SendPkt*> pointers(const SendList& list) {
    std::vector<SendPkt*> all;
    for (SendPkt& pkt : list) all.push_back(&pkt);
    return all;
}

TEST_F(Send, PutsTheFramesOnTheWireInOrder) {
    const SendList left = ctx.send(filled(ctx.acquire(5), 10));
    EXPECT_TRUE(left.empty());
    EXPECT_EQ(left.error(), 0);
    EXPECT_EQ(numbers(world.receive()), (Numbers{10, 11, 12, 13, 14}));
}

TEST_F(Send, PutsExactlyTheBytesOnTheWire) {
    for (const std::size_t bytes : {18U, 63U, 64U, 65U, 255U, 256U}) {
        SendList list = ctx.acquire(1);
        fill(list.front(), 9, bytes);
        ctx.send(std::move(list));
        EXPECT_EQ(world.receive(), std::vector<Bytes>{frame(9, bytes)});
    }
}

TEST_F(Send, OfAnEmptyListPostsNothing) {
    FaultyOps ops{ctx};
    EXPECT_TRUE(ctx.send({}).empty());
    EXPECT_TRUE(ctx.send(ctx.acquire(0)).empty());
    EXPECT_EQ(ops.send_posts, 0);
}

TEST_F(Send, RingsOneDoorbellForAList) {
    FaultyOps ops{ctx};
    ctx.send(filled(ctx.acquire(8), 0));
    EXPECT_EQ(ops.send_posts, 1);
}

TEST_F(Send, AcquireGivesUpToWhatThereIs) {
    const SendList five = ctx.acquire(5), rest = ctx.acquire(100), none_left = ctx.acquire(1);
    EXPECT_EQ(five.size(), 5u);
    EXPECT_EQ(rest.size(), 3u);
    EXPECT_TRUE(none_left.empty());
    EXPECT_TRUE(ctx.acquire(std::numeric_limits<std::size_t>::max()).empty());
}

TEST_F(Send, AcquireFromContextThatOnlyReceivesGivesNothing) {
    Options options = small;
    options.send_packets = none;
    Context receiver = open(options);
    EXPECT_TRUE(receiver.acquire(1).empty());
    EXPECT_TRUE(receiver.acquire(1, no_timeout).empty());
    EXPECT_TRUE(receiver.send({}).empty());
    EXPECT_TRUE(receiver.flush(no_timeout));
}

TEST_F(Send, PostedPacketIsNotAcquirableUntilItsCompletion) {
    FaultyOps ops{ctx};
    ops.withheld = queue.raw_send_cq();
    ctx.send(filled(ctx.acquire(6), 0));
    EXPECT_EQ(ctx.stats().in_flight, 6u);
    EXPECT_EQ(ctx.acquire(8).size(), 2u);
    ops.withheld = nullptr;
    EXPECT_EQ(ctx.acquire(8).size(), 8u);
    EXPECT_EQ(ctx.stats().in_flight, 0u);
}

TEST_F(Send, AcquireWithTimeoutGivesWhatThereIsInTheEnd) {
    FaultyOps ops{ctx};
    ops.withheld = queue.raw_send_cq();
    ctx.send(filled(ctx.acquire(6), 0));
    EXPECT_EQ(ctx.acquire(8, 1ms).size(), 2u);
    EXPECT_EQ(ctx.acquire(2, no_timeout).size(), 2u);
    EXPECT_EQ(ctx.acquire(8, -1s).size(), 2u);
}

TEST_F(Send, AcquireWithTimeoutTakesNoMoreThanThereAre) { EXPECT_EQ(ctx.acquire(100, no_timeout).size(), 8u); }

TEST_F(Send, AcquireWithTimeoutWaitsForCompletions) {
    if (datagrams) GTEST_SKIP() << "SoftRoCE does not send what a drained queue took";
    // A queue that is drained (SQD) takes work requests and sends them when it is ready again.
    ibv_qp_attr attr{};
    const auto go = [&](ibv_qp_state state) {
        attr.qp_state = state;
        ASSERT_EQ(ctx.device().provider->modify_qp(queue.raw(), &attr, IBV_QP_STATE), 0);
    };
    go(IBV_QPS_SQD);
    ctx.send(filled(ctx.acquire(8), 0));
    EXPECT_TRUE(world.receive().empty());
    EXPECT_FALSE(ctx.flush(1ms));
    auto waiting = std::async(std::launch::async, [&] { return ctx.acquire(8, no_timeout).size(); });
    go(IBV_QPS_RTS);
    EXPECT_EQ(waiting.get(), 8u);
    EXPECT_EQ(world.receive().size(), 8u);
}

TEST_F(Send, FlushWaitsUntilNothingIsInFlight) {
    EXPECT_TRUE(ctx.flush(0ns));
    FaultyOps ops{ctx};
    ops.withheld = queue.raw_send_cq();
    ctx.send(filled(ctx.acquire(3), 0));
    EXPECT_FALSE(ctx.flush(0ns));
    EXPECT_FALSE(ctx.flush(1ms));
    ops.withheld = nullptr;
    EXPECT_TRUE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.stats().in_flight, 0u);
    EXPECT_EQ(ctx.stats().sent_packets, 3u);
    EXPECT_EQ(ctx.stats().sent_bytes, 192u);
}

TEST_F(Send, LengthIsBoundByTheBuffer) {
    SendList list = ctx.acquire(1);
    SendPkt& pkt = list.front();
    EXPECT_EQ(pkt.buffer().size(), 256u);
    EXPECT_EQ(pkt.length(), 0u);
    pkt.set_length(256);
    try {
        pkt.set_length(257);
        ADD_FAILURE();
    } catch (const std::length_error& error) {
        EXPECT_STREQ(error.what(), "cannot set a packet's length to 257 bytes: its buffer has 256 bytes");
    }
    EXPECT_THROW(pkt.set_length(std::numeric_limits<std::size_t>::max()), std::length_error);
    EXPECT_THROW(pkt.set_length((std::size_t{1} << 32) + 64), std::length_error);
    EXPECT_EQ(pkt.bytes().size(), 256u);
    EXPECT_EQ(pkt.buffer().size(), 256u);
}

TEST_F(Send, ShortPacketInTheMiddleComesBackWithTheRest) {
    if (datagrams) GTEST_SKIP() << "a datagram may have any length";
    SendList list = filled(ctx.acquire(5), 0);
    const auto pkts = pointers(list);
    pkts[2]->set_length(13);
    SendList left = ctx.send(std::move(list));
    EXPECT_EQ(left.error(), EMSGSIZE);
    EXPECT_EQ(pointers(left), (std::vector{pkts[2], pkts[3], pkts[4]}));
    EXPECT_EQ(numbers(world.receive()), (Numbers{0, 1}));
    pkts[2]->set_length(14);
    left = ctx.send(std::move(left));
    EXPECT_TRUE(left.empty());
    EXPECT_EQ(left.error(), 0);
    EXPECT_EQ(world.receive().size(), 3u);
    EXPECT_TRUE(ctx.flush(0ns));
    EXPECT_EQ(ctx.stats().sent_packets, 5u);
    EXPECT_EQ(ctx.stats().sent_bytes, 64u * 4 + 14);
}

TEST_F(Send, PacketThatNeverGotALengthIsRefused) {
    if (datagrams) GTEST_SKIP() << "a datagram may have any length";
    const SendList left = ctx.send(ctx.acquire(1));
    EXPECT_EQ(left.size(), 1u);
    EXPECT_EQ(left.error(), EMSGSIZE);
    EXPECT_EQ(ctx.stats().in_flight, 0u);
}

TEST_F(Send, ShortPacketIsNoRefusalOfTheDevice) {
    if (datagrams) GTEST_SKIP() << "a datagram may have any length";
    SendList list = filled(ctx.acquire(2), 0);
    pointers(list)[1]->set_length(0);
    ctx.send(ctx.send(std::move(list)));
    EXPECT_EQ(ctx.stats().refused_posts, 0u);
}

TEST_F(Send, PacketsOfAnotherContextComeBack) {
    Context other = open();
    SendList theirs = filled(other.acquire(2), 0);
    const auto pkts = pointers(theirs);
    theirs = ctx.send(std::move(theirs));
    EXPECT_EQ(theirs.error(), EINVAL);
    EXPECT_EQ(pointers(theirs), pkts);
    EXPECT_TRUE(world.receive().empty());
    EXPECT_TRUE(other.send(std::move(theirs)).empty());
    EXPECT_EQ(world.receive().size(), 2u);
}

TEST_F(Send, WhatTheDeviceRefusesComesBackInOrder) {
    SendList list = filled(ctx.acquire(6), 0);
    const auto pkts = pointers(list);
    FaultyOps ops{ctx};
    ops.send_takes = 2;
    ops.error = ENOMEM;
    SendList left = ctx.send(std::move(list));
    EXPECT_EQ(left.error(), ENOMEM);
    EXPECT_EQ(pointers(left), std::vector(pkts.begin() + 2, pkts.end()));
    EXPECT_EQ(ctx.stats().refused_posts, 4u);
    EXPECT_EQ(ctx.stats().in_flight, 2u);
    ops.send_takes = FaultyOps::always;
    EXPECT_TRUE(ctx.send(std::move(left)).empty());
    EXPECT_EQ(numbers(world.receive()), (Numbers{0, 1, 2, 3, 4, 5}));
    EXPECT_TRUE(ctx.flush(0ns));
    EXPECT_EQ(ctx.stats().sent_packets, 6u);
    EXPECT_EQ(ctx.stats().sent_bytes, 384u);
}

TEST_F(Send, AllRefusedComesBackWhole) {
    FaultyOps ops{ctx};
    ops.send_takes = 0;
    const SendList left = ctx.send(filled(ctx.acquire(3), 0));
    EXPECT_EQ(left.size(), 3u);
    EXPECT_EQ(left.error(), EIO);
    EXPECT_EQ(ctx.stats().in_flight, 0u);
    EXPECT_EQ(ctx.acquire(8).size(), 5u);
}

TEST_F(Send, RefusalBeforeAShortPacketKeepsBothInOrder) {
    if (datagrams) GTEST_SKIP() << "a datagram may have any length";
    SendList list = filled(ctx.acquire(6), 0);
    const auto pkts = pointers(list);
    pkts[4]->set_length(1);
    FaultyOps ops{ctx};
    ops.send_takes = 1;
    const SendList left = ctx.send(std::move(list));
    EXPECT_EQ(left.error(), EIO);
    EXPECT_EQ(pointers(left), std::vector(pkts.begin() + 1, pkts.end()));
    EXPECT_EQ(left.size(), 5u);
}

TEST_F(Send, UnsentPacketsReturnToTheFreeOnes) {
    ctx.acquire(8);
    EXPECT_EQ(ctx.acquire(8).size(), 8u);
    SendList list = ctx.acquire(8);
    list.cancel();
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(ctx.acquire(8).size(), 8u);
    EXPECT_EQ(ctx.stats().sent_packets, 0u);
}

TEST_F(Send, BufferKeepsItsContentAndLengthBetweenUses) {
    SendPkt* pkt;
    {
        SendList list = filled(ctx.acquire(1), 5);
        pkt = &list.front();
        ctx.send(std::move(list));
        ctx.flush(0ns);
    }
    const SendList again = ctx.acquire(1);
    ASSERT_EQ(&again.front(), pkt);
    EXPECT_EQ(pkt->length(), 64u);
    EXPECT_EQ(number_of(pkt->bytes()), 5u);
}

TEST_F(Send, UsesTheMostRecentlyFreedFirst) {
    SendList first = ctx.acquire(1), second = ctx.acquire(1);
    const SendPkt *one = &first.front(), *two = &second.front();
    second.cancel();
    first.cancel();
    const SendList again = ctx.acquire(2);
    EXPECT_EQ(&again.front(), one);
    EXPECT_EQ(&*std::next(again.begin()), two);
}

TEST_F(Send, ManyTurnsLoseNoPacket) {
    std::uint32_t sent = 0;
    for (int turn = 0; turn < 1000; ++turn) {
        SendList list = filled(ctx.acquire(static_cast<std::size_t>(turn % 9)), sent);
        sent += static_cast<std::uint32_t>(list.size());
        ASSERT_TRUE(ctx.send(std::move(list)).empty());
    }
    const auto arrived = numbers(world.receive());
    ASSERT_EQ(arrived.size(), sent);
    EXPECT_TRUE(std::ranges::is_sorted(arrived));
    EXPECT_EQ(ctx.acquire(100).size(), 8u);
    EXPECT_EQ(ctx.stats().sent_packets, sent);
}

/// How many of eight packets of one list ask for a completion.
class Signalling : public Wired, public ::testing::WithParamInterface<std::pair<std::uint32_t, std::uint32_t>> {};

TEST_P(Signalling, OneCompletionForSoManyPacketsAndOneForTheLast) {
    Options options = small;
    options.signal_every = GetParam().first;
    Context ctx = open(options);
    SendList list = filled(ctx.acquire(7), 0);
    const auto pkts = pointers(list);
    ctx.send(std::move(list));
    const auto signalled =
        std::ranges::count_if(pkts, [](SendPkt* pkt) { return (pkt->raw()->send_flags & IBV_SEND_SIGNALED) != 0; });
    EXPECT_EQ(static_cast<std::uint32_t>(signalled), GetParam().second);
    EXPECT_EQ(pkts.back()->raw()->send_flags & IBV_SEND_SIGNALED, unsigned{IBV_SEND_SIGNALED});
    EXPECT_TRUE(ctx.flush(0ns));
    EXPECT_EQ(ctx.stats().sent_packets, 7u);
    EXPECT_EQ(ctx.acquire(8).size(), 8u);
}
INSTANTIATE_TEST_SUITE_P(Send, Signalling,
                         ::testing::Values(std::pair{0U, 4U}, std::pair{1U, 7U}, std::pair{2U, 4U}, std::pair{3U, 3U},
                                           std::pair{7U, 1U}, std::pair{8U, 1U}, std::pair{1000U, 1U}));

TEST_F(Wired, SendChoosesSignallingByItself) {
    EXPECT_EQ(open().limits().signal_every, 2u);
    EXPECT_EQ(open({.send_packets = 256, .recv_packets = 16}).limits().signal_every, 16u);
    EXPECT_EQ(open({.send_packets = 1, .recv_packets = 16}).limits().signal_every, 1u);
}

TEST_F(Wired, SendInlinesShortFramesOnly) {
    Options options = small;
    options.max_inline = 64;
    Context ctx = open(options);
    ASSERT_GE(ctx.limits().max_inline, 64u);
    const std::size_t most = ctx.limits().max_inline;
    SendList list = ctx.acquire(2);
    const auto pkts = pointers(list);
    fill(*pkts[0], 0, most);
    fill(*pkts[1], 1, most + 1);
    ctx.send(std::move(list));
    EXPECT_NE(pkts[0]->raw()->send_flags & IBV_SEND_INLINE, 0u);
    EXPECT_EQ(pkts[1]->raw()->send_flags & IBV_SEND_INLINE, 0u);
    EXPECT_EQ(world.receive(), (std::vector<Bytes>{frame(0, most), frame(1, most + 1)}));
    EXPECT_EQ(open().limits().max_inline, 0u);
}

TEST_F(Wired, SendErrorIsCountedAndThePacketComesBack) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    Context ctx{"wire:" + name + "?mtu=128", small};
    SendList list = filled(ctx.acquire(4), 0);
    fill(*pointers(list)[1], 1, 200);  // longer than the port's MTU
    ctx.send(std::move(list));
    EXPECT_TRUE(ctx.flush(0ns));
    EXPECT_EQ(ctx.stats().sent_packets, 1u);
    EXPECT_EQ(ctx.stats().sent_bytes, 64u);
    EXPECT_EQ(ctx.stats().send_errors[IBV_WC_LOC_LEN_ERR], 1u);
    EXPECT_EQ(ctx.stats().send_errors[IBV_WC_WR_FLUSH_ERR], 2u);
    EXPECT_TRUE(ctx.queue(0).in_error());
    EXPECT_EQ(ctx.acquire(8).size(), 8u);
    EXPECT_EQ(numbers(world.receive()), Numbers{0});
}

}  // namespace
}  // namespace pktverbs::testing
