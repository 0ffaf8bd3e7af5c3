// SPDX-License-Identifier: Apache-2.0
// Releasing: how packets go back to the NIC.
#include <future>
#include <optional>
#include <set>

#include "faulty_ops.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using Release = Receiving;

TEST_F(Release, OfAnEmptyListDoesNothing) {
    RecvList none, nothing = ctx.recv(0ns);
    EXPECT_EQ(none.release(), 0u);
    EXPECT_EQ(nothing.release(), 0u);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(Release, HappensAtTheEndOfTheScope) {
    plant(3);
    {
        const RecvList list = ctx.recv(0ns);
        EXPECT_EQ(ctx.stats().posted_now, 13u);
    }
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(Release, ReportsHowManyWerePosted) {
    plant(3);
    RecvList list = ctx.recv(0ns);
    EXPECT_EQ(list.release(), 3u);
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0u);
    EXPECT_EQ(list.release(), 0u);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(Release, PostsAListWithOneDoorbell) {
    FaultyOps ops{ctx};
    plant(8);
    ctx.recv(0ns).release();
    EXPECT_EQ(ops.recv_posts, 1);
}

TEST_F(Release, WorksFromAnotherThread) {
    plant(3);
    auto released = std::async(std::launch::async, [list = ctx.recv(0ns)]() mutable { return list.release(); });
    EXPECT_EQ(released.get(), 3u);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_F(Release, InAnyOrderReceivesIntoEveryPacketAgain) {
    plant(8);
    RecvList odd = ctx.recv(0ns), even;
    for (int i = 0; i < 4; ++i) {
        even.append(odd.pop_front());
        odd.append(odd.pop_front());
    }
    odd.release();
    even.release();
    std::set<const void*> buffers;
    plant(16);
    for (std::vector<RecvList> held; held.empty() || !held.back().empty(); held.push_back(ctx.recv(0ns)))
        if (!held.empty())
            for (const RecvPkt& pkt : held.back()) buffers.insert(pkt.bytes().data());
    EXPECT_EQ(buffers.size(), 16u);
}

TEST_F(Release, OfOnePacketKeepsTheRest) {
    plant(3);
    RecvList list = ctx.recv(0ns);
    list.pop_front().release();
    EXPECT_EQ(numbers(list), (Numbers{1, 2}));
    EXPECT_EQ(ctx.stats().posted_now, 14u);
}

TEST_F(Release, PartialPostKeepsTheRestAndReportsIt) {
    plant(5);
    RecvList list = ctx.recv(0ns);
    FaultyOps ops{ctx};
    ops.recv_takes = 2;
    EXPECT_EQ(list.release(), 2u);
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(ctx.stats().posted_now, 13u);
    EXPECT_EQ(ctx.stats().refused_posts, 3u);
}

TEST_F(Release, PostsWhatWasRefusedBefore) {
    plant(5);
    RecvList list = ctx.recv(0ns);
    RecvList last = list.pop_front();
    std::optional<FaultyOps> ops{ctx};
    ops->recv_takes = 1;
    EXPECT_EQ(list.release(), 1u);
    ops.reset();
    EXPECT_EQ(last.release(), 4u);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
    EXPECT_EQ(ctx.stats().refused_posts, 3u);
}

TEST_F(Release, RefusedAltogetherDoesNotLeaveTheReceiverDeaf) {
    {
        FaultyOps ops{ctx};
        ops.recv_takes = 0;
        std::vector<RecvList> held;
        plant(16);
        while (held.empty() || !held.back().empty()) held.push_back(ctx.recv(0ns));
        held.clear();
        ASSERT_EQ(ctx.stats().posted_now, 0u);
    }
    // No list is left to release: only waiting itself can post again.
    EXPECT_TRUE(ctx.recv(1ns).empty());
    EXPECT_EQ(ctx.stats().posted_now, 16u);
    plant();
    EXPECT_EQ(ctx.recv().size(), 1u);
}

TEST_F(Release, RefusedPacketsAreNotHeld) {
    plant(4);
    {
        FaultyOps ops{ctx};
        ops.recv_takes = 0;
        EXPECT_EQ(ctx.recv(0ns).release(), 0u);
    }
    EXPECT_NO_THROW(ctx.close());
}

TEST_F(Release, InAnErrorStateComesBackWithRecover) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    plant(2);
    RecvList held = ctx.recv(0ns);
    world.send(frame(0, 300));
    EXPECT_FALSE(ctx.recv(0ns).front().ok());
    held.release();
    EXPECT_EQ(ctx.recv(0ns).outcome(), Outcome::queue_error);
    ctx.queue(0).recover();
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

}  // namespace
}  // namespace pktverbs::testing
