// SPDX-License-Identifier: Apache-2.0
// Completion queues that are resized.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

/// An end with a completion queue of 8 for receives, 64 receives posted.
struct ResizedEnd : VerbsEnd {
    WireTap tap{"w"};
    std::uint64_t sent = 0;

    ResizedEnd() : VerbsEnd{{.recv_depth = 64, .completions = 8}} { fill(64); }
    int resize(int entries) { return verbs.resize_cq(recv_cq.get(), entries); }
    void arrive(int frames) {
        for (int i = 0; i < frames; ++i, ++sent) tap.send(frame_to(1));
    }
    bool is_overrun() const { return readable(context->async_fd); }
};

void expect_ids(const std::vector<ibv_wc>& completions, std::uint64_t first, std::size_t count) {
    ASSERT_EQ(completions.size(), count);
    for (const ibv_wc& wc : completions) EXPECT_WC(wc, first++, IBV_WC_SUCCESS);
}

TEST(Resize, MakesRoomForMore) {
    ResizedEnd end;
    ASSERT_EQ(end.resize(33), 0);
    EXPECT_EQ(end.recv_cq->cqe, 64);
    end.arrive(64);
    expect_ids(poll_all(end.recv_cq), 0, 64);
    EXPECT_FALSE(end.is_overrun());
}

TEST(Resize, KeepsWhatWaitsInItsOrder) {
    ResizedEnd end;
    // The ring has wrapped before it grows.
    end.arrive(6);
    expect_ids(poll_all(end.recv_cq), 0, 6);
    end.arrive(7);
    ASSERT_EQ(end.resize(16), 0);
    end.arrive(9);
    ASSERT_EQ(end.resize(32), 0);
    end.arrive(3);
    expect_ids(poll_all(end.recv_cq), 6, 19);
}

TEST(Resize, ShrinksToWhatWaits) {
    ResizedEnd end;
    ASSERT_EQ(end.resize(32), 0);
    end.arrive(4);
    EXPECT_EQ(end.resize(3), EINVAL);
    EXPECT_EQ(end.recv_cq->cqe, 32);
    ASSERT_EQ(end.resize(4), 0);
    EXPECT_EQ(end.recv_cq->cqe, 4);
    expect_ids(poll_all(end.recv_cq), 0, 4);
    end.arrive(4);
    EXPECT_FALSE(end.is_overrun());
    end.arrive(1);
    EXPECT_TRUE(end.is_overrun());
    expect_ids(poll_all(end.recv_cq), 4, 4);
}

TEST(Resize, RefusesWhatIsOutOfRange) {
    ResizedEnd end;
    for (const int entries : {-1, 0, (1 << 20) + 1, INT32_MAX}) EXPECT_EQ(end.resize(entries), EINVAL);
    EXPECT_EQ(end.recv_cq->cqe, 8);
    ASSERT_EQ(end.resize(1 << 20), 0);
    EXPECT_EQ(end.recv_cq->cqe, 1 << 20);
}

TEST(Resize, LeavesTheQueueArmed) {
    ResizedEnd end;
    ASSERT_EQ(ibv_req_notify_cq(end.recv_cq.get(), 0), 0);
    ASSERT_EQ(end.resize(32), 0);
    EXPECT_FALSE(readable(end.channel->fd));
    end.arrive(1);
    ibv_cq* cq = nullptr;
    void* context = nullptr;
    ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &cq, &context), 0);
    EXPECT_EQ(cq, end.recv_cq.get());
    end.verbs.ack_cq_events(cq, 1);
}

TEST(Resize, DoesNotMendAnOverrun) {
    ResizedEnd end;
    end.arrive(9);
    ASSERT_TRUE(end.is_overrun());
    ASSERT_EQ(end.resize(32), 0);
    expect_ids(poll_all(end.recv_cq), 0, 8);
    ibv_wc wc;
    EXPECT_EQ(ibv_poll_cq(end.recv_cq.get(), 1, &wc), -EIO);
}

/// An extended completion queue with a queue pair that sends to it.
struct ExtendedEnd : VerbsEnd {
    ibv_cq_ex* cq;
    verbs::CqHandle owned;
    verbs::QpHandle extended_qp;

    ExtendedEnd() {
        ibv_cq_init_attr_ex init{};
        init.cqe = 32;
        cq = ibv_create_cq_ex(context.get(), &init);
        owned = {ibv_cq_ex_to_cq(cq), {&verbs}};
        ibv_qp_init_attr made{};
        made.send_cq = made.recv_cq = owned.get();
        made.cap = {64, 0, 1, 1, 0};
        made.qp_type = IBV_QPT_RAW_PACKET;
        extended_qp = {verbs.create_qp(pd.get(), &made), {&verbs}};
        bring_to(extended_qp.get(), IBV_QPS_RTS);
    }
    int send(std::uint64_t id) { return post_send(id, {sge(0, 60)}, IBV_SEND_SIGNALED, extended_qp.get()); }
};

TEST(Resize, MayComeWhileAnExtendedQueueIsPolled) {
    ExtendedEnd end;
    for (std::uint64_t id = 0; id < 20; ++id) ASSERT_EQ(end.send(id), 0);
    ibv_poll_cq_attr attr{};
    ASSERT_EQ(ibv_start_poll(end.cq, &attr), 0);
    for (std::uint64_t id = 0;; ++id) {
        EXPECT_EQ(end.cq->wr_id, id);
        if (id == 2) {
            EXPECT_EQ(end.verbs.resize_cq(end.owned.get(), 10), EINVAL) << "20 wait, polled or not";
            EXPECT_EQ(end.verbs.resize_cq(end.owned.get(), 64), 0);
        }
        // After 16 the next ones are fetched, and there is room for the first 16 places again.
        if (id == 18) {
            EXPECT_EQ(end.verbs.resize_cq(end.owned.get(), 4), 0);
        }
        if (id == 19) break;
        ASSERT_EQ(ibv_next_poll(end.cq), 0);
    }
    EXPECT_EQ(ibv_next_poll(end.cq), ENOENT);
    ibv_end_poll(end.cq);
}

TEST(ThreadedResize, LosesNothingOfAClassicQueue) {
    constexpr std::uint64_t frames = 20000;
    VerbsEnd end{{.send_depth = 64, .completions = 64}};
    std::atomic<bool> stop{false};
    std::thread resizer{[&] {
        for (int i = 0; !stop; ++i) {
            const int result = end.verbs.resize_cq(end.send_cq.get(), i % 2 == 0 ? 64 : 256);
            EXPECT_EQ(result, 0);
        }
    }};
    std::uint64_t next = 0;
    for (std::uint64_t posted = 0; next < frames;) {
        while (posted < frames && end.post_send(posted, {end.sge(0, 60)}) == 0) ++posted;
        for (const ibv_wc& wc : poll_all(end.send_cq)) EXPECT_EQ(wc.wr_id, next++);
    }
    stop = true;
    resizer.join();
    EXPECT_EQ(next, frames);
}

TEST(ThreadedResize, LosesNothingOfAnExtendedQueue) {
    constexpr std::uint64_t frames = 20000;
    ExtendedEnd end;
    ASSERT_EQ(end.verbs.resize_cq(end.owned.get(), 64), 0);
    std::atomic<bool> stop{false};
    std::thread resizer{[&] {
        for (int i = 0; !stop; ++i) EXPECT_EQ(end.verbs.resize_cq(end.owned.get(), i % 2 == 0 ? 64 : 256), 0);
    }};
    std::thread sender{[&] {
        for (std::uint64_t posted = 0; posted < frames;) {
            if (end.send(posted) == 0)
                ++posted;
            else
                std::this_thread::yield();
        }
    }};
    for (std::uint64_t next = 0; next < frames;) {
        ibv_poll_cq_attr attr{};
        if (ibv_start_poll(end.cq, &attr) != 0) continue;
        do EXPECT_EQ(end.cq->wr_id, next++);
        while (ibv_next_poll(end.cq) == 0);
        ibv_end_poll(end.cq);
    }
    sender.join();
    stop = true;
    resizer.join();
}

}  // namespace
}  // namespace pktverbs::testing
