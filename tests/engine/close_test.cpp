// SPDX-License-Identifier: Apache-2.0
// Closing: without lists, with packets in lists, and from other threads.
#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <vector>

#include "expect_error.hpp"
#include "faulty_provider.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

static_assert(std::is_nothrow_move_constructible_v<Context> && std::is_nothrow_move_assignable_v<Context>);
static_assert(!std::is_copy_constructible_v<Context> && !std::is_copy_assignable_v<Context>);
static_assert(!std::is_copy_constructible_v<Queue> && !std::is_move_constructible_v<Queue>);

using Close = Receiving;

TEST_F(Close, TwiceIsHarmless) {
    ctx.close();
    EXPECT_NO_THROW(ctx.close());
}

TEST_F(Close, EndsTheFlows) {
    if (datagrams) GTEST_SKIP() << "datagrams are not steered by flows";
    ctx.close();
    plant();
    EXPECT_TRUE(flow.installed());  // the handle does not know, which is harmless
    flow.remove();
    EXPECT_FALSE(flow.installed());
}

TEST_F(Close, WithListsOutIsRefusedAndTheContextStaysUsable) {
    plant(3);
    RecvList received = ctx.recv(0ns);
    SendList sends = ctx.acquire(2);
    expect_words(expect_error(EBUSY, [&] { ctx.close(); }),
                 {ctx.device().name.c_str(), "5 packets are still held", "release them"});
    EXPECT_TRUE(ctx.send(filled(std::move(sends), 0)).empty());
    received.release();
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
    EXPECT_NO_THROW(ctx.close());
}

TEST_F(Close, WithFramesNotYetReceivedIsNoError) {
    plant(10);
    EXPECT_NO_THROW(ctx.close());
}

TEST_F(Close, WithSendsInFlightIsNoError) {
    ctx.send(filled(ctx.acquire(8), 0));
    EXPECT_NO_THROW(ctx.close());
    EXPECT_EQ(world.receive().size(), 8u);
}

TEST_F(Close, LeavesThePlaceForAnother) {
    ctx.close();
    ctx = open();
    flow = hear(ctx);
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
}

/// A context in an optional, whose destruction is tested.
class End : public Wired {
protected:
    std::optional<Context> ctx{open(with_queues(2))};
    Flow flow = hear(*ctx, 1);
};

TEST_F(End, LeavesTheBytesOfHeldPackets) {
    plant(3);
    RecvList received = ctx->recv(0ns);
    SendList sends = filled(ctx->acquire(2), 40);
    ctx.reset();
    EXPECT_EQ(numbers(received), (Numbers{0, 1, 2}));
    received.front().bytes()[14] = 9;
    EXPECT_EQ(numbers(received), (Numbers{9, 1, 2}));
    EXPECT_EQ(number_of(sends.front().bytes()), 40u);
    EXPECT_EQ(received.release(), 0u);  // nothing takes them
    EXPECT_TRUE(received.empty());
    EXPECT_EQ(number_of(sends.front().bytes()), 40u);
}

TEST_F(End, ListsMayBeSplitAndJoinedAfterwards) {
    plant(4);
    RecvList list = ctx->recv(0ns);
    ctx.reset();
    RecvList first = list.pop_front();
    list.pop_front();
    list.append(std::move(first));
    EXPECT_EQ(numbers(list), (Numbers{2, 3, 0}));
}

TEST_F(End, SendListsMayBeCancelledAfterwards) {
    SendList list = ctx->acquire(3), other = ctx->queue(1).acquire(1);
    ctx.reset();
    list.pop_front();
    list.cancel();
    EXPECT_EQ(other.size(), 1u);
}

TEST_F(End, ListsMayEndInAnotherThreadAfterwards) {
    plant(4);
    RecvList list = ctx->recv(0ns), rest;
    rest.append(list.pop_front());
    ctx.reset();
    std::thread{[list = std::move(list)] {}}.join();
    EXPECT_EQ(numbers(rest), Numbers{0});
}

/// The context and the lists end in any order.
TEST_F(End, ListsMayEndInAnotherThreadMeanwhile) {
    for (std::uint32_t turn = 0; turn < repeated(200); ++turn) {
        ctx.emplace(open(with_queues(2)));
        flow = hear(*ctx, 1);
        plant(8);
        std::atomic<bool> go{false};
        std::thread consumer{[&go, list = ctx->recv(0ns)]() mutable {
            while (!go) std::this_thread::yield();
            while (!list.empty()) list.pop_front();
        }};
        go = true;
        ctx.reset();
        consumer.join();
    }
}

TEST_F(End, WaitsForAListOnItsWayToTheNic) {
    static std::atomic<bool> posting, gone;
    static int (*post)(ibv_qp*, ibv_recv_wr*, ibv_recv_wr**);
    posting = gone = false;
    plant(3);
    RecvList list = ctx->recv(0ns);
    post = std::exchange(ctx->raw()->ops.post_recv, [](ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
        posting = true;
        for (int i = 0; i < 10'000 && !gone; ++i) std::this_thread::yield();
        if (!gone) return post(qp, wr, bad);
        *bad = wr;
        return EIO;
    });
    auto released = std::async(std::launch::async, [&] { return list.release(); });
    while (!posting) std::this_thread::yield();
    ctx.reset();
    gone = true;
    EXPECT_EQ(released.get(), 3u);
}

TEST_F(End, ByAssignmentLeavesHeldPackets) {
    plant(2);
    const RecvList list = ctx->recv(0ns);
    ctx = open();
    EXPECT_EQ(numbers(list), (Numbers{0, 1}));
}

TEST_F(End, OfAMovedContextIsItsOwn) {
    Context moved = std::move(*ctx);
    ctx.reset();
    plant(2);
    EXPECT_EQ(moved.recv(0ns).size(), 2u);
}

TEST_F(End, OfAMovedFromContextIsHarmless) {
    Context moved = std::move(*ctx);
    EXPECT_NO_THROW(ctx->close());
    *ctx = std::move(moved);
    plant();
    EXPECT_EQ(ctx->recv(0ns).size(), 1u);
}

TEST_F(End, EmptyListsMayBeUsedAfterwards) {
    RecvList nothing = ctx->recv(0ns), all = [&] {
        plant(2);
        return ctx->recv(0ns);
    }();
    all.release();
    ctx.reset();
    EXPECT_EQ(nothing.release(), 0u);
    EXPECT_EQ(all.release(), 0u);
    EXPECT_TRUE(all.pop_front().empty());
}

TEST_F(Wired, ClosingInTheMiddleOfAnErrorIsClean) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    FaultyProvider faults;
    for (int received = 0; received < 3; ++received) {
        Context ctx{faults.device(name), small};
        const Flow flow = hear(ctx);
        plant(4);
        world.send(frame(0, 300));
        RecvList held;
        for (int i = 0; i < received; ++i) held.append(ctx.recv(0ns));
        if (received == 0) ctx.close();
    }
}

TEST_F(Wired, ClosingWithUnacknowledgedEventsDoesNotHang) {
    Context ctx = open();
    const Flow flow = hear(ctx);
    for (std::uint32_t i = 0; i < 3; ++i) {  // fewer than are acknowledged in a batch
        ASSERT_TRUE(ctx.arm());
        plant();
        ctx.drain();
        ctx.recv(0ns);
    }
    ASSERT_TRUE(ctx.arm());
    plant();  // and one that is never taken
    ctx.close();
}

}  // namespace
}  // namespace pktverbs::testing
