// SPDX-License-Identifier: Apache-2.0
// Extended completion queues: start_poll, next_poll, end_poll, and the values that can be read in between.
#include <gtest/gtest.h>

#include <cerrno>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint64_t everything = std::uint64_t{IBV_WC_STANDARD_FLAGS} | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP |
                                     IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK | IBV_WC_EX_WITH_FLOW_TAG;

/// A queue pair whose completions all go to one extended queue.
class ExtendedQueue : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    ibv_cq_ex* cq = nullptr;
    verbs::CqHandle owned;
    verbs::QpHandle qp;
    verbs::FlowHandle flow;
    ibv_poll_cq_attr attr{};

    void make(std::uint64_t wc_flags, std::uint32_t entries = 64) {
        ibv_cq_init_attr_ex init{};
        init.cqe = entries;
        init.wc_flags = wc_flags;
        init.channel = end.channel.get();
        cq = ibv_create_cq_ex(end.context.get(), &init);
        ASSERT_NE(cq, nullptr);
        owned = {ibv_cq_ex_to_cq(cq), {&end.verbs}};
        ibv_qp_init_attr made{};
        made.send_cq = made.recv_cq = owned.get();
        made.cap = {32, 32, 1, 1, 0};
        made.qp_type = IBV_QPT_RAW_PACKET;
        qp = {end.verbs.create_qp(end.pd.get(), &made), {&end.verbs}};
        bring_to(qp.get(), IBV_QPS_RTS);
        flow = end.make_flow(qp.get(), to_mac(1).add(tag_spec(0x1234)));
        ASSERT_NE(flow, nullptr);
    }
    void receive(std::uint32_t frames) {
        end.fill(frames, qp.get());
        for (std::uint32_t i = 0; i < frames; ++i) tap.send(frame_to(1, 60 + i));
    }
};

TEST_F(ExtendedQueue, GivesEnoentWhenEmpty) {
    make(everything);
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);  // and holds nothing locked
}

TEST_F(ExtendedQueue, RefusesAnAttributeItDoesNotKnow) {
    make(everything);
    attr.comp_mask = 1;
    EXPECT_EQ(ibv_start_poll(cq, &attr), EINVAL);
    attr.comp_mask = 0;
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);
}

TEST_F(ExtendedQueue, ReadsEverythingOfAReceive) {
    make(everything);
    receive(1);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    EXPECT_EQ(cq->wr_id, 0U);
    EXPECT_EQ(cq->status, IBV_WC_SUCCESS);
    EXPECT_EQ(ibv_wc_read_opcode(cq), IBV_WC_RECV);
    EXPECT_EQ(ibv_wc_read_byte_len(cq), 60U);
    EXPECT_EQ(ibv_wc_read_qp_num(cq), qp->qp_num);
    EXPECT_EQ(ibv_wc_read_flow_tag(cq), 0x1234U);
    EXPECT_EQ(ibv_wc_read_wc_flags(cq), 0U);
    EXPECT_EQ(ibv_wc_read_vendor_err(cq), 0U);
    EXPECT_EQ(ibv_wc_read_imm_data(cq), 0U);
    EXPECT_EQ(ibv_wc_read_src_qp(cq), 0U);
    EXPECT_EQ(ibv_wc_read_slid(cq), 0U);
    EXPECT_EQ(ibv_wc_read_sl(cq), 0U);
    EXPECT_EQ(ibv_wc_read_dlid_path_bits(cq), 0U);
    EXPECT_NE(ibv_wc_read_completion_ts(cq), 0U);
    EXPECT_EQ(ibv_wc_read_completion_wallclock_ns(cq), ibv_wc_read_completion_ts(cq));
    EXPECT_EQ(ibv_next_poll(cq), ENOENT);
    ibv_end_poll(cq);
}

TEST_F(ExtendedQueue, ReadsASend) {
    make(everything);
    ASSERT_EQ(end.post_send(9, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), 0);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    EXPECT_EQ(cq->wr_id, 9U);
    EXPECT_EQ(ibv_wc_read_opcode(cq), IBV_WC_SEND);
    EXPECT_NE(ibv_wc_read_completion_ts(cq), 0U);
    EXPECT_EQ(ibv_wc_read_flow_tag(cq), 0U);
    ibv_end_poll(cq);
}

TEST_F(ExtendedQueue, GoesThroughMoreThanOneBatch) {
    make(everything);
    receive(32);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    std::uint64_t last = 0;
    std::uint32_t count = 0;
    do {
        EXPECT_EQ(cq->wr_id, count);
        EXPECT_EQ(ibv_wc_read_byte_len(cq), 60 + count);
        EXPECT_GE(ibv_wc_read_completion_ts(cq), last);
        last = ibv_wc_read_completion_ts(cq);
        ++count;
    } while (ibv_next_poll(cq) == 0);
    ibv_end_poll(cq);
    EXPECT_EQ(count, 32U);
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);
}

TEST_F(ExtendedQueue, HasNoTimestampUnlessAsked) {
    make(IBV_WC_STANDARD_FLAGS);
    receive(1);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    EXPECT_EQ(ibv_wc_read_completion_ts(cq), 0U);
    ibv_end_poll(cq);
}

TEST_F(ExtendedQueue, ShowsFailures) {
    make(everything);
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 14)}, qp.get()), 0);
    ASSERT_EQ(end.post_recv(2, {end.sge(0, 60)}, qp.get()), 0);
    tap.send(frame_to(1));
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    EXPECT_EQ(cq->wr_id, 1U);
    EXPECT_EQ(cq->status, IBV_WC_LOC_LEN_ERR);
    ASSERT_EQ(ibv_next_poll(cq), 0);
    EXPECT_EQ(cq->wr_id, 2U);
    EXPECT_EQ(cq->status, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(ibv_wc_read_completion_ts(cq), 0U);
    ibv_end_poll(cq);
}

TEST_F(ExtendedQueue, KeepsWhatWasNotPolled) {
    make(everything);
    receive(5);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    ASSERT_EQ(ibv_next_poll(cq), 0);
    ibv_end_poll(cq);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    EXPECT_EQ(cq->wr_id, 2U);
    ibv_end_poll(cq);
    const auto left = poll_all(owned);
    ASSERT_EQ(left.size(), 2U);
    EXPECT_EQ(left[0].wr_id, 3U);
}

TEST_F(ExtendedQueue, FreesJustThePlacesOfWhatWasPolled) {
    make(everything, 32);
    receive(32);
    EXPECT_EQ(end.post_recv(32, {end.sge(0, 60)}, qp.get()), ENOMEM);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    ibv_end_poll(cq);
    EXPECT_EQ(end.post_recv(32, {end.sge(0, 60)}, qp.get()), 0);
    EXPECT_EQ(end.post_recv(33, {end.sge(0, 60)}, qp.get()), ENOMEM);
}

TEST_F(ExtendedQueue, GivesAnErrorAfterAnOverrun) {
    make(everything, 4);
    receive(5);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    for (int i = 1; i < 4; ++i) ASSERT_EQ(ibv_next_poll(cq), 0);
    EXPECT_EQ(ibv_next_poll(cq), EIO);
    ibv_end_poll(cq);
    EXPECT_EQ(ibv_start_poll(cq, &attr), EIO);
}

TEST_F(ExtendedQueue, ForgetsAQueuePairThatIsGone) {
    make(everything);
    receive(5);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    ibv_end_poll(cq);
    flow.reset();
    qp.reset();
    EXPECT_EQ(ibv_start_poll(cq, &attr), ENOENT);
}

/// What only extended queues report moves with a completion.
TEST_F(ExtendedQueue, KeepsTagsWhenItIsResized) {
    make(everything, 4);
    receive(3);
    ASSERT_EQ(end.verbs.resize_cq(owned.get(), 32), 0);
    receive(3);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(ibv_wc_read_flow_tag(cq), 0x1234U) << i;
        EXPECT_NE(ibv_wc_read_completion_ts(cq), 0U) << i;
        EXPECT_EQ(ibv_next_poll(cq), i < 5 ? 0 : ENOENT);
    }
    ibv_end_poll(cq);
}

TEST_F(ExtendedQueue, KeepsTagsWhenItForgetsAnotherQueuePair) {
    make(everything);
    ibv_qp_init_attr made{};
    made.send_cq = made.recv_cq = owned.get();
    made.cap = {1, 4, 1, 1, 0};
    made.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle other{end.verbs.create_qp(end.pd.get(), &made), {&end.verbs}};
    bring_to(other.get(), IBV_QPS_RTS);
    end.fill(4, other.get());
    for (unsigned i = 0; i < 4; ++i) {
        const auto other_flow = end.make_flow(other.get(), to_mac(2).add(tag_spec(10 + i)));
        receive(1);
        tap.send(frame_to(2));
    }
    ASSERT_EQ(step(qp.get(), IBV_QPS_RESET), 0);
    ASSERT_EQ(ibv_start_poll(cq, &attr), 0);
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_EQ(cq->wr_id, i);
        EXPECT_EQ(ibv_wc_read_flow_tag(cq), 10 + i);
        EXPECT_EQ(ibv_next_poll(cq), i < 3 ? 0 : ENOENT);
    }
    ibv_end_poll(cq);
}

TEST_F(ExtendedQueue, WakesItsChannel) {
    make(everything);
    ASSERT_EQ(ibv_req_notify_cq(owned.get(), 0), 0);
    receive(1);
    ibv_cq* woken = nullptr;
    void* context = nullptr;
    ASSERT_EQ(end.verbs.get_cq_event(end.channel.get(), &woken, &context), 0);
    EXPECT_EQ(woken, owned.get());
    end.verbs.ack_cq_events(woken, 1);
}

}  // namespace
}  // namespace pktverbs::testing
