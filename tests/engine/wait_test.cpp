// SPDX-License-Identifier: Apache-2.0
// Waiting: modes, timeouts, stopping, and driving a context from an event loop.
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <future>
#include <stop_token>
#include <thread>

#include <pktverbs/soft/device.hpp>
#include "wired.hpp"

#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

struct How {
    const char* name;
    WaitMode mode;
    std::uint32_t queues;
};

/// Every way to wait, over one queue and over several.
class Wait : public Wired, public ::testing::WithParamInterface<How> {
protected:
    static Options options() {
        Options options = with_queues(GetParam().queues);
        options.wait = GetParam().mode;
        options.spin = 50us;
        return options;
    }
    std::future<RecvList> receiving(std::chrono::nanoseconds timeout, std::stop_token stop = {}) {
        return std::async(std::launch::async, [this, timeout, stop] { return ctx.recv(timeout, stop); });
    }
    Context ctx = open(options());
    Flow flow = hear(ctx, GetParam().queues - 1);
};
INSTANTIATE_TEST_SUITE_P(Ways, Wait,
                         ::testing::Values(How{"block", WaitMode::block, 1}, How{"busy", WaitMode::busy_poll, 1},
                                           How{"spin", WaitMode::spin_then_block, 1}, How{"block3", WaitMode::block, 3},
                                           How{"busy3", WaitMode::busy_poll, 3},
                                           How{"spin3", WaitMode::spin_then_block, 3}),
                         [](const auto& param) { return param.param.name; });

TEST_P(Wait, GivesAtOnceWhatIsThere) {
    plant(3);
    EXPECT_EQ(ctx.recv(no_timeout).size(), 3u);
}

TEST_P(Wait, ForeverEndsWithTheFirstFrame) {
    auto received = receiving(no_timeout);
    plant();
    EXPECT_EQ(numbers(received.get()), Numbers{0});
}

TEST_P(Wait, ForeverNeverGivesNothing) {
    constexpr std::uint32_t count = repeated(2000);
    std::thread world_thread{[this] {
        for (std::uint32_t i = 0; i < count; ++i) {
            plant(1, i);
            // The receiver has at most 16 packets: send no faster than it takes them.
            while (ctx.stats().recv_packets + 4 < i) std::this_thread::yield();
        }
    }};
    for (std::uint32_t next = 0; next < count;) {
        const RecvList list = ctx.recv(no_timeout);
        EXPECT_FALSE(list.empty());
        for (const RecvPkt& pkt : list) EXPECT_EQ(number_of(pkt.bytes()), next++);
    }
    world_thread.join();
}

TEST_P(Wait, TimesOutNotBeforeItsTime) {
    for (const auto timeout : {1ns, 1000000ns, 20000000ns}) {
        const auto start = std::chrono::steady_clock::now();
        const RecvList list = ctx.recv(timeout);
        EXPECT_GE(std::chrono::steady_clock::now() - start, timeout);
        EXPECT_TRUE(list.empty());
        EXPECT_EQ(list.outcome(), Outcome::timeout);
    }
}

TEST_P(Wait, NegativeTimeoutDoesNotWait) {
    EXPECT_EQ(ctx.recv(-1s).outcome(), Outcome::timeout);
    EXPECT_EQ(ctx.recv(std::chrono::nanoseconds::min()).outcome(), Outcome::timeout);
}

TEST_P(Wait, VeryLongTimeoutIsNotAShortOne) {
    auto received = receiving(no_timeout - 1ns);
    plant();
    EXPECT_EQ(received.get().size(), 1u);
}

TEST_P(Wait, StopsWhenAnotherThreadAsks) {
    std::stop_source stop;
    auto received = receiving(no_timeout, stop.get_token());
    stop.request_stop();
    EXPECT_EQ(received.get().outcome(), Outcome::stopped);
}

TEST_P(Wait, StopsAtOnceWhenAskedBefore) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(ctx.recv(no_timeout, stop.get_token()).outcome(), Outcome::stopped);
    EXPECT_EQ(to_string(ctx.recv(no_timeout, stop.get_token()).outcome()), "stopped");
}

TEST_P(Wait, StopsBeforeItTakesMoreFrames) {
    std::stop_source stop;
    stop.request_stop();
    plant(2);
    EXPECT_EQ(ctx.recv(no_timeout, stop.get_token()).outcome(), Outcome::stopped);
    EXPECT_EQ(ctx.recv(no_timeout).size(), 2u);  // nothing was lost by it
}

TEST_P(Wait, StopOfOneWaitDoesNotEndTheNext) {
    for (int turn = 0; turn < 20; ++turn) {
        std::stop_source stop;
        auto stopped = receiving(no_timeout, stop.get_token());
        stop.request_stop();
        EXPECT_EQ(stopped.get().outcome(), Outcome::stopped);
        EXPECT_EQ(ctx.recv(1us).outcome(), Outcome::timeout);
        auto received = receiving(no_timeout, std::stop_source{}.get_token());
        plant();
        EXPECT_EQ(received.get().size(), 1u);
    }
}

TEST_P(Wait, FramesAndStopsMayCross) {
    std::uint32_t received = 0;
    for (std::uint32_t turn = 0; turn < repeated(300); ++turn) {
        std::stop_source stop;
        std::thread asking{[&] { stop.request_stop(); }};
        plant();
        for (;;) {
            const RecvList list = ctx.recv(no_timeout, stop.get_token());
            received += static_cast<std::uint32_t>(list.size());
            if (list.empty()) {
                EXPECT_EQ(list.outcome(), Outcome::stopped);
                break;
            }
        }
        asking.join();
        // A stop that came before its frame leaves the frame for the next call.
        received += static_cast<std::uint32_t>(ctx.recv(0ns).size());
    }
    EXPECT_EQ(received, repeated(300));
}

using Blocking = Receiving;

TEST_F(Blocking, StaleEventIsNoReasonToReturn) {
    ASSERT_TRUE(ctx.arm());
    plant();
    EXPECT_EQ(ctx.recv(0ns).size(), 1u);  // and its event is still there
    auto received = std::async(std::launch::async, [&] { return ctx.recv(no_timeout); });
    while (ctx.stats().empty_wakeups == 0) std::this_thread::yield();
    plant();
    EXPECT_EQ(received.get().size(), 1u);
    EXPECT_EQ(ctx.stats().empty_wakeups, 1u);
}

TEST_F(Blocking, FrameBetweenPollingAndArmingIsNotMissed) {
    static decltype(&world) end = nullptr;
    static int (*arm)(ibv_cq*, int) = nullptr;
    end = &world;
    arm = std::exchange(ctx.raw()->ops.req_notify_cq, [](ibv_cq* cq, int solicited) {
        end->send(frame(7));  // before it is armed: this one makes no event
        return arm(cq, solicited);
    });
    EXPECT_EQ(numbers(ctx.recv(no_timeout)), Numbers{7});
}

TEST_F(Wired, EventsAreAcknowledgedInBatches) {
    if (datagrams) GTEST_SKIP() << "made with the soft device";
    static unsigned calls, events;
    calls = events = 0;
    verbs::Provider provider = soft::provider();
    provider.ack_cq_events = [](ibv_cq* cq, unsigned count) {
        ++calls;
        events += count;
        soft::provider().ack_cq_events(cq, count);
    };
    Device device = testing::wire_device(name);
    device.provider = &provider;
    Context ctx{device, small};
    const Flow flow = hear(ctx);
    for (int turn = 0; turn < 200; ++turn) {
        ASSERT_TRUE(ctx.arm());
        plant();
        ctx.drain();
        ctx.recv(0ns);
    }
    EXPECT_LE(calls, 4u);
    ctx.close();
    EXPECT_EQ(events, 200u);
}

TEST_F(Blocking, SignalIsNoReasonToReturn) {
    static std::atomic<int> handled{0};
    handled = 0;
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) { ++handled; };
    ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
    std::atomic<std::size_t> got{0};
    std::thread receiver{[&] { got = ctx.recv(no_timeout).size(); }};
    while (handled < 50) {  // by the number handled, not sent: several may become one, or wait for the next
        pthread_kill(receiver.native_handle(), SIGUSR1);
        std::this_thread::yield();
    }
    EXPECT_EQ(got, 0u);
    plant();
    receiver.join();
    EXPECT_EQ(got, 1u);
    sigaction(SIGUSR1, &before, nullptr);
}

/// A loop as in an event-driven program: arm, receive until empty, wait for the descriptor, drain.
class EventLoop : public Wired, public ::testing::WithParamInterface<std::uint32_t> {
protected:
    Context ctx = open(with_queues(GetParam()));
    Flow flow = hear(ctx, GetParam() - 1);

    bool readable() const {
        pollfd waited{ctx.fd(), POLLIN, 0};
        return poll(&waited, 1, 0) == 1;
    }
    std::uint32_t receive_all() {
        std::uint32_t received = 0;
        for (;;) {
            const RecvList list = ctx.recv(0ns);
            if (list.empty()) return received;
            received += static_cast<std::uint32_t>(list.size());
        }
    }
};
INSTANTIATE_TEST_SUITE_P(Queues, EventLoop, ::testing::Values(1U, 3U));

TEST_P(EventLoop, FdIsReadableWhenAnArmedCompletionArrived) {
    EXPECT_GE(ctx.fd(), 0);
    EXPECT_FALSE(readable());
    ASSERT_TRUE(ctx.arm());
    EXPECT_FALSE(readable());
    plant();
    EXPECT_TRUE(readable());
    EXPECT_TRUE(readable());  // level-triggered
    ctx.drain();
    EXPECT_FALSE(readable());
    EXPECT_EQ(receive_all(), 1u);
}

TEST_P(EventLoop, FdIsSilentWhenNotArmed) {
    plant();
    EXPECT_FALSE(readable());
    ASSERT_TRUE(ctx.arm());  // an earlier frame makes no event: hence recv() after arm()
    EXPECT_FALSE(readable());
    EXPECT_EQ(receive_all(), 1u);
}

TEST_P(EventLoop, ArmingTwiceMakesOneEvent) {
    ASSERT_TRUE(ctx.arm() && ctx.arm());
    plant(3);
    EXPECT_TRUE(readable());
    ctx.drain();
    EXPECT_FALSE(readable());
    ctx.drain();
    EXPECT_EQ(receive_all(), 3u);
}

TEST_P(EventLoop, WorksWithPoll) {
    constexpr std::uint32_t count = repeated(500);
    std::thread world_thread{[this] {
        for (std::uint32_t i = 0; i < count; ++i) {
            plant(1, i);
            while (ctx.stats().recv_packets + 4 < i) std::this_thread::yield();
        }
    }};
    for (std::uint32_t received = 0; received < count;) {
        ASSERT_TRUE(ctx.arm());
        if (const std::uint32_t got = receive_all(); got != 0) {
            received += got;
            continue;
        }
        pollfd waited{ctx.fd(), POLLIN, 0};
        ASSERT_EQ(poll(&waited, 1, -1), 1);
        ctx.drain();
    }
    world_thread.join();
}

TEST_P(EventLoop, WorksWithEpoll) {
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    ASSERT_EQ(epoll_ctl(loop, EPOLL_CTL_ADD, ctx.fd(), &wanted), 0);
    for (std::uint32_t turn = 0; turn < 50; ++turn) {
        ASSERT_TRUE(ctx.arm());
        ASSERT_EQ(receive_all(), 0u);
        std::thread world_thread{[&] { plant(2, turn); }};
        epoll_event came{};
        ASSERT_EQ(epoll_wait(loop, &came, 1, -1), 1);
        world_thread.join();
        ctx.drain();
        EXPECT_EQ(receive_all(), 2u);
    }
    close(loop);
}

TEST_P(EventLoop, ManyEventsAreAcknowledged) {
    for (std::uint32_t turn = 0; turn < 300; ++turn) {
        ASSERT_TRUE(ctx.arm());
        plant();
        ASSERT_TRUE(readable());
        ctx.drain();
        ASSERT_EQ(receive_all(), 1u);
    }
    EXPECT_NO_THROW(ctx.close());  // waits for all of them
}

TEST_P(EventLoop, LosesNothingToABlockingReceive) {
    ASSERT_TRUE(ctx.arm());
    plant();
    EXPECT_EQ(ctx.recv(no_timeout).size(), 1u);
    ctx.drain();
    ASSERT_TRUE(ctx.arm());
    plant();
    EXPECT_TRUE(readable());
}

}  // namespace
}  // namespace pktverbs::testing
