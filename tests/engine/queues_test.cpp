// SPDX-License-Identifier: Apache-2.0
// Queues: several in one context, independent of each other.
#include <set>
#include <thread>

#include "expect_error.hpp"
#include "faulty_ops.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

/// Three queues; the frames for queue i have EtherType 0x1000 + i.
class Queues : public Wired {
protected:
    Queues() {
        for (std::size_t i = 0; i < 3; ++i) flows.push_back(hear(ctx, i, static_cast<std::uint16_t>(0x1000 + i)));
    }
    void plant_for(std::size_t queue, std::uint32_t number = 0) {
        Bytes bytes = frame(number);
        bytes[12] = 0x10;
        bytes[13] = static_cast<std::uint8_t>(queue);
        world.send(bytes);
    }
    Context ctx = open(with_queues(3));
    std::vector<Flow> flows;
};

TEST_F(Queues, HaveTheirOwnPacketsEach) {
    EXPECT_EQ(ctx.queue_count(), 3u);
    EXPECT_EQ(ctx.stats().posted_now, 48u);
    std::set<const void*> buffers;
    for (std::size_t i = 0; i < 3; ++i)
        for (SendPkt& pkt : ctx.queue(i).acquire(8)) buffers.insert(pkt.buffer().data());
    EXPECT_EQ(buffers.size(), 24u);
    EXPECT_EQ(std::set({ctx.queue(0).raw(), ctx.queue(1).raw(), ctx.queue(2).raw()}).size(), 3u);
}

TEST_F(Queues, ThatAreNotThereAreRefused) {
    for (const std::size_t index : {std::size_t{3}, ~std::size_t{0}})
        expect_words(expect_error(EINVAL, [&] { static_cast<void>(ctx.queue(index)); }),
                     {"cannot use queue", std::to_string(index).c_str(), "there are 3, counted from 0"});
}

TEST_F(Queues, ReceiveWhatIsSteeredToThem) {
    for (std::size_t i = 0; i < 3; ++i) plant_for(i, static_cast<std::uint32_t>(i));
    for (std::uint32_t i = 3; i-- > 0;) EXPECT_EQ(numbers(ctx.queue(i).recv(0ns)), Numbers{i});
}

TEST_F(Queues, OneRecvTakesTheirTurns) {
    for (int round = 0; round < 2; ++round)
        for (std::size_t i = 0; i < 3; ++i) plant_for(i, static_cast<std::uint32_t>(i));
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 3; ++i) {
        const RecvList list = ctx.recv(0ns);
        ASSERT_EQ(list.size(), 2u);
        seen.insert(number_of(list.front().bytes()));
    }
    EXPECT_EQ(seen.size(), 3u);
    EXPECT_TRUE(ctx.recv(0ns).empty());
}

TEST_F(Queues, BusyOneDoesNotStarveTheOthers) {
    for (std::uint32_t turn = 0; turn < repeated(100); ++turn) {
        for (int i = 0; i < 12; ++i) plant_for(0, 1000);
        plant_for(2, turn);
        bool heard = false;
        for (int i = 0; i < 3 && !heard; ++i) {
            const RecvList list = ctx.recv(0ns);
            ASSERT_FALSE(list.empty());
            heard = number_of(list.front().bytes()) == turn;
        }
        ASSERT_TRUE(heard);
        while (!ctx.recv(0ns).empty()) {
        }
    }
}

TEST_F(Queues, ListsGoBackToTheirOwn) {
    plant_for(0);
    plant_for(2);
    RecvList first = ctx.recv(0ns), second = ctx.recv(0ns);
    EXPECT_EQ(ctx.stats().posted_now, 46u);
    first.release();
    second.release();
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ctx.queue(i).stats().posted_now, 16u);
}

TEST_F(Queues, ContextSendsOnTheQueueOfTheList) {
    FaultyOps ops{ctx};
    EXPECT_TRUE(ctx.send(filled(ctx.queue(2).acquire(3), 0)).empty());
    EXPECT_EQ(ctx.queue(2).stats().sent_packets + ctx.queue(2).stats().in_flight, 3u);
    EXPECT_EQ(ctx.queue(0).stats().in_flight, 0u);
    EXPECT_TRUE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.queue(2).acquire(8).size(), 8u);
}

TEST_F(Queues, RefusePacketsOfAnother) {
    SendList list = ctx.queue(0).send(filled(ctx.queue(1).acquire(2), 0));
    EXPECT_EQ(list.error(), EINVAL);
    EXPECT_EQ(list.size(), 2u);
    EXPECT_TRUE(ctx.queue(1).send(std::move(list)).empty());
    EXPECT_TRUE(ctx.queue(1).flush(0ns));
    EXPECT_EQ(ctx.queue(1).stats().sent_packets, 2u);
}

TEST_F(Queues, ErrorOfOneIsReportedAndTheOthersGoOn) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    Bytes too_long = frame(0, 300);
    too_long[12] = 0x10;
    too_long[13] = 1;
    world.send(too_long);
    EXPECT_EQ(ctx.recv(no_timeout).front().status(), IBV_WC_LOC_LEN_ERR);
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::queue_error);
    EXPECT_TRUE(ctx.queue(1).in_error());
    EXPECT_FALSE(ctx.queue(0).in_error() || ctx.queue(2).in_error());
    plant_for(2, 7);
    std::size_t heard = 0;
    for (int i = 0; i < 3; ++i) heard += ctx.recv(0ns).size();
    EXPECT_EQ(heard, 1u);
    ctx.queue(1).recover();
    plant_for(1, 8);
    EXPECT_EQ(numbers(ctx.recv(no_timeout)), Numbers{8});
}

TEST_F(Queues, FlushWaitsForAll) {
    for (std::size_t i = 0; i < 3; ++i) ctx.send(filled(ctx.queue(i).acquire(4), 0));
    EXPECT_TRUE(ctx.flush(no_timeout));
    EXPECT_EQ(ctx.stats().sent_packets, 12u);
    EXPECT_EQ(world.receive().size(), 12u);
}

TEST_F(Queues, FlushTimesOutIfOneDoes) {
    FaultyOps ops{ctx};
    ops.withheld = ctx.queue(1).raw_send_cq();
    for (std::size_t i = 0; i < 3; ++i) ctx.send(filled(ctx.queue(i).acquire(4), 0));
    EXPECT_FALSE(ctx.flush(1ms));
    EXPECT_EQ(ctx.stats().in_flight, 4u);
    EXPECT_EQ(ctx.stats().sent_packets, 8u);
}

TEST_F(Queues, CloseCountsHeldPacketsOfAll) {
    plant_for(0);
    plant_for(1);
    const RecvList one = ctx.recv(0ns), two = ctx.recv(0ns);
    const SendList three = ctx.queue(2).acquire(1);
    expect_words(expect_error(EBUSY, [&] { ctx.close(); }), {"3 packets"});
}

TEST_F(Queues, HaveAThreadEach) {
    constexpr std::uint32_t count = repeated(300);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 3; ++i)
        threads.emplace_back([&, i] {
            Queue& queue = ctx.queue(i);
            for (std::uint32_t next = 0; next < count;) {
                for (const RecvPkt& pkt : queue.recv(no_timeout)) ASSERT_EQ(number_of(pkt.bytes()), next++);
                ASSERT_TRUE(queue.send(filled(queue.acquire(1), next)).empty());
            }
            EXPECT_TRUE(queue.flush(no_timeout));
        });
    for (std::uint32_t number = 0; number < count; ++number)
        for (std::size_t i = 0; i < 3; ++i) {
            while (ctx.queue(i).stats().recv_packets + 4 < number) std::this_thread::yield();
            plant_for(i, number);
        }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(ctx.stats().recv_packets, 3 * count);
    EXPECT_EQ(ctx.stats().drops.total(), 0u);
}

TEST_F(Wired, QueuesOfARuleEachGetACopyOfItsFrames) {
    Context ctx = open(with_queues(2));
    const Flow one = hear(ctx, 0), two = hear(ctx, 1);
    plant();
    EXPECT_EQ(ctx.queue(0).recv(0ns).size(), 1u);
    EXPECT_EQ(ctx.queue(1).recv(0ns).size(), 1u);
}

}  // namespace
}  // namespace pktverbs::testing
