// SPDX-License-Identifier: Apache-2.0
// Recovering: from a queue pair in error back to full function.
#include <atomic>
#include <thread>
#include <vector>

#include "expect_error.hpp"
#include "faulty_ops.hpp"
#include "faulty_provider.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

enum class Kind { classic, extended, rss };

class Recover : public Receiving, public ::testing::WithParamInterface<Kind> {
protected:
    Recover() {
        if (GetParam() == Kind::classic) return;
        flow.remove();
        Options options = small;
        options.timestamps = GetParam() == Kind::extended;
        if (GetParam() == Kind::rss) options.rss = Rss{};
        ctx = open(options);
        flow = hear(ctx);
    }
    Queue& queue() { return ctx.queue(0); }
    /// A frame longer than its buffer.
    void break_queue() { world.send(frame(99, 300)); }
    void expect_works() {
        EXPECT_FALSE(queue().in_error());
        EXPECT_EQ(queue().error(), 0);
        for (std::uint32_t turn = 0; turn < 40; ++turn) {
            plant(1, turn);
            ASSERT_EQ(numbers(ctx.recv(0ns)), Numbers{turn});
        }
        world.receive();
        ctx.send(filled(ctx.acquire(8), 0));
        EXPECT_TRUE(ctx.flush(0ns));
        EXPECT_EQ(world.receive().size(), 8u);
    }
};
std::vector<Kind> kinds() {
    if (datagrams) return {Kind::classic, Kind::extended};
    return {Kind::classic, Kind::extended, Kind::rss};
}
INSTANTIATE_TEST_SUITE_P(Queues, Recover, ::testing::ValuesIn(kinds()), [](const auto& param) {
    return param.param == Kind::classic ? "classic" : param.param == Kind::extended ? "extended" : "rss";
});

TEST_P(Recover, RestoresFullFunctionWithFlowsIntact) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    break_queue();
    ASSERT_EQ(ctx.recv(0ns).front().status(), IBV_WC_LOC_LEN_ERR);
    plant(2);  // nothing receives these
    ASSERT_EQ(ctx.recv(0ns).outcome(), Outcome::queue_error);
    queue().recover();
    EXPECT_TRUE(flow.installed());
    EXPECT_EQ(ctx.recv(0ns).outcome(), Outcome::timeout);
    EXPECT_EQ(ctx.stats().posted_now, 16u);
    EXPECT_EQ(ctx.stats().drops.not_ready, 2u);
    expect_works();
}

TEST_P(Recover, OfAHealthyQueueDoesNoHarm) {
    for (int i = 0; i < 3; ++i) queue().recover();
    expect_works();
}

TEST_P(Recover, WorksAgainAndAgain) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    for (int i = 0; i < 20; ++i) {
        break_queue();
        queue().recover();
        EXPECT_EQ(ctx.recv(0ns).front().status(), IBV_WC_LOC_LEN_ERR);
    }
    EXPECT_EQ(ctx.stats().recv_errors[IBV_WC_LOC_LEN_ERR], 20u);
    expect_works();
}

TEST_P(Recover, GivesFramesThatHadComeToTheNextRecv) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    plant(3);
    break_queue();
    queue().recover();
    const RecvList list = ctx.recv(0ns);
    EXPECT_EQ(numbers(list), (Numbers{0, 1, 2, 0}));
    EXPECT_EQ(list.outcome(), Outcome::packets);
    EXPECT_EQ(ctx.stats().recv_packets, 3u);
}

TEST_P(Recover, GivesSavedFramesInBatchesBeforeNewOnes) {
    plant(12);
    queue().recover();
    EXPECT_EQ(ctx.stats().posted_now, 4u);
    plant(2, 12);
    Numbers all;
    for (;;) {
        const RecvList list = ctx.recv(0ns);
        if (list.empty()) break;
        EXPECT_LE(list.size(), ctx.limits().max_batch);
        const auto got = numbers(list);
        all.insert(all.end(), got.begin(), got.end());
    }
    EXPECT_EQ(all, (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
    expect_works();
}

TEST_P(Recover, KeepsSavedFramesThroughAnotherRecover) {
    plant(3);
    queue().recover();
    plant(2, 3);
    queue().recover();
    EXPECT_EQ(numbers(ctx.recv(0ns)), (Numbers{0, 1, 2, 3, 4}));
}

TEST_P(Recover, LeavesHeldListsAlone) {
    if (datagrams) GTEST_SKIP() << "a datagram that is too long is dropped without a word";
    plant(4);
    RecvList held = ctx.recv(0ns);
    SendList to_send = ctx.acquire(3);
    break_queue();
    queue().recover();
    EXPECT_EQ(numbers(held), (Numbers{0, 1, 2, 3}));
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
    EXPECT_EQ(ctx.stats().posted_now, 12u);
    held.release();
    EXPECT_EQ(ctx.stats().posted_now, 16u);
    EXPECT_TRUE(ctx.send(filled(std::move(to_send), 0)).empty());
    expect_works();
}

TEST_P(Recover, WhileListsEndOnAnotherThread) {
    for (std::uint32_t turn = 0; turn < repeated(200); ++turn) {
        plant(6);
        std::vector<RecvList> lists;
        for (RecvList list = ctx.recv(0ns); !list.empty(); list = ctx.recv(0ns))
            while (!list.empty()) lists.push_back(list.pop_front());
        ASSERT_FALSE(lists.empty());
        std::atomic<bool> begun{false};
        std::thread other{[&] {
            begun = true;
            lists.clear();
        }};
        while (!begun) std::this_thread::yield();
        queue().recover();
        other.join();
        ASSERT_EQ(ctx.stats().posted_now, 16u) << "in turn " << turn;
    }
    expect_works();
}

TEST_P(Recover, WhileEveryPacketIsHeld) {
    plant(16);
    std::vector<RecvList> held;
    while (held.empty() || !held.back().empty()) held.push_back(ctx.recv(0ns));
    const SendList sends = ctx.acquire(8);
    queue().recover();
    EXPECT_EQ(ctx.stats().posted_now, 0u);
    EXPECT_EQ(ctx.recv(0ns).outcome(), Outcome::timeout);
    held.clear();
    EXPECT_EQ(ctx.stats().posted_now, 16u);
}

TEST_P(Recover, ClosesWithSavedFramesUnread) {
    plant(3);
    queue().recover();
    EXPECT_NO_THROW(ctx.close());
}

TEST_P(Recover, SavedFramesCountAsHeldOnceTheyAreTaken) {
    plant(3);
    queue().recover();
    const RecvList list = ctx.recv(0ns);
    expect_words(expect_error(EBUSY, [&] { ctx.close(); }), {"3 packets"});
}

TEST_P(Recover, FromASendError) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    Context sender{"wire:" + name + "?mtu=128", small};
    SendList list = filled(sender.acquire(8), 0);
    fill(list.front(), 0, 200);
    sender.send(std::move(list));
    EXPECT_TRUE(sender.flush(0ns));
    EXPECT_TRUE(sender.queue(0).in_error());
    EXPECT_EQ(sender.send(filled(sender.acquire(1), 0)).error(), EIO);  // refused: it would only be flushed
    sender.queue(0).recover();
    EXPECT_EQ(sender.stats().in_flight, 0u);
    EXPECT_TRUE(sender.send(filled(sender.acquire(8), 0)).empty());
    EXPECT_TRUE(sender.flush(0ns));
    EXPECT_EQ(sender.stats().sent_packets, 8u);
}

TEST_P(Recover, SendErrorReachesTheReceiver) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    Context both{"wire:" + name + "?mtu=128", small};
    SendList list = both.acquire(1);
    fill(list.front(), 0, 200);
    both.send(std::move(list));
    EXPECT_EQ(both.recv(no_timeout).outcome(), Outcome::queue_error);
}

TEST_P(Recover, AfterAPostThatWasCutShort) {
    FaultyOps ops{ctx};
    ops.send_takes = 1;  // the packet is sent, but only the last of the list asks for a completion
    ctx.send(filled(ctx.acquire(2), 0)).cancel();
    ops.send_takes = FaultyOps::always;
    EXPECT_EQ(ctx.stats().in_flight, 1u);
    EXPECT_FALSE(ctx.flush(no_timeout));  // no completion will report it; another send's would
    EXPECT_EQ(ctx.acquire(8, no_timeout).size(), 7u);
    queue().recover();
    EXPECT_EQ(ctx.stats().in_flight, 0u);
    EXPECT_EQ(ctx.stats().sent_packets, 1u);
    expect_works();
}

TEST_P(Recover, ClearsADeviceError) {
    {
        FaultyOps ops{ctx};
        ops.bad_notifies = 1;
        EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::device_error);
    }
    EXPECT_EQ(queue().error(), EIO);
    queue().recover();
    expect_works();
}

TEST_P(Recover, ReportsReceivePacketsThatAreRefused) {
    if (GetParam() == Kind::rss) GTEST_SKIP() << "work queues are posted to in another way";
    FaultyOps ops{ctx};
    ops.recv_takes = 6;
    ops.error = ENOMEM;
    const std::string text = expect_error(ENOMEM, [&] { queue().recover(); });
    expect_words(text, {"cannot post 10 of 16 receive packets", ctx.device().name.c_str(), "Cannot allocate memory"});
    ops.recv_takes = FaultyOps::always;
    queue().recover();
    expect_works();
}

/// Every step that a device may refuse, one by one.
TEST_F(Wired, RecoverThatFailsLeavesTheQueueInErrorAndCanBeRepeated) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    FaultyProvider faults;
    Context ctx{faults.device(name), small};
    const Flow flow = hear(ctx);
    plant(2);
    // Query, ERR, RESET, INIT; then, as the queue pair is in RESET, query, INIT, RTR; then all of them up to RTS.
    for (const int call : {1, 2, 3, 4, 3, 6}) {
        faults.fail(call, EIO);
        const std::string text = expect_error(EIO, [&] { ctx.queue(0).recover(); });
        expect_words(text, {"queue pair", "wire:"});
        EXPECT_EQ(ctx.queue(0).in_error(), call > 2) << text;
    }
    faults.fail(0, 0);
    EXPECT_EQ(numbers(ctx.recv(no_timeout)), (Numbers{0, 1}));
    EXPECT_EQ(ctx.recv(no_timeout).outcome(), Outcome::queue_error);
    ctx.queue(0).recover();
    EXPECT_FALSE(ctx.queue(0).in_error());
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
}

}  // namespace
}  // namespace pktverbs::testing
