// SPDX-License-Identifier: Apache-2.0
// Datagrams: what a Context does with datagram queue pairs only.
#include <array>
#include <thread>

#include <pktverbs/datagram/datagrams.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/gid.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "expect_error.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

/// Two contexts on two devices.
class Pair : public ::testing::Test {
protected:
    static Context open(const char* device) {
        return Context{device, as_datagrams({.send_packets = 64, .recv_packets = 256, .max_packet_size = 4096})};
    }
    static SendList to(const Peer& peer, SendList list, std::uint32_t first = 0, std::size_t bytes = 64) {
        for (SendPkt& pkt : list) {
            pkt.set_peer(peer);
            fill(pkt, first++, bytes);
        }
        return list;
    }
    Context left = open("ibv:rxe0");
    Context right = open("ibv:rxe1");
};

TEST_F(Pair, ReportsTheSenderAndTheWayBack) {
    left.send(to(left.datagrams().peer(right.datagrams().endpoint()), left.acquire(1), 5));
    const RecvList list = right.recv(5s);
    ASSERT_EQ(list.size(), 1u);
    const RecvPkt& pkt = list.front();
    EXPECT_EQ(pkt.source_queue_pair(), left.datagrams().endpoint().queue_pair);
    ASSERT_NE(pkt.grh(), nullptr);
    right.send(to(right.datagrams().peer(pkt), right.acquire(1), 6));
    EXPECT_EQ(numbers(left.recv(5s)), Numbers{6});
}

TEST_F(Pair, CarriesAnythingFromNothingToTheMtu) {
    EXPECT_EQ(left.limits().max_packet_size, 4096u);
    const Peer peer = left.datagrams().peer(right.datagrams().endpoint());
    for (const std::size_t bytes : {0U, 1U, 40U, 41U, 64U, 1024U, 4095U, 4096U}) {
        SendList list = left.acquire(1);
        SendPkt& pkt = list.front();
        for (std::size_t i = 0; i < bytes; ++i) pkt.buffer()[i] = static_cast<std::uint8_t>(i * 7);
        pkt.set_length(bytes);
        pkt.set_peer(peer);
        const Bytes sent(pkt.bytes().begin(), pkt.bytes().end());
        ASSERT_TRUE(left.send(std::move(list)).empty());
        const RecvList got = right.recv(5s);
        ASSERT_EQ(got.size(), 1u) << bytes;
        EXPECT_TRUE(std::ranges::equal(got.front().bytes(), sent)) << bytes;
    }
    EXPECT_EQ(right.stats().recv_bytes, 0u + 1 + 40 + 41 + 64 + 1024 + 4095 + 4096);
}

TEST_F(Pair, GoesToItselfToo) {
    left.send(to(left.datagrams().peer(left.datagrams().endpoint()), left.acquire(2), 3));
    Numbers all;
    while (all.size() < 2) {
        const RecvList list = left.recv(5s);
        ASSERT_FALSE(list.empty());
        for (const std::uint32_t number : numbers(list)) all.push_back(number);
    }
    EXPECT_EQ(all, (Numbers{3, 4}));
}

TEST_F(Pair, DropsWhatHasAnotherKey) {
    verbs::Endpoint wrong = right.datagrams().endpoint();
    wrong.qkey ^= 1;
    left.send(to(left.datagrams().peer(wrong), left.acquire(1), 1));
    left.send(to(left.datagrams().peer(right.datagrams().endpoint()), left.acquire(1), 2));
    EXPECT_EQ(numbers(right.recv(5s)), Numbers{2});
}

TEST_F(Pair, ReachesAGroupOnceJoined) {
    const auto reaches = [&](const auto& group, std::uint32_t number) {
        left.send(to(left.datagrams().peer(group), left.acquire(1), number));
        left.send(to(left.datagrams().peer(right.datagrams().endpoint()), left.acquire(1), 1000));
        Numbers all;
        while (all.empty() || all.back() != 1000) {
            const RecvList list = right.recv(5s);
            EXPECT_FALSE(list.empty());
            if (list.empty()) break;
            for (const std::uint32_t one : numbers(list)) all.push_back(one);
        }
        return all.size() == 2 && all.front() == number;
    };
    const auto joins_and_leaves = [&](const auto& group) {
        EXPECT_FALSE(reaches(group, 1));
        right.datagrams().join(group);
        right.datagrams().join(group);
        EXPECT_TRUE(reaches(group, 2));
        right.datagrams().leave(group);
        right.datagrams().leave(group);
        EXPECT_FALSE(reaches(group, 3));
        right.datagrams().join(group);  // and the end of the context leaves it
    };
    joins_and_leaves(Ipv4Address{"239.18.2.1"});
    joins_and_leaves(Ipv6Address{"ff15::18:1"});
}

TEST_F(Pair, FindsTheWayToAnIpv6AddressToo) {
    verbs::Endpoint to_right = right.datagrams().endpoint();
    to_right.gid = Ipv6Address{"fd52::2"};
    left.send(to(left.datagrams().peer(to_right), left.acquire(1), 5));
    const RecvList list = right.recv(5s);
    ASSERT_EQ(numbers(list), Numbers{5});
    EXPECT_EQ(verbs::source_of(*list.front().grh()), Ipv6Address{"fd52::1"});
    right.send(to(right.datagrams().peer(list.front()), right.acquire(1), 6));
    EXPECT_EQ(numbers(left.recv(5s)), Numbers{6});
}

TEST_F(Pair, IsNoGroupUnlessItIsOne) {
    expect_words(expect_error(EINVAL, [&] { right.datagrams().join(Ipv4Address{"10.1.2.3"}); }),
                 {"10.1.2.3", "multicast"});
}

TEST_F(Pair, SendsNothingWithoutAPeer) {
    SendList list = left.acquire(2);
    for (SendPkt& pkt : list) pkt.set_length(10);
    list.front().set_peer(left.datagrams().peer(right.datagrams().endpoint()));
    const SendList refused = left.send(std::move(list));
    EXPECT_EQ(refused.error(), EDESTADDRREQ);
    EXPECT_EQ(refused.size(), 1u);
    EXPECT_EQ(right.recv(5s).size(), 1u);
}

TEST_F(Pair, HasNoFlows) {
    expect_words(expect_error(EOPNOTSUPP, [&] { (void)left.install(FlowRule{}); }),
                 {"cannot install a flow on rxe0/1", "endpoint()"});
}

TEST_F(Pair, TalksBothWaysAtOnce) {
    constexpr std::uint32_t count = 5000;
    const auto talk = [](Context& ctx, const verbs::Endpoint& other, const Context& there) {
        const Peer peer = ctx.datagrams().peer(other);
        std::uint32_t sent = 0, next = 0;
        while (next < count || sent < count) {
            if (sent < count && sent < there.stats().recv_packets + 128) {  // never more than the other has posted
                SendList list = to(peer, ctx.acquire(std::min(16U, count - sent)), sent);
                sent += static_cast<std::uint32_t>(list.size());
                ASSERT_TRUE(ctx.send(std::move(list)).empty());
            }
            if (next == count) continue;
            const RecvList list = ctx.recv(sent < count ? 1ms : 5s);
            for (const RecvPkt& pkt : list) ASSERT_EQ(number_of(pkt.bytes()), next++);
            ASSERT_FALSE(sent == count && next < count && list.empty()) << "lost after " << next;
        }
        EXPECT_TRUE(ctx.flush(5s));
    };
    std::thread other{[&] { talk(right, left.datagrams().endpoint(), left); }};
    talk(left, right.datagrams().endpoint(), right);
    other.join();
    EXPECT_EQ(left.stats().recv_packets, count);
    EXPECT_EQ(right.stats().sent_packets, count);
}

TEST_F(Pair, RecoversFromTheErrorState) {
    left.send(to(left.datagrams().peer(right.datagrams().endpoint()), left.acquire(3), 0));
    EXPECT_TRUE(left.flush(5s));
    const Peer peer = left.datagrams().peer(right.datagrams().endpoint());
    left.send(to(peer, left.acquire(1), 99));
    while (right.stats().recv_packets < 1) {
        const RecvList list = right.recv(5s);
        ASSERT_FALSE(list.empty());
    }
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_ERR;
    ASSERT_EQ(right.device().provider->modify_qp(right.queue(0).raw(), &attr, IBV_QP_STATE), 0);
    // The posted packets come back as flushed, and are not reported themselves.
    RecvList list;
    do list = right.recv(5s);
    while (list.outcome() == Outcome::packets);
    EXPECT_EQ(list.outcome(), Outcome::queue_error);
    EXPECT_GT(right.stats().recv_errors[IBV_WC_WR_FLUSH_ERR], 0u);
    right.queue(0).recover();
    EXPECT_EQ(right.stats().posted_now, 256u);
    left.send(to(peer, left.acquire(1), 7));
    EXPECT_EQ(numbers(right.recv(5s)), Numbers{7});
}

TEST(DatagramContext, OfRawPacketsSaysThatRxeHasNone) {
    for (const char* device : {"ibv:rxe0", "veth0"})
        expect_words(expect_error(EOPNOTSUPP, [&] { Context{device}; }),
                     {"cannot create a raw packet queue pair on rxe0", "use the soft device packet:veth0"});
}

TEST(DatagramContext, GrantsNoMoreThanTheMtu) {
    const Context ctx{"ibv:rxe0", as_datagrams({})};
    EXPECT_EQ(ctx.limits().max_packet_size, 4096u);
    EXPECT_FALSE(ctx.limits().timestamps);
}

TEST(DatagramContext, HasNoTimestampsWhereExtendedQueuesCannotBePolled) {
    Options options = as_datagrams(small);
    options.timestamps = true;
    EXPECT_FALSE(Context("ibv:rxe0", options).limits().timestamps);
}

TEST(DatagramContext, MadeAndDroppedLeavesNothing) {
    for (int turn = 0; turn < 50; ++turn) {
        Context ctx{"ibv:rxe0", as_datagrams(with_queues(3))};
        (void)ctx.datagrams().peer(ctx.datagrams().endpoint());
        if (turn % 2 == 0) ctx.datagrams().join(Ipv4Address{"239.18.2.2"}, 1);
    }
}

}  // namespace
}  // namespace pktverbs::testing
