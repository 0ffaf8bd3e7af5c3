// SPDX-License-Identifier: Apache-2.0
// async::acquire and async::flush, and the send side's descriptor that they use.
#include <poll.h>

#include <thread>

#include "async_wired.hpp"
#include "faulty_ops.hpp"

namespace pktverbs::testing {
namespace {

class AsyncSend : public AsyncWired {
protected:
    bool readable() {
        pollfd waiting{queue.send_fd(), POLLIN, 0};
        return poll(&waiting, 1, 0) == 1;
    }
    /// Completions exist, but are hidden until the test releases them.
    void withhold() { ops.withheld = queue.raw_send_cq(); }
    void let_go() { ops.withheld = nullptr; }
    /// On a wire sends complete at once, so it takes one more for an event.
    void complete_spare() {
        let_go();
        ctx.send(std::move(spare));
        EXPECT_TRUE(readable());
    }

    Context ctx = open();
    Queue& queue = ctx.queue(0);
    SendList spare = filled(ctx.acquire(1), 99);  ///< leaves 7
    FaultyOps ops{ctx};
    async::Executor executor;
};

TEST_F(AsyncSend, DescriptorIsReadableWhenAnArmedSendCompleted) {
    EXPECT_GE(queue.send_fd(), 0);
    EXPECT_FALSE(queue.arm_send()) << "nothing will complete";
    EXPECT_FALSE(readable());
    ctx.send(filled(ctx.acquire(3), 0));
    EXPECT_TRUE(readable());  // it was armed nonetheless
    queue.drain_send();
    EXPECT_FALSE(readable());
    EXPECT_EQ(ctx.acquire(8).size(), 7u);
}

TEST_F(AsyncSend, ReceiveOnlyContextHasNoDescriptor) {
    Options options = small;
    options.send_packets = none;
    Context receiver = open(options);
    EXPECT_EQ(receiver.queue(0).send_fd(), -1);
    EXPECT_FALSE(receiver.queue(0).arm_send());
    receiver.queue(0).drain_send();
    const auto flush = [](Queue& from) -> Task {
        EXPECT_TRUE(co_await async::flush(from));
        EXPECT_TRUE((co_await async::acquire(from, 3)).empty());
    };
    executor.spawn(flush(receiver.queue(0)));
    EXPECT_TRUE(executor.run());
}

TEST_F(AsyncSend, AcquireGivesAtOnceWhatIsFree) {
    const auto acquire = [](Queue& from) -> Task {
        EXPECT_EQ((co_await async::acquire(from, 5)).size(), 5u);
        EXPECT_EQ((co_await async::acquire(from, 100)).size(), 7u) << "the spare one is in a list";
        EXPECT_EQ((co_await async::acquire(from, 0)).size(), 0u);
    };
    executor.spawn(acquire(queue));
    EXPECT_TRUE(executor.run_for(0ns));
    EXPECT_EQ(ctx.acquire(8).size(), 7u);
}

TEST_F(AsyncSend, AcquireWaitsForCompletions) {
    withhold();
    ctx.send(filled(ctx.acquire(5), 0));
    std::size_t got = 0;
    const auto acquire = [](Queue& from, std::size_t& count) -> Task {
        count = (co_await async::acquire(from, 7)).size();
    };
    executor.spawn(acquire(queue, got));
    EXPECT_FALSE(executor.run_for(0ns));
    EXPECT_TRUE(ctx.acquire(8).empty()) << "the free ones are already reserved";
    complete_spare();
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(got, 7u);
}

TEST_F(AsyncSend, AcquireGivesWhatThereIsWhenTimeOrStopEndsIt) {
    withhold();
    ctx.send(filled(ctx.acquire(5), 0));
    std::stop_source stop;
    std::vector<std::size_t> got;
    const auto acquire = [](Queue& from, std::stop_token token, std::vector<std::size_t>& counts) -> Task {
        counts.push_back((co_await async::acquire(from, 4, 1ms)).size());
        counts.push_back((co_await async::acquire(from, 5, no_timeout, token)).size());
    };
    executor.spawn(acquire(queue, stop.get_token(), got));
    EXPECT_FALSE(executor.run_for(5ms));
    EXPECT_EQ(got, std::vector<std::size_t>{2});
    stop.request_stop();
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(got, (std::vector<std::size_t>{2, 2}));
    let_go();
    EXPECT_EQ(ctx.acquire(8).size(), 7u);
}

TEST_F(AsyncSend, AcquireDoesNotWaitForPacketsInLists) {
    const SendList held = ctx.acquire(4);
    std::size_t got = 0;
    const auto acquire = [](Queue& from, std::size_t& count) -> Task {
        count = (co_await async::acquire(from, 8)).size();
    };
    executor.spawn(acquire(queue, got));
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(got, 3u);
}

TEST_F(AsyncSend, FlushWaitsUntilNothingIsInFlight) {
    withhold();
    ctx.send(filled(ctx.acquire(6), 0));
    std::optional<bool> flushed;
    const auto flush = [](Queue& of, std::optional<bool>& done) -> Task { done = co_await async::flush(of); };
    executor.spawn(flush(queue, flushed));
    EXPECT_FALSE(executor.run_for(0ns));
    EXPECT_FALSE(flushed);
    complete_spare();
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(flushed, true);
}

TEST_F(AsyncSend, FlushReturnsFalseWhenTimeOrStopEndsIt) {
    withhold();
    ctx.send(filled(ctx.acquire(2), 0));
    std::stop_source stop;
    const auto flush = [](Queue& of, std::stop_source& source) -> Task {
        EXPECT_FALSE(co_await async::flush(of, 1ms));
        source.request_stop();
        EXPECT_FALSE(co_await async::flush(of, no_timeout, source.get_token()));
    };
    executor.spawn(flush(queue, stop));
    EXPECT_TRUE(executor.run());
}

TEST_F(AsyncSend, FlushGivesUpWhenTheDeviceRefusesToBeArmed) {
    withhold();
    ctx.send(filled(ctx.acquire(2), 0));
    ops.bad_notifies = 1;
    std::optional<bool> flushed;
    const auto flush = [](Queue& of, std::optional<bool>& done) -> Task { done = co_await async::flush(of); };
    executor.spawn(flush(queue, flushed));
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(flushed, false);
    EXPECT_EQ(queue.error(), EIO);
}

TEST_F(AsyncSend, OneQueueMayReceiveAndSendAtOnce) {
    Context echo = open();
    const Flow echo_flow = hear(echo);
    const Flow flow = hear(ctx);
    const auto answer = [](Queue& on, std::uint32_t count) -> Task {
        while (count > 0) {
            for (const RecvPkt& pkt : co_await async::recv(on)) {
                SendList one = co_await async::acquire(on, 1);
                fill(one.front(), number_of(pkt.bytes()));
                EXPECT_TRUE(on.send(std::move(one)).empty());
                --count;
            }
        }
    };
    const auto ask = [](Queue& on, std::uint32_t count) -> Task {
        for (std::uint32_t i = 0; i < count; ++i) {
            SendList one = co_await async::acquire(on, 1);
            fill(one.front(), i);
            on.send(std::move(one));
            const RecvList list = co_await async::recv(on);
            EXPECT_EQ(numbers(list), Numbers{i});
        }
    };
    executor.spawn(answer(echo.queue(0), 300));
    executor.spawn(ask(queue, 300));
    EXPECT_TRUE(executor.run());
}

}  // namespace
}  // namespace pktverbs::testing
