// SPDX-License-Identifier: Apache-2.0
// async::recv: arrivals, one or many per wake-up, timeouts, stops and ends.
#include <memory>
#include <thread>

#include "async_wired.hpp"
#include "expect_error.hpp"
#include "faulty_ops.hpp"
#include "own_coroutine.hpp"

namespace pktverbs::testing {
namespace {

/// From a queue, and from a context of one queue or several.
struct From {
    const char* name;
    std::uint32_t queues;
    bool timestamps;
};

class AsyncRecv : public AsyncWired, public ::testing::WithParamInterface<From> {
protected:
    Options options() const {
        Options options = with_queues(GetParam().queues);
        options.timestamps = GetParam().timestamps;
        return options;
    }
    Context ctx = open(options());
    Flow flow = hear(ctx, GetParam().queues - 1);
    async::Executor executor;
};
INSTANTIATE_TEST_SUITE_P(Queues, AsyncRecv,
                         ::testing::Values(From{"one", 1, false}, From{"extended", 1, true}, From{"three", 3, false}),
                         [](const auto& param) { return param.param.name; });

TEST_P(AsyncRecv, GivesAtOnceWhatIsThere) {
    plant(3);
    Receiver<Context> receiver{ctx, 3};
    executor.spawn(receiver.run());
    EXPECT_TRUE(executor.run_for(0ns));
    EXPECT_EQ(receiver.got, counted(3));
    EXPECT_EQ(receiver.batches, std::vector<std::size_t>{3});
}

TEST_P(AsyncRecv, WakesWithAllThatCameMeanwhile) {
    Receiver<Context> receiver{ctx, 5};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));  // suspended and armed
    plant(5);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, counted(5));
    EXPECT_EQ(receiver.batches, std::vector<std::size_t>{5});
}

TEST_P(AsyncRecv, WakesAgainAndAgain) {
    Receiver<Context> receiver{ctx, 600};
    executor.spawn(receiver.run());
    for (std::uint32_t turn = 0; turn < 200; ++turn) {
        EXPECT_FALSE(executor.run_for(0ns));
        EXPECT_EQ(receiver.got.size(), 3 * turn);
        plant(3, 3 * turn);
    }
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, counted(600));
}

TEST_P(AsyncRecv, LeavesNothingBehindWhenBatchesAreShort) {
    Options few = options();
    few.max_batch = 2;
    flow.remove();
    ctx = open(few);
    flow = hear(ctx, GetParam().queues - 1);
    Receiver<Context> receiver{ctx, 14};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    plant(7);  // one event, four batches
    EXPECT_FALSE(executor.run_for(0ns));
    EXPECT_EQ(receiver.got, counted(7));
    EXPECT_EQ(receiver.batches, (std::vector<std::size_t>{2, 2, 2, 1}));
    plant(7, 7);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, counted(14));
}

TEST_P(AsyncRecv, FindsAPacketThatCameBetweenPollingAndArming) {
    static decltype(&world) end = nullptr;
    static int (*arm)(ibv_cq*, int) = nullptr;
    end = &world;
    arm = ctx.raw()->ops.req_notify_cq;
    ctx.raw()->ops.req_notify_cq = [](ibv_cq* cq, int solicited) {
        if (end) std::exchange(end, nullptr)->send(frame(7));
        return arm(cq, solicited);
    };
    Receiver<Context> receiver{ctx};
    executor.spawn(receiver.run());
    EXPECT_TRUE(executor.run_for(0ns));
    EXPECT_EQ(receiver.got, Numbers{7});
    ctx.raw()->ops.req_notify_cq = arm;
}

TEST_P(AsyncRecv, IsNotWokenForGoodByAnEventWithoutPackets) {
    ASSERT_TRUE(ctx.arm());
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);  // and its event is still there
    Receiver<Context> receiver{ctx};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    EXPECT_FALSE(executor.step(0ns));
    plant(1, 1);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, Numbers{1});
}

TEST_P(AsyncRecv, TimesOutNotBeforeItsTime) {
    for (const auto timeout : {0ns, -5ns, 1ns, 3000000ns}) {
        Receiver<Context> receiver{ctx, 1, timeout};
        const auto start = std::chrono::steady_clock::now();
        executor.spawn(receiver.run());
        EXPECT_TRUE(executor.run());
        EXPECT_GE(std::chrono::steady_clock::now() - start, timeout);
        EXPECT_EQ(receiver.outcome, Outcome::timeout);
    }
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);
}

TEST_P(AsyncRecv, MayTimeOutAndTryAgain) {
    const auto receive = [](Context& from, Numbers& got) -> Task {
        while (got.size() < 3)
            for (const RecvPkt& pkt : co_await async::recv(from, 1ms)) got.push_back(number_of(pkt.bytes()));
    };
    Numbers got;
    executor.spawn(receive(ctx, got));
    for (std::uint32_t i = 0; i < 3; ++i) {
        EXPECT_FALSE(executor.run_for(2ms));
        plant(1, i);
    }
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(got, counted(3));
}

TEST_P(AsyncRecv, StopsBeforeItTakesPackets) {
    std::stop_source stop;
    stop.request_stop();
    plant(2);
    Receiver<Context> receiver{ctx, 2, no_timeout, stop.get_token()};
    executor.spawn(receiver.run());
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::stopped);
    EXPECT_EQ(ctx.recv(0ns).size(), 2u);  // nothing was lost by it
}

TEST_P(AsyncRecv, StopsWhileSuspended) {
    std::stop_source stop;
    Receiver<Context> receiver{ctx, 2, 1h, stop.get_token()};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    stop.request_stop();
    EXPECT_FALSE(receiver.outcome) << "resumed by the thread that asked";
    plant(2);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::stopped);
    EXPECT_EQ(ctx.recv(0ns).size(), 2u);
}

TEST_P(AsyncRecv, StopsInTheExecutorsThreadWhenAnotherAsks) {
    std::stop_source stop;
    std::thread::id resumed_by;
    const auto receive = [](Context& from, std::stop_token token, std::thread::id& by) -> Task {
        const RecvList list = co_await async::recv(from, no_timeout, token);
        EXPECT_EQ(list.outcome(), Outcome::stopped);
        by = std::this_thread::get_id();
    };
    executor.spawn(receive(ctx, stop.get_token(), resumed_by));
    executor.step(0ns);
    std::jthread asking{[&] { stop.request_stop(); }};
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(resumed_by, std::this_thread::get_id());
}

TEST_P(AsyncRecv, EndsWithItsExecutorAndLosesNothing) {
    auto guard = std::make_shared<int>();
    const auto receive = [](Context& from, std::shared_ptr<int>) -> Task { co_await async::recv(from); };
    auto own = std::make_unique<async::Executor>();
    own->spawn(receive(ctx, guard));
    EXPECT_FALSE(own->run_for(0ns));
    EXPECT_EQ(guard.use_count(), 2);
    plant(3);
    own.reset();
    EXPECT_EQ(guard.use_count(), 1);
    EXPECT_EQ(numbers(ctx.recv(0ns)), counted(3));
    EXPECT_EQ(ctx.stats().posted_now, GetParam().queues * 16);
}

TEST_P(AsyncRecv, GivesBackWhatASuspendedTaskHolds) {
    plant(2);
    const auto hold = [](Context& from) -> Task {
        const RecvList list = co_await async::recv(from);
        EXPECT_EQ(list.size(), 2u);
        co_await async::sleep(1h);
    };
    auto own = std::make_unique<async::Executor>();
    own->spawn(hold(ctx));
    EXPECT_FALSE(own->run_for(0ns));
    own.reset();
    EXPECT_EQ(ctx.stats().posted_now, GetParam().queues * 16);
}

TEST_P(AsyncRecv, ServesAContextThatEndsBeforeTheExecutor) {
    std::stop_source stop;
    Receiver<Context> receiver{ctx, 2, no_timeout, stop.get_token()};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    stop.request_stop();
    EXPECT_TRUE(executor.run());  // as the header requires: nothing may wait for it when it ends
    flow.remove();
    ctx.close();
    Context next = open(options());  // likely with the same descriptors
    const Flow next_flow = hear(next, GetParam().queues - 1);
    Receiver<Context> again{next, 2};
    executor.spawn(again.run());
    EXPECT_FALSE(executor.run_for(0ns));
    plant(2);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(again.got, counted(2));
}

TEST_P(AsyncRecv, WorksInCoroutinesOfOtherKinds) {
    Numbers got;
    const auto receive = [](async::Executor& on, Context& from, Numbers& numbers) -> OwnCoroutine {
        while (numbers.size() < 4)
            for (const RecvPkt& pkt : co_await async::recv(on, from)) numbers.push_back(number_of(pkt.bytes()));
    };
    receive(executor, ctx, got);
    EXPECT_FALSE(executor.run_for(0ns));
    plant(2);
    EXPECT_FALSE(executor.run_for(0ns));
    plant(2, 2);
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(got, counted(4));
}

TEST_P(AsyncRecv, LetsOthersRunThoughPacketsNeverEnd) {
    bool done = false;
    std::uint32_t sent = 0;
    Numbers got;
    const auto receive = [](Context& from, const bool& until, Numbers& numbers) -> Task {
        while (!until)
            for (const RecvPkt& pkt : co_await async::recv(from)) numbers.push_back(number_of(pkt.bytes()));
    };
    const auto tick = [](bool& flag) -> Task {
        for (int i = 0; i < 3; ++i) co_await async::sleep(1ms);
        flag = true;
    };
    executor.spawn(receive(ctx, done, got));
    executor.spawn(tick(done));
    // Each packet taken triggers the next.
    static decltype(&world) end = nullptr;
    static std::uint32_t* number = nullptr;
    static int (*post)(ibv_qp*, ibv_recv_wr*, ibv_recv_wr**) = nullptr;
    end = &world;
    number = &sent;
    post = ctx.raw()->ops.post_recv;
    ctx.raw()->ops.post_recv = [](ibv_qp* qp, ibv_recv_wr* wr, ibv_recv_wr** bad) {
        const int result = post(qp, wr, bad);
        end->send(frame((*number)++));
        return result;
    };
    plant(1, sent++);
    EXPECT_TRUE(executor.run());
    ctx.raw()->ops.post_recv = post;
    EXPECT_GT(got.size(), 100u);
    EXPECT_EQ(got, counted(static_cast<std::uint32_t>(got.size())));
}

TEST_P(AsyncRecv, ReportsThatTheQueueIsInError) {
    world.send(frame(0, 300));
    Receiver<Context> receiver{ctx, 2};
    executor.spawn(receiver.run());
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::queue_error);
    EXPECT_EQ(receiver.batches, std::vector<std::size_t>{1});
}

TEST_P(AsyncRecv, ReportsThatTheDeviceCouldNotBeArmed) {
    FaultyOps ops{ctx};
    ops.bad_notifies = FaultyOps::always;
    Receiver<Context> receiver{ctx, 2};
    executor.spawn(receiver.run());
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::device_error);
}

using AsyncRecvOf = AsyncWired;

TEST_F(AsyncRecvOf, ASendOnlyContextReportsIt) {
    Options options = small;
    options.recv_packets = none;
    Context ctx = open(options);
    async::Executor executor;
    Receiver<Context> receiver{ctx};
    executor.spawn(receiver.run());
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::no_receive_side);
}

TEST_F(AsyncRecvOf, AQueueThatCannotBePolledReportsIt) {
    Context ctx = open();
    const Flow flow = hear(ctx);
    async::Executor executor;
    Receiver<Context> receiver{ctx, 2};
    executor.spawn(receiver.run());
    EXPECT_FALSE(executor.run_for(0ns));
    FaultyOps ops{ctx};
    ops.good_polls = 0;
    ops.bad_polls = FaultyOps::always;
    plant();
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.outcome, Outcome::device_error);
}

TEST_F(AsyncRecvOf, SeveralQueuesByOneTaskEach) {
    Context ctx = open(with_queues(3));
    const Flow flows[] = {hear(ctx, 0, 0x1000), hear(ctx, 1, 0x1001), hear(ctx, 2, 0x1002)};
    async::Executor executor;
    std::vector<Receiver<Queue>> receivers;
    for (std::size_t i = 0; i < 3; ++i) receivers.push_back({ctx.queue(i), 40});
    for (auto& receiver : receivers) executor.spawn(receiver.run());
    for (std::uint32_t turn = 0; turn < 40; ++turn) {
        EXPECT_FALSE(executor.run_for(0ns));
        for (std::uint8_t i = 0; i < 3; ++i) {
            Bytes bytes = frame(turn);
            bytes[12] = 0x10;
            bytes[13] = i;
            world.send(bytes);
        }
    }
    EXPECT_TRUE(executor.run());
    for (const auto& receiver : receivers) EXPECT_EQ(receiver.got, counted(40));
}

TEST_F(AsyncRecvOf, TwoContextsOnOneExecutor) {
    Context left = open();
    Context right = open(with_queues(2));
    const Flow left_flow = hear(left);
    const Flow right_flow = hear(right, 1);
    async::Executor executor;
    Receiver<Context> first{left, 50};
    Receiver<Context> second{right, 50};
    executor.spawn(first.run());
    executor.spawn(second.run());
    for (std::uint32_t turn = 0; turn < 10; ++turn) {
        EXPECT_FALSE(executor.run_for(0ns));
        plant(5, turn * 5);
    }
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(first.got, counted(50));
    EXPECT_EQ(second.got, counted(50));
}

TEST_F(AsyncRecvOf, TwoTasksOnOneQueueAreRefused) {
    Context ctx = open();
    const Flow flow = hear(ctx);
    async::Executor executor;
    Receiver<Context> first{ctx};
    Receiver<Queue> second{ctx.queue(0)};
    executor.spawn(first.run());
    executor.spawn(second.run());
    expect_words(expect_error(EBUSY, [&] { executor.run(); }), {"another coroutine or hook waits for it"});
    plant();
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(first.got, Numbers{0});
}

TEST_F(AsyncRecvOf, AChainOfContextsPassesOnEveryPacket) {
    Context first = open();
    const Flow flow = hear(first);
    const std::string other_wire = name + ".next";
    Context out{"wire:" + other_wire, small};
    Context last{"wire:" + other_wire, small};
    const Flow last_flow = hear(last);
    const auto forward = [](Context& from, Queue& to, std::uint32_t count) -> Task {
        while (count > 0) {
            const RecvList list = co_await async::recv(from);
            SendList packets = co_await async::acquire(to, std::min<std::size_t>(list.size(), 8));
            auto next = packets.begin();
            for (const RecvPkt& pkt : list) {
                if (next == packets.end()) break;
                fill(*next++, number_of(pkt.bytes()));
                --count;
            }
            EXPECT_TRUE(to.send(std::move(packets)).empty());
        }
        EXPECT_TRUE(co_await async::flush(to));
    };
    async::Executor executor;
    Receiver<Context> receiver{last, 120};
    executor.spawn(forward(first, out.queue(0), 120));
    executor.spawn(receiver.run());
    for (std::uint32_t turn = 0; turn < 30; ++turn) {
        plant(4, 4 * turn);
        executor.run_for(0ns);
    }
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, counted(120));
}

}  // namespace
}  // namespace pktverbs::testing
