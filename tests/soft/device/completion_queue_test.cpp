// SPDX-License-Identifier: Apache-2.0
// Polling a completion queue, and what happens when it is too small.
#include <gtest/gtest.h>

#include <cerrno>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

/// `frames` arrive at a queue of four completions.
void overrun(VerbsEnd& end, int frames) {
    WireTap tap{"w"};
    end.fill(16);
    for (int i = 0; i < frames; ++i) tap.send(frame_to(1));
}
const EndOptions four{.completions = 4};

TEST(CompletionQueue, GivesWhatACompletionSays) {
    VerbsEnd end;
    VerbsEnd peer;
    peer.fill(1);
    ASSERT_EQ(end.post_send(7, {end.put(0, frame_to(1, 80))}), 0);
    const ibv_wc sent = poll_one(end.send_cq);
    EXPECT_WC(sent, 7U, IBV_WC_SUCCESS);
    EXPECT_EQ(sent.opcode, IBV_WC_SEND);
    EXPECT_EQ(sent.qp_num, end.qp->qp_num);
    const ibv_wc received = poll_one(peer.recv_cq);
    EXPECT_WC(received, 0U, IBV_WC_SUCCESS);
    EXPECT_EQ(received.opcode, IBV_WC_RECV);
    EXPECT_EQ(received.byte_len, 80U);
    EXPECT_EQ(received.qp_num, peer.qp->qp_num);
    EXPECT_EQ(received.wc_flags, 0U);
}

TEST(CompletionQueue, GivesNoMoreThanAskedFor) {
    VerbsEnd end;
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
    ibv_wc wcs[4];
    EXPECT_EQ(ibv_poll_cq(end.send_cq.get(), 0, wcs), 0);
    EXPECT_LT(ibv_poll_cq(end.send_cq.get(), -1, wcs), 0);
    EXPECT_EQ(ibv_poll_cq(end.send_cq.get(), 4, wcs), 4);
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(wcs[i].wr_id, i);
    EXPECT_EQ(ibv_poll_cq(end.send_cq.get(), 4, wcs), 1);
    EXPECT_EQ(ibv_poll_cq(end.send_cq.get(), 4, wcs), 0);
}

TEST(CompletionQueue, MayServeBothSidesOfManyQueuePairs) {
    VerbsEnd end;
    WireTap tap{"w"};
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = end.recv_cq.get();
    attr.cap = {16, 16, 1, 1, 0};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &attr), {&end.verbs}};
    bring_to(qp.get(), IBV_QPS_RTS);
    end.fill(1);
    tap.send(frame_to(1));
    ASSERT_EQ(end.post_send(3, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
    const auto done = poll_all(end.recv_cq);
    ASSERT_EQ(done.size(), 2U);
    EXPECT_EQ(done[0].qp_num, end.qp->qp_num);
    EXPECT_EQ(done[1].qp_num, qp->qp_num);
}

TEST(CompletionQueue, WrapsAround) {
    VerbsEnd end{{.completions = 4}};
    for (std::uint64_t i = 0; i < 40; ++i) {
        ASSERT_EQ(end.post_send(2 * i, {end.sge(0, 60)}), 0);
        ASSERT_EQ(end.post_send(2 * i + 1, {end.sge(0, 60)}), 0);
        const auto done = poll_all(end.send_cq);
        ASSERT_EQ(done.size(), 2U);
        EXPECT_EQ(done[1].wr_id, 2 * i + 1);
    }
}

TEST(CompletionQueue, HoldsAsManyAsGranted) {
    VerbsEnd end{four};
    overrun(end, 4);
    EXPECT_FALSE(readable(end.context->async_fd));
    EXPECT_EQ(poll_all(end.recv_cq).size(), 4U);
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
}

TEST(CompletionQueue, ReportsAnOverrunOnce) {
    VerbsEnd end{four};
    overrun(end, 7);
    ibv_async_event event{};
    ASSERT_TRUE(readable(end.context->async_fd));
    ASSERT_EQ(end.verbs.get_async_event(end.context.get(), &event), 0);
    EXPECT_EQ(event.event_type, IBV_EVENT_CQ_ERR);
    EXPECT_EQ(event.element.cq, end.recv_cq.get());
    end.verbs.ack_async_event(&event);
    EXPECT_FALSE(readable(end.context->async_fd));
}

TEST(CompletionQueue, GivesWhatItHasAfterAnOverrunAndThenAnError) {
    VerbsEnd end{four};
    WireTap tap{"w"};
    overrun(end, 5);
    EXPECT_EQ(poll_all(end.recv_cq).size(), 4U);
    ibv_wc wc;
    EXPECT_EQ(ibv_poll_cq(end.recv_cq.get(), 1, &wc), -EIO);
    tap.send(frame_to(1));
    EXPECT_EQ(ibv_poll_cq(end.recv_cq.get(), 1, &wc), -EIO);
}

TEST(CompletionQueue, OverrunsBySendsToo) {
    VerbsEnd end{four};
    for (std::uint64_t i = 0; i < 5; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
    ibv_async_event event{};
    ASSERT_EQ(end.verbs.get_async_event(end.context.get(), &event), 0);
    EXPECT_EQ(event.element.cq, end.send_cq.get());
    end.verbs.ack_async_event(&event);
}

}  // namespace
}  // namespace pktverbs::testing
