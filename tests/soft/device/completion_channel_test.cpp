// SPDX-License-Identifier: Apache-2.0
// Waiting for completions: arming, events, descriptors, acknowledgements.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "rounds.hpp"
#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

class CompletionChannel : public ::testing::Test {
protected:
    VerbsEnd end;
    WireTap tap{"w"};

    CompletionChannel() { end.fill(16); }

    void arm(bool solicited_only = false, ibv_cq* cq = nullptr) {
        EXPECT_EQ(ibv_req_notify_cq(cq ? cq : end.recv_cq.get(), solicited_only ? 1 : 0), 0);
    }
    void receive() { tap.send(frame_to(1)); }
    /// The queue of the next event, acknowledged; null when there is none.
    ibv_cq* event() {
        ibv_cq* cq = nullptr;
        void* context = nullptr;
        errno = 0;
        if (end.verbs.get_cq_event(end.channel.get(), &cq, &context) != 0) {
            EXPECT_EQ(errno, EAGAIN);
            return nullptr;
        }
        end.verbs.ack_cq_events(cq, 1);
        return cq;
    }
};

TEST_F(CompletionChannel, HasNoEventUnlessArmed) {
    receive();
    EXPECT_EQ(event(), nullptr);
    EXPECT_FALSE(readable(end.channel->fd));
}

TEST_F(CompletionChannel, GivesOneEventForOneArming) {
    arm();
    receive();
    receive();
    EXPECT_EQ(event(), end.recv_cq.get());
    EXPECT_EQ(event(), nullptr);
    receive();
    EXPECT_EQ(event(), nullptr);
}

TEST_F(CompletionChannel, GivesAnEventEachTimeItIsArmed) {
    for (int i = 0; i < 5; ++i) {
        arm();
        receive();
        EXPECT_EQ(event(), end.recv_cq.get());
    }
}

TEST_F(CompletionChannel, KeepsEventsThatWereNotTaken) {
    for (int i = 0; i < 3; ++i) {
        arm();
        receive();
    }
    for (int i = 0; i < 3; ++i) EXPECT_EQ(event(), end.recv_cq.get());
    EXPECT_EQ(event(), nullptr);
}

TEST_F(CompletionChannel, ReportsNoEarlierCompletions) {
    receive();
    arm();
    EXPECT_EQ(event(), nullptr);
    receive();
    EXPECT_EQ(event(), end.recv_cq.get());
}

TEST_F(CompletionChannel, WakesForErrorsOnlyWhenSolicited) {
    arm(true);
    receive();
    EXPECT_EQ(event(), nullptr);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    EXPECT_EQ(event(), end.recv_cq.get());
    EXPECT_EQ(event(), nullptr);
}

TEST_F(CompletionChannel, IsNotWeakenedBySolicitedOnly) {
    arm();
    arm(true);
    receive();
    EXPECT_EQ(event(), end.recv_cq.get());
}

TEST_F(CompletionChannel, CanBeArmedForMoreAfterSolicitedOnly) {
    arm(true);
    arm();
    receive();
    EXPECT_EQ(event(), end.recv_cq.get());
}

TEST_F(CompletionChannel, IsReadableJustWhileAnEventIsQueued) {
    EXPECT_FALSE(readable(end.channel->fd));
    arm();
    EXPECT_FALSE(readable(end.channel->fd));
    receive();
    EXPECT_TRUE(readable(end.channel->fd));
    poll_all(end.recv_cq);  // the event stays
    EXPECT_TRUE(readable(end.channel->fd));
    event();
    EXPECT_FALSE(readable(end.channel->fd));
}

TEST_F(CompletionChannel, CanBeWatchedByEpoll) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event wanted{.events = EPOLLIN, .data = {}};
    ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, end.channel->fd, &wanted), 0);
    epoll_event got{};
    EXPECT_EQ(epoll_wait(epoll, &got, 1, 0), 0);
    arm();
    receive();
    EXPECT_EQ(epoll_wait(epoll, &got, 1, 0), 1);
    event();
    EXPECT_EQ(epoll_wait(epoll, &got, 1, 0), 0);
    close(epoll);
}

TEST_F(CompletionChannel, ServesTwoQueues) {
    arm();
    arm(false, end.send_cq.get());
    receive();
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    EXPECT_EQ(event(), end.recv_cq.get());
    EXPECT_TRUE(readable(end.channel->fd));
    EXPECT_EQ(event(), end.send_cq.get());
    EXPECT_FALSE(readable(end.channel->fd));
}

TEST_F(CompletionChannel, GivesTheContextOfTheQueue) {
    int mine = 0;
    const auto cq = end.make_cq(4, end.channel.get(), &mine);
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq.get();
    attr.cap = {1, 1, 1, 1, 0};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &attr), {&end.verbs}};
    bring_to(qp.get(), IBV_QPS_RTS);
    arm(false, cq.get());
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
    ibv_cq* woken = nullptr;
    void* context = nullptr;
    ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &woken, &context), 0);
    EXPECT_EQ(woken, cq.get());
    EXPECT_EQ(context, &mine);
    end.verbs.ack_cq_events(woken, 1);
}

/// Programs that pass an int for the queue's context, followed by the pointer for the queue: half of the context
/// overwrites the pointer. Here all of it does, as the sanitizer would report a misaligned pointer.
TEST_F(CompletionChannel, GivesTheQueueAfterItsContext) {
    arm();
    receive();
    ibv_cq* woken = nullptr;
    ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &woken, reinterpret_cast<void**>(&woken)), 0);
    ASSERT_EQ(woken, end.recv_cq.get());
    end.verbs.ack_cq_events(woken, 1);
}

TEST_F(CompletionChannel, IsNotThereForEveryQueue) {
    const auto cq = end.make_cq(4);
    EXPECT_EQ(cq->channel, nullptr);
    EXPECT_EQ(ibv_req_notify_cq(cq.get(), 0), 0);
}

TEST_F(CompletionChannel, ForgetsTheUnreadEventsOfAQueue) {
    arm();
    receive();
    arm(false, end.send_cq.get());
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    end.all_default.reset();
    end.qp.reset();
    end.recv_cq.reset();
    EXPECT_EQ(event(), end.send_cq.get());
    EXPECT_FALSE(readable(end.channel->fd));
}

TEST_F(CompletionChannel, ForgetsAQueueThatIsArmed) {
    arm();
    end.all_default.reset();
    end.qp.reset();
    end.recv_cq.reset();
    EXPECT_FALSE(readable(end.channel->fd));
    EXPECT_EQ(event(), nullptr);
}

TEST_F(CompletionChannel, IsAcknowledgedBeforeItsQueueGoes) {
    arm();
    receive();
    arm();
    receive();
    for (int i = 0; i < 2; ++i) {
        ibv_cq* cq = nullptr;
        void* context = nullptr;
        ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &cq, &context), 0);
    }
    end.all_default.reset();
    end.qp.reset();
    ibv_cq* const cq = end.recv_cq.release();
    std::atomic<bool> acknowledged{false};
    std::atomic<bool> started{false};
    std::thread destroyer{[&] {
        started = true;
        EXPECT_EQ(end.verbs.destroy_cq(cq), 0);
        EXPECT_TRUE(acknowledged);
    }};
    while (!started) std::this_thread::yield();
    end.verbs.ack_cq_events(cq, 1);
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    acknowledged = true;
    end.verbs.ack_cq_events(cq, 1);
    destroyer.join();
}

TEST_F(CompletionChannel, WakesABlockedWaiterByASendFromAnotherThread) {
    VerbsEnd peer;
    set_blocking(end.channel->fd, true);
    for (int round = 0; round < 200; ++round) {
        arm();
        std::thread sender{[&] {
            EXPECT_EQ(peer.post_send(1, {peer.sge(0, 60)}), 0);
            poll_all(peer.send_cq);
        }};
        EXPECT_EQ(event(), end.recv_cq.get());
        sender.join();
        ASSERT_EQ(poll_all(end.recv_cq).size(), 1U);
        ASSERT_EQ(end.post_recv(0, {end.sge(0, 2048)}), 0);
    }
}

TEST_F(CompletionChannel, WakesTwoWaitersForTwoEvents) {
    set_blocking(end.channel->fd, true);
    for (int round = 0; round < 100; ++round) {
        arm();
        arm(false, end.send_cq.get());
        std::atomic<int> woken{0};
        std::thread waiters[2];
        for (std::thread& waiter : waiters) waiter = std::thread{[&] { woken += event() != nullptr; }};
        ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
        receive();
        for (std::thread& waiter : waiters) waiter.join();
        EXPECT_EQ(woken, 2);
        poll_all(end.send_cq);
        poll_all(end.recv_cq);
        end.fill(1);
    }
}

/// The way to wait that ibv_get_cq_event(3) shows: arm, poll once more, then block. A wake-up that is lost hangs it.
TEST_F(CompletionChannel, MissesNothingBetweenPollingAndArming) {
    const auto frames = rounds(20000U);
    VerbsEnd peer;
    std::atomic<std::uint32_t> got{0};
    set_blocking(end.channel->fd, true);
    std::thread sender{[&] {
        for (std::uint32_t sent = 0; sent < frames; ++sent) {
            if (sent >= 16) got.wait(sent - 16);  // a frame without a buffer would wake no waiter
            EXPECT_EQ(peer.post_send(sent, {peer.sge(0, 60)}), 0);
            poll_all(peer.send_cq);
        }
    }};
    while (got < frames) {
        arm();
        const auto done = poll_all(end.recv_cq);
        if (done.empty()) event();
        for (const ibv_wc& wc : done) EXPECT_EQ(end.post_recv(wc.wr_id, {end.sge(0, 2048)}), 0);
        got += static_cast<std::uint32_t>(done.size());
        got.notify_one();
    }
    sender.join();
    EXPECT_EQ(end.drops().total(), 0U);
}

}  // namespace
}  // namespace pktverbs::testing
