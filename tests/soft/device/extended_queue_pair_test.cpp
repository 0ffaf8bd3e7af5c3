// SPDX-License-Identifier: Apache-2.0
// Extended queue pairs: what ibv_create_qp_ex accepts, and work requests built by functions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "soft/nic/nic.hpp"
#include "soft/nic/queue_pair.hpp"
#include "work_queues.hpp"

namespace pktverbs::testing {
namespace {

ibv_qp_init_attr_ex extended_attr(VerbsEnd& end) {
    ibv_qp_init_attr_ex attr{};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.send_cq = end.send_cq.get();
    attr.recv_cq = end.recv_cq.get();
    attr.cap = {3, 3, 4, 1, 64};
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    attr.pd = end.pd.get();
    attr.send_ops_flags = IBV_QP_EX_WITH_SEND;
    return attr;
}

int errno_of(VerbsEnd& end, ibv_qp_init_attr_ex attr) {
    errno = 0;
    EXPECT_EQ(ibv_create_qp_ex(end.context.get(), &attr), nullptr);
    return errno;
}

class Builder : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    verbs::QpHandle owned = make();
    ibv_qp_ex* qp = soft::QueuePair::of(owned.get()).extended();

    verbs::QpHandle make() {
        verbs::QpHandle made = make_qp(end, extended_attr(end));
        bring_to(made.get(), IBV_QPS_RTS);
        return made;
    }
    void send(std::uint64_t id, const ibv_sge& sge, unsigned flags = IBV_SEND_SIGNALED) {
        qp->wr_id = id;
        qp->wr_flags = flags;
        ibv_wr_send(qp);
        ibv_wr_set_sge(qp, sge.lkey, sge.addr, sge.length);
    }
    /// Nothing was posted: neither sent nor completed, and the whole depth is free.
    void expect_nothing_posted() {
        EXPECT_TRUE(poll_all(end.send_cq).empty());
        EXPECT_TRUE(tap.receive().empty());
        ibv_wr_start(qp);
        for (std::uint64_t i = 0; i < 4; ++i) send(i, end.put(0, frame_to(1)));
        EXPECT_EQ(ibv_wr_complete(qp), 0);
        EXPECT_EQ(tap.receive().size(), 4U);
        EXPECT_EQ(poll_all(end.send_cq).size(), 4U);
    }
};

TEST_F(Builder, SendsWhenItIsComplete) {
    const Frame frames[] = {frame_to(1, 60), frame_to(2, 70), frame_to(3, 80)};
    ibv_wr_start(qp);
    for (std::uint64_t i = 0; i < 3; ++i) send(10 + i, end.put(1000 * i, frames[i]), i == 1 ? 0 : IBV_SEND_SIGNALED);
    EXPECT_TRUE(tap.receive().empty());
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_EQ(tap.receive(), Frames(std::begin(frames), std::end(frames)));
    const auto completed = poll_all(end.send_cq);
    ASSERT_EQ(completed.size(), 2U);
    EXPECT_WC(completed[0], 10U, IBV_WC_SUCCESS);
    EXPECT_WC(completed[1], 12U, IBV_WC_SUCCESS);
    EXPECT_EQ(completed[1].qp_num, qp->qp_base.qp_num);
}

TEST_F(Builder, GathersAList) {
    const Frame frame = frame_to(1);
    end.put(0, Frame(frame.begin(), frame.begin() + 20));
    end.put(500, Frame(frame.begin() + 20, frame.end()));
    const ibv_sge list[] = {end.sge(0, 20), end.sge(100, 0), end.sge(500, 40)};
    ibv_wr_start(qp);
    qp->wr_flags = 0;
    ibv_wr_send(qp);
    ibv_wr_set_sge_list(qp, 3, list);
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_EQ(tap.receive(), Frames{frame});
}

TEST_F(Builder, CopiesInlineDataAtOnce) {
    const Frame frame = frame_to(1, 64);
    Frame first = frame;
    Frame second = frame;
    ibv_wr_start(qp);
    qp->wr_flags = 0;
    ibv_wr_send(qp);
    ibv_wr_set_inline_data(qp, first.data(), first.size());
    ibv_wr_send(qp);
    const ibv_data_buf parts[] = {{second.data(), 14}, {nullptr, 0}, {second.data() + 14, 50}};
    ibv_wr_set_inline_data_list(qp, 3, parts);
    std::ranges::fill(first, std::uint8_t{0});
    std::ranges::fill(second, std::uint8_t{0});
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_EQ(tap.receive(), (Frames{frame, frame}));
}

TEST_F(Builder, DropsAllWhenAborted) {
    ibv_wr_start(qp);
    for (std::uint64_t i = 0; i < 4; ++i) send(i, end.put(0, frame_to(1)));
    ibv_wr_abort(qp);
    expect_nothing_posted();
}

TEST_F(Builder, PostsNothingAfterAnError) {
    const ibv_sge good = end.put(0, frame_to(1));
    const std::vector<ibv_sge> five(5, good);
    Frame large(65);
    const auto fails = [&](int error, auto&& mistake) {
        ibv_wr_start(qp);
        send(1, good);
        mistake();
        send(2, good);
        EXPECT_EQ(ibv_wr_complete(qp), error);
        expect_nothing_posted();
    };
    fails(EINVAL, [&] { ibv_wr_set_sge_list(qp, 5, five.data()); });
    fails(EINVAL, [&] { ibv_wr_set_inline_data(qp, large.data(), large.size()); });
    fails(ENOMEM, [&] {
        for (int i = 0; i < 4; ++i) send(3, good);
    });
    const ibv_data_buf huge[] = {{large.data(), 60}, {large.data(), SIZE_MAX - 10}};
    fails(EINVAL, [&] { ibv_wr_set_inline_data_list(qp, 2, huge); });
}

TEST_F(Builder, RefusesASetterWithoutAWorkRequest) {
    ibv_wr_start(qp);
    ibv_wr_set_sge(qp, 0, 0, 0);
    EXPECT_EQ(ibv_wr_complete(qp), EINVAL);
    ibv_wr_start(qp);
    ibv_wr_set_inline_data(qp, nullptr, 0);
    EXPECT_EQ(ibv_wr_complete(qp), EINVAL);
    expect_nothing_posted();
}

TEST_F(Builder, RefusesAllOtherOperations) {
    const auto fails = [&](auto&& operation) {
        ibv_wr_start(qp);
        operation();
        EXPECT_EQ(ibv_wr_complete(qp), EOPNOTSUPP);
    };
    ibv_mw_bind_info bind{};
    std::uint64_t header = 0;
    fails([&] { ibv_wr_atomic_cmp_swp(qp, 0, 0, 0, 0); });
    fails([&] { ibv_wr_atomic_fetch_add(qp, 0, 0, 0); });
    fails([&] { ibv_wr_bind_mw(qp, nullptr, 0, &bind); });
    fails([&] { ibv_wr_local_inv(qp, 0); });
    fails([&] { ibv_wr_rdma_read(qp, 0, 0); });
    fails([&] { ibv_wr_rdma_write(qp, 0, 0); });
    fails([&] { ibv_wr_rdma_write_imm(qp, 0, 0, 0); });
    fails([&] { ibv_wr_send_imm(qp, 0); });
    fails([&] { ibv_wr_send_inv(qp, 0); });
    fails([&] { ibv_wr_send_tso(qp, &header, 8, 100); });
    fails([&] { ibv_wr_set_ud_addr(qp, nullptr, 0, 0); });
    fails([&] { ibv_wr_set_xrc_srqn(qp, 0); });
    fails([&] { qp->wr_atomic_write(qp, 0, 0, &header); });
    expect_nothing_posted();
}

TEST_F(Builder, RefusesSendWhenItWasNotAskedFor) {
    ibv_qp_init_attr_ex attr = extended_attr(end);
    attr.send_ops_flags = 0;
    const verbs::QpHandle without = make_qp(end, attr);
    bring_to(without.get(), IBV_QPS_RTS);
    qp = soft::QueuePair::of(without.get()).extended();
    ASSERT_NE(qp, nullptr);
    ibv_wr_start(qp);
    send(1, end.put(0, frame_to(1)));
    EXPECT_EQ(ibv_wr_complete(qp), EOPNOTSUPP);
}

TEST_F(Builder, FailsWithoutReadiness) {
    const ibv_sge good = end.put(0, frame_to(1));
    ASSERT_EQ(step(owned.get(), IBV_QPS_RESET), 0);
    ibv_wr_start(qp);
    send(1, good);
    EXPECT_EQ(ibv_wr_complete(qp), EINVAL);
    bring_to(owned.get(), IBV_QPS_RTS);
    expect_nothing_posted();
    ASSERT_EQ(step(owned.get(), IBV_QPS_ERR), 0);
    ibv_wr_start(qp);
    send(2, good);
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_WC(poll_one(end.send_cq), 2U, IBV_WC_WR_FLUSH_ERR);
}

TEST_F(Builder, CompletesWithAnErrorWhatTheNicRefuses) {
    ibv_wr_start(qp);
    qp->wr_id = 1;
    qp->wr_flags = 0;
    ibv_wr_send(qp);  // no data
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_LOC_QP_OP_ERR);
    EXPECT_EQ(state_of(owned.get()), IBV_QPS_ERR);
}

TEST_F(Builder, MayPollAndStepInBetween) {
    const ibv_sge good = end.put(0, frame_to(1));
    ibv_wr_start(qp);
    send(1, good);
    soft::Nic::of(end.context.get()).sending_stalled();  // so that polling resumes sending
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    ASSERT_EQ(step(owned.get(), IBV_QPS_SQD), 0);
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_TRUE(tap.receive().empty());
    ASSERT_EQ(step(owned.get(), IBV_QPS_RTS), 0);
    EXPECT_EQ(tap.receive().size(), 1U);
}

TEST_F(Builder, TakesTurnsWithPosting) {
    const ibv_sge good = end.put(0, frame_to(1));
    EXPECT_EQ(end.post_send(1, {good}, IBV_SEND_SIGNALED, owned.get()), 0);
    ibv_wr_start(qp);
    send(2, good);
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    EXPECT_EQ(end.post_send(3, {good}, IBV_SEND_SIGNALED, owned.get()), 0);
    const auto completed = poll_all(end.send_cq);
    ASSERT_EQ(completed.size(), 3U);
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_WC(completed[i], i + 1, IBV_WC_SUCCESS);
}

TEST_F(Builder, KeepsOthersOutUntilItIsComplete) {
    const ibv_sge good = end.put(0, frame_to(1));
    ibv_wr_start(qp);
    send(1, good);
    std::thread poster{[&] { EXPECT_EQ(end.post_send(3, {good}, IBV_SEND_SIGNALED, owned.get()), 0); }};
    std::this_thread::yield();
    send(2, good);
    EXPECT_EQ(ibv_wr_complete(qp), 0);
    poster.join();
    const auto completed = poll_all(end.send_cq);
    ASSERT_EQ(completed.size(), 3U);
    for (std::uint64_t i = 0; i < 3; ++i) EXPECT_WC(completed[i], i + 1, IBV_WC_SUCCESS);
}

TEST(ExtendedQueuePair, SaysWhetherItHasTheFunctions) {
    VerbsEnd end;
    EXPECT_EQ(soft::QueuePair::of(end.qp.get()).extended(), nullptr);
    const verbs::QpHandle with = make_qp(end, extended_attr(end));
    ibv_qp_ex* const extended = soft::QueuePair::of(with.get()).extended();
    ASSERT_NE(extended, nullptr);
    EXPECT_EQ(&extended->qp_base, with.get());
    ibv_qp_init_attr_ex attr = extended_attr(end);
    attr.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_CREATE_FLAGS;
    const verbs::QpHandle without = make_qp(end, attr);
    ASSERT_NE(without, nullptr);
    EXPECT_EQ(soft::QueuePair::of(without.get()).extended(), nullptr);
}

TEST(ExtendedQueuePair, GrantsItsLimits) {
    VerbsEnd end;
    ibv_qp_init_attr_ex attr = extended_attr(end);
    const verbs::QpHandle made{ibv_create_qp_ex(end.context.get(), &attr), {&end.verbs}};
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(attr.cap.max_send_wr, 4U);
    EXPECT_EQ(attr.cap.max_recv_wr, 4U);
    EXPECT_EQ(attr.cap.max_inline_data, 64U);
}

TEST(ExtendedQueuePair, RefusesWhatItCannotBe) {
    VerbsEnd end;
    VerbsEnd other;
    ibv_qp_init_attr_ex attr = extended_attr(end);
    attr.comp_mask = IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
    EXPECT_EQ(errno_of(end, attr), EINVAL);
    attr = extended_attr(end);
    attr.comp_mask |= 1U << 7;
    EXPECT_EQ(errno_of(end, attr), EINVAL);
    attr = extended_attr(end);
    attr.pd = nullptr;
    EXPECT_EQ(errno_of(end, attr), EINVAL);
    attr.pd = other.pd.get();
    EXPECT_EQ(errno_of(end, attr), EINVAL);
    attr = extended_attr(end);
    attr.comp_mask |= IBV_QP_INIT_ATTR_XRCD;
    EXPECT_EQ(errno_of(end, attr), EOPNOTSUPP);
    attr = extended_attr(end);
    attr.comp_mask |= IBV_QP_INIT_ATTR_MAX_TSO_HEADER;
    attr.max_tso_header = 513;
    EXPECT_EQ(errno_of(end, attr), EINVAL);
    for (std::uint64_t flag = 1; flag <= std::uint64_t{1} << 12; flag <<= 1) {
        if (flag == IBV_QP_EX_WITH_SEND || flag == IBV_QP_EX_WITH_TSO) continue;
        attr = extended_attr(end);
        attr.send_ops_flags |= flag;
        EXPECT_EQ(errno_of(end, attr), EOPNOTSUPP) << flag;
    }
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
        if ((1U << bit &
             (IBV_QP_CREATE_BLOCK_SELF_MCAST_LB | IBV_QP_CREATE_SCATTER_FCS | IBV_QP_CREATE_CVLAN_STRIPPING)) != 0)
            continue;
        attr = extended_attr(end);
        attr.comp_mask |= IBV_QP_INIT_ATTR_CREATE_FLAGS;
        attr.create_flags = 1U << bit;
        EXPECT_EQ(errno_of(end, attr), EOPNOTSUPP) << bit;
    }
    attr = extended_attr(end);
    attr.qp_type = IBV_QPT_UD;
    EXPECT_EQ(errno_of(end, attr), EOPNOTSUPP);
    attr = extended_attr(end);
    attr.send_cq = nullptr;
    EXPECT_EQ(errno_of(end, attr), EINVAL);
}

TEST(ExtendedQueuePair, TakesTheFlagThatChangesNothing) {
    VerbsEnd end;
    ibv_qp_init_attr_ex attr = extended_attr(end);
    attr.comp_mask |= IBV_QP_INIT_ATTR_CREATE_FLAGS;
    attr.create_flags = IBV_QP_CREATE_BLOCK_SELF_MCAST_LB;
    EXPECT_NE(make_qp(end, attr), nullptr);
}

}  // namespace
}  // namespace pktverbs::testing
