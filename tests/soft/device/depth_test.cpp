// SPDX-License-Identifier: Apache-2.0
// Queue depth: how much can be posted, and when a place is free again.
#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

TEST(Depth, IsGrantedAndReadBack) {
    VerbsEnd end{{.send_depth = 5, .recv_depth = 9, .sges = 0, .inline_bytes = 33}};
    EXPECT_EQ(end.granted.max_send_wr, 8U);
    EXPECT_EQ(end.granted.max_recv_wr, 16U);
    EXPECT_EQ(end.granted.max_send_sge, 1U);
    EXPECT_EQ(end.granted.max_recv_sge, 1U);
    EXPECT_GE(end.granted.max_inline_data, 33U);
}

TEST(Depth, OfZeroTakesNothing) {
    VerbsEnd end{{.send_depth = 0, .recv_depth = 0}};
    EXPECT_EQ(end.post_send(1, {end.sge(0, 60)}), ENOMEM);
    EXPECT_EQ(end.post_recv(1, {end.sge(0, 60)}), ENOMEM);
}

TEST(Depth, NamesTheFirstSendTooMany) {
    VerbsEnd end{{.send_depth = 4}};
    WireTap tap{"w"};
    ibv_sge sge = end.put(0, frame_to(1));
    std::vector<ibv_send_wr> chain(6);
    for (std::size_t i = 0; i < chain.size(); ++i) {
        chain[i].wr_id = i;
        chain[i].next = i + 1 < chain.size() ? &chain[i + 1] : nullptr;
        chain[i].sg_list = &sge;
        chain[i].num_sge = 1;
        chain[i].opcode = IBV_WR_SEND;
        chain[i].send_flags = IBV_SEND_SIGNALED;
    }
    ibv_send_wr* bad = nullptr;
    EXPECT_EQ(ibv_post_send(end.qp.get(), chain.data(), &bad), ENOMEM);
    EXPECT_EQ(bad, &chain[4]);
    EXPECT_EQ(tap.receive().size(), 4U);
    EXPECT_EQ(poll_all(end.send_cq).size(), 4U);
}

/// Completions of a queue pair's two sides lie in one queue, one after the other, and are polled together.
TEST(Depth, OfBothSidesIsFreedByOnePoll) {
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    const verbs::CqHandle cq = end.make_cq(64);
    ibv_qp_init_attr attr{};
    attr.send_cq = attr.recv_cq = cq.get();
    attr.cap = {4, 4, 1, 1, 0};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    const verbs::QpHandle qp{end.verbs.create_qp(end.pd.get(), &attr), {&end.verbs}};
    bring_to(qp.get(), IBV_QPS_RTS);
    const auto flow = end.make_flow(qp.get(), to_mac(1));
    const ibv_sge sge = end.put(60000, frame_to(1));
    for (int turn = 0; turn < 8; ++turn) {
        end.fill(4, qp.get());
        for (int i = 0; i < 4; ++i) {
            if (turn % 2 == 0) tap.send(frame_to(1));
            ASSERT_EQ(end.post_send(1, {sge}, IBV_SEND_SIGNALED, qp.get()), 0) << turn;
            if (turn % 2 == 1) tap.send(frame_to(1));
        }
        EXPECT_EQ(end.post_send(1, {sge}, IBV_SEND_SIGNALED, qp.get()), ENOMEM);
        EXPECT_EQ(end.post_recv(1, {sge}, qp.get()), ENOMEM);
        EXPECT_EQ(poll_all(cq).size(), 8U) << turn;
    }
}

TEST(Depth, NamesTheFirstReceiveTooMany) {
    VerbsEnd end{{.recv_depth = 4}};
    ibv_sge sge = end.sge(0, 60);
    std::vector<ibv_recv_wr> chain(6);
    for (std::size_t i = 0; i < chain.size(); ++i)
        chain[i] = {i, i + 1 < chain.size() ? &chain[i + 1] : nullptr, &sge, 1};
    ibv_recv_wr* bad = nullptr;
    EXPECT_EQ(ibv_post_recv(end.qp.get(), chain.data(), &bad), ENOMEM);
    EXPECT_EQ(bad, &chain[4]);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_ERR), 0);
    EXPECT_EQ(poll_all(end.recv_cq).size(), 4U);
}

TEST(Depth, FreesASendWhenItsCompletionIsPolled) {
    VerbsEnd end{{.send_depth = 4}};
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}), 0);
    EXPECT_EQ(end.post_send(4, {end.sge(0, 60)}), ENOMEM);
    ibv_wc wc;
    ASSERT_EQ(ibv_poll_cq(end.send_cq.get(), 1, &wc), 1);
    EXPECT_EQ(end.post_send(5, {end.sge(0, 60)}), 0);
    EXPECT_EQ(end.post_send(6, {end.sge(0, 60)}), ENOMEM);
}

TEST(Depth, FreesAReceiveWhenItsCompletionIsPolled) {
    VerbsEnd end{{.recv_depth = 4}};
    WireTap tap{"w"};
    end.fill(4);
    tap.send(frame_to(1));
    EXPECT_EQ(end.post_recv(4, {end.sge(0, 60)}), ENOMEM);
    poll_one(end.recv_cq);
    EXPECT_EQ(end.post_recv(5, {end.sge(0, 60)}), 0);
    EXPECT_EQ(end.post_recv(6, {end.sge(0, 60)}), ENOMEM);
}

TEST(Depth, IsTakenByUnsignalledSendsUntilALaterSignalledOne) {
    VerbsEnd end{{.send_depth = 4}};
    for (int round = 0; round < 5; ++round) {
        for (std::uint64_t i = 0; i < 3; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}, 0), 0);
        EXPECT_TRUE(poll_all(end.send_cq).empty());
        ASSERT_EQ(end.post_send(3, {end.sge(0, 60)}), 0);
        EXPECT_EQ(end.post_send(4, {end.sge(0, 60)}, 0), ENOMEM);
        EXPECT_WC(poll_one(end.send_cq), 3U, IBV_WC_SUCCESS);
    }
}

TEST(Depth, IsTakenForGoodByUnsignalledSendsAlone) {
    VerbsEnd end{{.send_depth = 4}};
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}, 0), 0);
    EXPECT_TRUE(poll_all(end.send_cq).empty());
    EXPECT_EQ(end.post_send(4, {end.sge(0, 60)}), ENOMEM);
}

TEST(Depth, LeavesBehindASignalledSendWhatCameLater) {
    VerbsEnd end{{.send_depth = 4}};
    ASSERT_EQ(end.post_send(0, {end.sge(0, 60)}), 0);
    for (std::uint64_t i = 1; i < 4; ++i) ASSERT_EQ(end.post_send(i, {end.sge(0, 60)}, 0), 0);
    poll_one(end.send_cq);
    EXPECT_EQ(end.post_send(4, {end.sge(0, 60)}), 0);
    EXPECT_EQ(end.post_send(5, {end.sge(0, 60)}), ENOMEM);
}

TEST(Depth, FreesFlushedPlacesToo) {
    VerbsEnd end{{.send_depth = 4, .recv_depth = 4, .state = IBV_QPS_ERR}};
    for (int round = 0; round < 3; ++round) {
        for (std::uint64_t i = 0; i < 4; ++i) {
            EXPECT_EQ(end.post_send(i, {end.sge(0, 60)}, 0), 0);
            EXPECT_EQ(end.post_recv(i, {end.sge(0, 60)}), 0);
        }
        EXPECT_EQ(end.post_send(4, {end.sge(0, 60)}), ENOMEM);
        EXPECT_EQ(end.post_recv(4, {end.sge(0, 60)}), ENOMEM);
        EXPECT_EQ(poll_all(end.send_cq).size(), 4U);
        EXPECT_EQ(poll_all(end.recv_cq).size(), 4U);
    }
}

TEST(Depth, SignalsEverySendWhenAskedTo) {
    VerbsEnd end{{.signal_all = true}};
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}, 0), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_SUCCESS);
}

TEST(Post, RefusesTooManyElements) {
    VerbsEnd end{{.sges = 2}};
    const Sges three(3, end.sge(0, 20));
    EXPECT_EQ(end.post_send(1, three), EINVAL);
    EXPECT_EQ(end.post_recv(1, three), EINVAL);
    ibv_send_wr send{};
    send.num_sge = -1;
    send.opcode = IBV_WR_SEND;
    ibv_send_wr* bad_send = nullptr;
    EXPECT_EQ(ibv_post_send(end.qp.get(), &send, &bad_send), EINVAL);
    ibv_recv_wr recv{};
    recv.num_sge = -1;
    ibv_recv_wr* bad_recv = nullptr;
    EXPECT_EQ(ibv_post_recv(end.qp.get(), &recv, &bad_recv), EINVAL);
}

TEST(Post, RefusesOtherOpcodes) {
    VerbsEnd end;
    for (const ibv_wr_opcode opcode : {IBV_WR_RDMA_WRITE, IBV_WR_SEND_WITH_IMM, IBV_WR_RDMA_READ, IBV_WR_TSO}) {
        ibv_sge sge = end.sge(0, 60);
        ibv_send_wr wr{};
        wr.sg_list = &sge;
        wr.num_sge = 1;
        wr.opcode = opcode;
        ibv_send_wr* bad = nullptr;
        EXPECT_EQ(ibv_post_send(end.qp.get(), &wr, &bad), EINVAL) << opcode;
        EXPECT_EQ(bad, &wr);
    }
}

TEST(Post, OfNothingIsHarmless) {
    VerbsEnd end;
    ibv_send_wr* bad_send = nullptr;
    ibv_recv_wr* bad_recv = nullptr;
    EXPECT_EQ(ibv_post_send(end.qp.get(), nullptr, &bad_send), 0);
    EXPECT_EQ(ibv_post_recv(end.qp.get(), nullptr, &bad_recv), 0);
}

TEST(Post, MayBeOverwrittenItself) {
    VerbsEnd end;
    WireTap tap{"w"};
    {
        const auto sges = std::make_unique<Sges>(1, end.sge(0, 2048));
        ASSERT_EQ(end.post_recv(1, *sges), 0);
    }
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_SUCCESS);
    EXPECT_EQ(end.copy(0, 60), frame_to(1));
}

TEST(InlineSend, EndsAtTheGrantedSize) {
    VerbsEnd end{{.inline_bytes = 64}};
    EXPECT_EQ(end.post_send(1, {end.sge(0, 64)}, IBV_SEND_INLINE), 0);
    EXPECT_EQ(end.post_send(1, {end.sge(0, 65)}, IBV_SEND_INLINE), EINVAL);
    EXPECT_EQ(end.post_send(1, {end.sge(0, 32), end.sge(0, 33)}, IBV_SEND_INLINE), EINVAL);
}

TEST(InlineSend, NeedsNoRegionAndNoMemoryAfterPosting) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    const Frame expected = frame_to(1);
    Frame header(expected.begin(), expected.begin() + 14);
    Frame body(expected.begin() + 14, expected.end());
    const auto sge_of = [](Frame& part) {
        return ibv_sge{reinterpret_cast<std::uint64_t>(part.data()), static_cast<std::uint32_t>(part.size()), 0};
    };
    ASSERT_EQ(end.post_send(1, {sge_of(header), {0, 0, 0}, sge_of(body)}, IBV_SEND_INLINE | IBV_SEND_SIGNALED), 0);
    header.assign(14, 0xee);
    body.assign(46, 0xee);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RTS), 0);
    EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_SUCCESS);
    EXPECT_EQ(tap.receive(), Frames{expected});
}

TEST(InlineSend, OfEveryPlaceIsItsOwn) {
    VerbsEnd end{{.send_depth = 4, .state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    std::vector<Frame> expected;
    for (std::uint8_t i = 0; i < 4; ++i) {
        expected.push_back(frame_to(i, 64));
        ASSERT_EQ(end.post_send(i, {end.put(0, expected.back())}, IBV_SEND_INLINE), 0);
    }
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RTS), 0);
    EXPECT_EQ(tap.receive(), expected);
}

}  // namespace
}  // namespace pktverbs::testing
