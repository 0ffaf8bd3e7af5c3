// SPDX-License-Identifier: Apache-2.0
// The states of a raw packet queue pair: which transitions are allowed, and what may be posted in which state.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

constexpr ibv_qp_state all_states[] = {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS,
                                       IBV_QPS_SQD,   IBV_QPS_SQE,  IBV_QPS_ERR};
constexpr ibv_qp_state reachable[] = {IBV_QPS_RESET, IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS, IBV_QPS_SQD, IBV_QPS_ERR};

/// Rows: from, in the order of all_states; columns: to (RESET INIT RTR RTS SQD SQE ERR).
constexpr const char* legal[] = {
    "x......",  // RESET; to INIT it needs a port
    "xxx...x",  // INIT
    "x..x..x",  // RTR
    "x..xx.x",  // RTS
    "x..xx.x",  // SQD
    "x..x..x",  // SQE
    "x.....x",  // ERR
};

TEST(QueuePairState, TakesJustTheLegalSteps) {
    VerbsEnd end;
    for (const ibv_qp_state from : reachable) {
        for (const ibv_qp_state to : all_states) {
            SCOPED_TRACE(std::to_string(from) + " to " + std::to_string(to));
            const auto qp = end.make_qp({.state = from});
            const bool may = legal[from][to] == 'x';
            EXPECT_EQ(step(qp.get(), to), may ? 0 : EINVAL);
            EXPECT_EQ(state_of(qp.get()), may ? to : from);
            EXPECT_EQ(qp->state, may ? to : from);
        }
    }
}

TEST(QueuePairState, NeedsAPortForInit) {
    VerbsEnd end;
    const auto qp = end.make_qp({.state = IBV_QPS_RESET});
    EXPECT_EQ(step(qp.get(), IBV_QPS_INIT), EINVAL);
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_INIT;
    for (const std::uint8_t port : std::initializer_list<std::uint8_t>{0, 2}) {
        attr.port_num = port;
        EXPECT_EQ(end.verbs.modify_qp(qp.get(), &attr, IBV_QP_STATE | IBV_QP_PORT), EINVAL);
    }
    EXPECT_EQ(state_of(qp.get()), IBV_QPS_RESET);
    EXPECT_EQ(step(qp.get(), IBV_QPS_INIT, IBV_QP_PORT), 0);
}

TEST(QueuePairState, TakesNoOtherAttribute) {
    VerbsEnd end;
    for (const ibv_qp_state from : reachable) {
        for (const ibv_qp_state to : all_states) {
            for (const int extra : {IBV_QP_PKEY_INDEX, IBV_QP_QKEY, IBV_QP_SQ_PSN, IBV_QP_AV, IBV_QP_PATH_MTU,
                                    IBV_QP_CAP, IBV_QP_ACCESS_FLAGS, IBV_QP_CUR_STATE, IBV_QP_EN_SQD_ASYNC_NOTIFY}) {
                const auto qp = end.make_qp({.state = from});
                const int port = from == IBV_QPS_RESET && to == IBV_QPS_INIT ? IBV_QP_PORT : 0;
                EXPECT_EQ(step(qp.get(), to, extra | port), EINVAL) << from << " to " << to << " with " << extra;
            }
        }
    }
}

TEST(QueuePairState, RefusesACurrentStateThatIsNotIt) {
    VerbsEnd end{{.state = IBV_QPS_RTR, .all_default = false}};
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_RTS;
    attr.cur_qp_state = IBV_QPS_SQD;
    EXPECT_EQ(end.verbs.modify_qp(end.qp.get(), &attr, IBV_QP_STATE | IBV_QP_CUR_STATE), EINVAL);
    EXPECT_EQ(state_of(end.qp.get()), IBV_QPS_RTR);
}

TEST(QueuePairState, SaysWhereSendsMayBePosted) {
    VerbsEnd end;
    for (const ibv_qp_state state : reachable) {
        const bool may = state == IBV_QPS_RTS || state == IBV_QPS_SQD || state == IBV_QPS_ERR;
        const auto qp = end.make_qp({.state = state});
        EXPECT_EQ(end.post_send(1, {end.sge(0, 60)}, IBV_SEND_SIGNALED, qp.get()), may ? 0 : EINVAL) << state;
    }
}

TEST(QueuePairState, SaysWhereReceivesMayBePosted) {
    VerbsEnd end;
    for (const ibv_qp_state state : reachable) {
        const auto qp = end.make_qp({.state = state});
        EXPECT_EQ(end.post_recv(1, {end.sge(0, 60)}, qp.get()), state == IBV_QPS_RESET ? EINVAL : 0) << state;
    }
}

TEST(QueuePairState, ReceivesFromReadyToReceiveOn) {
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    for (const ibv_qp_state state : reachable) {
        const auto qp = end.make_qp({.state = state});
        const auto flow = end.make_flow(qp.get(), to_mac(1));
        if (state != IBV_QPS_RESET) end.fill(1, qp.get());
        poll_all(end.recv_cq);
        const auto before = end.drops().not_ready;
        tap.send(frame_to(1));
        const bool may = state == IBV_QPS_RTR || state == IBV_QPS_RTS || state == IBV_QPS_SQD;
        EXPECT_EQ(poll_all(end.recv_cq).size(), may ? 1U : 0U) << state;
        EXPECT_EQ(end.drops().not_ready - before, may ? 0U : 1U) << state;
    }
}

TEST(QueuePairState, KeepsReceivesPostedInInit) {
    VerbsEnd end{{.state = IBV_QPS_INIT}};
    WireTap tap{"w"};
    end.fill(2);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RTR), 0);
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 0U, IBV_WC_SUCCESS);
}

TEST(QueuePairState, HoldsSendsWhileDrained) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    const Frame frame = frame_to(1);
    ASSERT_EQ(end.post_send(7, {end.put(0, frame)}), 0);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_TRUE(tap.receive().empty());
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RTS), 0);
    EXPECT_WC(poll_one(end.send_cq), 7U, IBV_WC_SUCCESS);
    EXPECT_EQ(tap.receive(), Frames{frame});
}

TEST(QueuePairState, FlushesDrainedSendsOnError) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    ASSERT_EQ(end.post_send(7, {end.sge(0, 60)}), 0);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    EXPECT_WC(poll_one(end.send_cq), 7U, IBV_WC_WR_FLUSH_ERR);
}

TEST(QueuePairState, FlushesDrainedSendsAfterAFailedReceive) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 14)}), 0);
    ASSERT_EQ(end.post_send(7, {end.sge(0, 60)}), 0);
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_LEN_ERR);
    EXPECT_WC(poll_one(end.send_cq), 7U, IBV_WC_WR_FLUSH_ERR);
}

TEST(QueuePairState, FlushesEverythingOnError) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    end.fill(3);
    for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}, 0), 0);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    for (const auto* cq : {&end.send_cq, &end.recv_cq}) {
        const auto flushed = poll_all(*cq);
        ASSERT_EQ(flushed.size(), 3U);
        for (std::uint64_t i = 0; i < 3; ++i) EXPECT_WC(flushed[i], i, IBV_WC_WR_FLUSH_ERR);
    }
}

TEST(QueuePairState, FlushesAtOnceWhatIsPostedInError) {
    VerbsEnd end{{.state = IBV_QPS_ERR}};
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, 0), 0);
    ASSERT_EQ(end.post_recv(2, {end.sge(0, 60)}), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_WR_FLUSH_ERR);
    EXPECT_WC(poll_one(end.recv_cq), 2U, IBV_WC_WR_FLUSH_ERR);
}

TEST(QueuePairState, ForgetsItsCompletionsInReset) {
    VerbsEnd end;
    end.fill(4);
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_TRUE(poll_all(end.recv_cq).empty());
}

TEST(QueuePairState, WorksAgainAfterReset) {
    VerbsEnd end{{.send_depth = 2, .recv_depth = 2}};
    WireTap tap{"w"};
    for (int round = 0; round < 3; ++round) {
        end.fill(2);
        EXPECT_EQ(end.post_recv(9, {end.sge(0, 60)}), ENOMEM);
        for (std::uint64_t i = 0; i < 2; ++i) EXPECT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
        tap.send(frame_to(1));
        EXPECT_EQ(tap.receive().size(), 2U);
        EXPECT_EQ(poll_all(end.recv_cq).size(), 1U);
        ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
        ASSERT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
        bring_to(end.qp.get(), IBV_QPS_RTS);
    }
}

TEST(QueuePairState, DropsHeldSendsInReset) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RESET), 0);
    bring_to(end.qp.get(), IBV_QPS_RTS);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_TRUE(tap.receive().empty());
}

}  // namespace
}  // namespace pktverbs::testing
