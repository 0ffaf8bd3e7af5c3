// SPDX-License-Identifier: Apache-2.0
// Asynchronous events: which ones, in which order, and when the descriptor is readable.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

class AsyncEvent : public ::testing::Test {
protected:
    VerbsEnd end{{.completions = 4}};
    Wire wire{"w"};

    ibv_async_event take() {
        ibv_async_event event{};
        EXPECT_EQ(end.verbs.get_async_event(end.context.get(), &event), 0);
        return event;
    }
    void overrun() {
        for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
    }
};

TEST_F(AsyncEvent, ComesInOrder) {
    wire.set_link(false);
    overrun();
    wire.set_link(true);
    for (const ibv_event_type expected : {IBV_EVENT_PORT_ERR, IBV_EVENT_CQ_ERR, IBV_EVENT_PORT_ACTIVE}) {
        EXPECT_TRUE(readable(end.context->async_fd));
        ibv_async_event event = take();
        EXPECT_EQ(event.event_type, expected);
        if (expected != IBV_EVENT_CQ_ERR) {
            EXPECT_EQ(event.element.port_num, 1);
        }
        end.verbs.ack_async_event(&event);
    }
    EXPECT_FALSE(readable(end.context->async_fd));
}

TEST_F(AsyncEvent, GivesEagainWhenNoneIsThere) {
    set_blocking(end.context->async_fd, false);
    ibv_async_event event{};
    errno = 0;
    EXPECT_EQ(end.verbs.get_async_event(end.context.get(), &event), -1);
    EXPECT_EQ(errno, EAGAIN);
}

TEST_F(AsyncEvent, DoesNotRepeatTheStateOfTheLink) {
    wire.set_link(true);
    EXPECT_FALSE(readable(end.context->async_fd));
    wire.set_link(false);
    wire.set_link(false);
    take();
    EXPECT_FALSE(readable(end.context->async_fd));
}

TEST_F(AsyncEvent, OfThePortAreKeptInABoundedNumber) {
    overrun();
    for (int i = 0; i < 1000; ++i) wire.set_link(i % 2 != 0);
    // A queue's event comes once, and is not displaced.
    ibv_async_event of_queue = take();
    EXPECT_EQ(of_queue.event_type, IBV_EVENT_CQ_ERR);
    end.verbs.ack_async_event(&of_queue);
    for (int i = 0; i < 64; ++i)
        EXPECT_EQ(take().event_type, i % 2 == 0 ? IBV_EVENT_PORT_ERR : IBV_EVENT_PORT_ACTIVE) << i;
    EXPECT_FALSE(readable(end.context->async_fd));
    wire.set_link(false);
    EXPECT_TRUE(readable(end.context->async_fd));
    EXPECT_EQ(take().event_type, IBV_EVENT_PORT_ERR);
}

TEST_F(AsyncEvent, WakesABlockedThread) {
    std::thread waiter{[&] { EXPECT_EQ(take().event_type, IBV_EVENT_PORT_ERR); }};
    wire.set_link(false);
    waiter.join();
}

TEST_F(AsyncEvent, GoesToOneOfTwoThreads) {
    std::atomic<int> downs{0};
    std::thread waiters[2];
    for (std::thread& waiter : waiters) waiter = std::thread{[&] { downs += take().event_type == IBV_EVENT_PORT_ERR; }};
    wire.set_link(false);
    wire.set_link(true);
    for (std::thread& waiter : waiters) waiter.join();
    EXPECT_EQ(downs, 1);
}

TEST_F(AsyncEvent, OfAQueueGoesWithIt) {
    overrun();
    wire.set_link(false);
    end.all_default.reset();
    end.qp.reset();
    end.send_cq.reset();
    EXPECT_EQ(take().event_type, IBV_EVENT_PORT_ERR);
    EXPECT_FALSE(readable(end.context->async_fd));
}

TEST_F(AsyncEvent, OfAQueueAloneLeavesTheDescriptorQuiet) {
    overrun();
    end.all_default.reset();
    end.qp.reset();
    end.send_cq.reset();
    EXPECT_FALSE(readable(end.context->async_fd));
}

TEST_F(AsyncEvent, IsAcknowledgedBeforeItsQueueGoes) {
    overrun();
    ibv_async_event event = take();
    end.all_default.reset();
    end.qp.reset();
    ibv_cq* const cq = end.send_cq.release();
    std::atomic<bool> acknowledged{false};
    std::thread destroyer{[&] {
        EXPECT_EQ(end.verbs.destroy_cq(cq), 0);
        EXPECT_TRUE(acknowledged);
    }};
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    acknowledged = true;
    end.verbs.ack_async_event(&event);
    destroyer.join();
}

}  // namespace
}  // namespace pktverbs::testing
