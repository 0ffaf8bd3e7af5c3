// SPDX-License-Identifier: Apache-2.0
// Memory that a queue pair may not access, and frames of a wrong length.
#include <gtest/gtest.h>

#include <cerrno>

#include "verbs_end.hpp"

namespace pktverbs::testing {
namespace {

/// The status of a send, and that an error takes the queue pair to ERR.
ibv_wc_status send_status(VerbsEnd& end, Sges sges, unsigned flags = IBV_SEND_SIGNALED) {
    EXPECT_EQ(end.post_send(7, std::move(sges), flags), 0);
    const ibv_wc wc = poll_one(end.send_cq);
    EXPECT_EQ(wc.wr_id, 7U);
    EXPECT_EQ(wc.opcode, IBV_WC_SEND);
    EXPECT_EQ(wc.byte_len == 0, wc.status != IBV_WC_SUCCESS);
    EXPECT_EQ(state_of(end.qp.get()), wc.status == IBV_WC_SUCCESS ? IBV_QPS_RTS : IBV_QPS_ERR);
    return wc.status;
}

/// The status of a receive of a frame.
ibv_wc_status recv_status(VerbsEnd& end, Sges sges, std::size_t frame_bytes = 60) {
    WireTap tap{"w"};
    EXPECT_EQ(end.post_recv(7, std::move(sges)), 0);
    tap.send(frame_to(1, frame_bytes));
    const ibv_wc wc = poll_one(end.recv_cq);
    EXPECT_EQ(wc.wr_id, 7U);
    EXPECT_EQ(state_of(end.qp.get()), wc.status == IBV_WC_SUCCESS ? IBV_QPS_RTS : IBV_QPS_ERR);
    return wc.status;
}

ibv_sge with_lkey(ibv_sge sge, std::uint32_t lkey) {
    sge.lkey = lkey;
    return sge;
}

TEST(Protection, RefusesAnLkeyThatIsNone) {
    for (const std::uint32_t lkey : {0U, 1U, 0xffU, 0xffffffffU, 0x40101U}) {
        VerbsEnd end;
        EXPECT_EQ(send_status(end, {with_lkey(end.sge(0, 60), lkey)}), IBV_WC_LOC_PROT_ERR) << lkey;
        VerbsEnd receiver;
        EXPECT_EQ(recv_status(receiver, {with_lkey(receiver.sge(0, 60), lkey)}), IBV_WC_LOC_PROT_ERR) << lkey;
    }
}

TEST(Protection, RefusesAnLkeyOfAnotherDomain) {
    for (const bool sends : {true, false}) {
        VerbsEnd end;
        const verbs::PdHandle pd{end.verbs.alloc_pd(end.context.get()), {&end.verbs}};
        const verbs::MrHandle mr{
            end.verbs.reg_mr(pd.get(), end.memory.data(), end.memory.size(), IBV_ACCESS_LOCAL_WRITE), {&end.verbs}};
        const Sges foreign{with_lkey(end.sge(0, 60), mr->lkey)};
        EXPECT_EQ(sends ? send_status(end, foreign) : recv_status(end, foreign), IBV_WC_LOC_PROT_ERR);
    }
}

TEST(Protection, RefusesRangesBeyondTheRegion) {
    const auto beyond = [](VerbsEnd& end) {
        std::vector<ibv_sge> sges{end.sge(end.memory.size() - 59, 60), end.sge(end.memory.size(), 60), end.sge(0, 60)};
        sges[2].addr -= 1;
        sges.push_back(sges[2]);
        sges[3].addr = UINT64_MAX - 10;
        return sges;
    };
    for (std::size_t i = 0; i < 4; ++i) {
        VerbsEnd sender;
        EXPECT_EQ(send_status(sender, {beyond(sender)[i]}), IBV_WC_LOC_PROT_ERR) << i;
        VerbsEnd receiver;
        EXPECT_EQ(recv_status(receiver, {beyond(receiver)[i]}), IBV_WC_LOC_PROT_ERR) << i;
    }
}

TEST(Protection, TakesARegionToItsLastByte) {
    VerbsEnd end;
    EXPECT_EQ(send_status(end, {end.sge(end.memory.size() - 60, 60)}), IBV_WC_SUCCESS);
    EXPECT_EQ(recv_status(end, {end.sge(end.memory.size() - 60, 60)}), IBV_WC_SUCCESS);
}

TEST(Protection, NoticesARegionThatIsGone) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    ASSERT_EQ(end.post_send(1, {end.sge(0, 60)}), 0);
    ASSERT_EQ(end.post_recv(2, {end.sge(0, 60)}), 0);
    end.mr.reset();
    tap.send(frame_to(1));
    EXPECT_WC(poll_one(end.recv_cq), 2U, IBV_WC_LOC_PROT_ERR);

    VerbsEnd sender{{.state = IBV_QPS_SQD}};
    ASSERT_EQ(sender.post_send(1, {sender.sge(0, 60)}), 0);
    sender.mr.reset();
    ASSERT_EQ(step(sender.qp.get(), IBV_QPS_RTS), 0);
    EXPECT_WC(poll_one(sender.send_cq), 1U, IBV_WC_LOC_PROT_ERR);
}

TEST(Protection, NoticesAStaleLkeyOfAPlaceInUseAgain) {
    VerbsEnd end;
    const ibv_sge stale = end.sge(0, 60);
    end.mr = {end.verbs.reg_mr(end.pd.get(), end.memory.data(), 1, IBV_ACCESS_LOCAL_WRITE), {&end.verbs}};
    end.mr = {end.verbs.reg_mr(end.pd.get(), end.memory.data(), end.memory.size(), IBV_ACCESS_LOCAL_WRITE),
              {&end.verbs}};
    EXPECT_NE(end.mr->lkey, stale.lkey);
    EXPECT_EQ(send_status(end, {stale}), IBV_WC_LOC_PROT_ERR);
}

TEST(Protection, LetsAReadOnlyRegionBeSentFromOnly) {
    VerbsEnd end;
    end.mr = {end.verbs.reg_mr(end.pd.get(), end.memory.data(), end.memory.size(), 0), {&end.verbs}};
    EXPECT_EQ(send_status(end, {end.sge(0, 60)}), IBV_WC_SUCCESS);
    EXPECT_EQ(recv_status(end, {end.sge(0, 60)}), IBV_WC_LOC_PROT_ERR);
}

TEST(Protection, ChecksJustWhatAFrameFills) {
    VerbsEnd end;
    EXPECT_EQ(recv_status(end, {end.sge(0, 60), with_lkey(end.sge(60, 60), 0)}), IBV_WC_SUCCESS);
}

TEST(Length, RefusesFramesShorterThanTheirHeader) {
    for (const std::uint32_t bytes : {0U, 1U, 13U}) {
        VerbsEnd end;
        EXPECT_EQ(send_status(end, {end.sge(0, bytes)}), IBV_WC_LOC_QP_OP_ERR) << bytes;
    }
    VerbsEnd end;
    EXPECT_EQ(send_status(end, {}), IBV_WC_LOC_QP_OP_ERR);
}

TEST(Length, TakesAHeaderAlone) {
    VerbsEnd end;
    WireTap tap{"w"};
    EXPECT_EQ(send_status(end, {end.put(0, frame_to(1, 14))}), IBV_WC_SUCCESS);
    EXPECT_EQ(tap.receive(), Frames{frame_to(1, 14)});
}

TEST(Length, EndsAtTheMtuWithTwoTags) {
    VerbsEnd end{{.wire = "mtu=1500"}};
    EXPECT_EQ(send_status(end, {end.sge(0, 1522)}), IBV_WC_SUCCESS);
    EXPECT_EQ(send_status(end, {end.sge(0, 1523)}), IBV_WC_LOC_LEN_ERR);
}

TEST(Length, OfManyElementsDoesNotWrapAround) {
    VerbsEnd end;
    const ibv_sge half = end.sge(0, 0x80000000U);
    EXPECT_EQ(send_status(end, {half, half, end.sge(0, 60)}), IBV_WC_LOC_LEN_ERR);
}

TEST(Length, OfAFrameMustFitItsReceive) {
    VerbsEnd end;
    EXPECT_EQ(recv_status(end, {end.sge(0, 60)}), IBV_WC_SUCCESS);
    EXPECT_EQ(recv_status(end, {end.sge(0, 59)}), IBV_WC_LOC_LEN_ERR);
    VerbsEnd other;
    EXPECT_EQ(recv_status(other, {}), IBV_WC_LOC_LEN_ERR);
}

TEST(Failure, FlushesTheReceivesBehindIt) {
    VerbsEnd end;
    WireTap tap{"w"};
    ASSERT_EQ(end.post_recv(0, {end.sge(0, 14)}), 0);
    for (std::uint64_t i = 1; i < 4; ++i) ASSERT_EQ(end.post_recv(i, {end.sge(0, 60)}), 0);
    tap.send(frame_to(1));
    tap.send(frame_to(1));
    const auto done = poll_all(end.recv_cq);
    ASSERT_EQ(done.size(), 4U);
    EXPECT_WC(done[0], 0U, IBV_WC_LOC_LEN_ERR);
    for (std::uint64_t i = 1; i < 4; ++i) EXPECT_WC(done[i], i, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(end.drops().not_ready, 1U);
}

TEST(Failure, FlushesTheSendsBehindItSignalledOrNot) {
    VerbsEnd end{{.state = IBV_QPS_SQD}};
    WireTap tap{"w"};
    end.fill(2);
    const Frame frame = frame_to(1);
    ASSERT_EQ(end.post_send(0, {end.put(0, frame)}, 0), 0);
    ASSERT_EQ(end.post_send(1, {with_lkey(end.sge(0, 60), 0)}, 0), 0);
    ASSERT_EQ(end.post_send(2, {end.sge(0, 60)}, 0), 0);
    ASSERT_EQ(end.post_send(3, {end.sge(0, 60)}), 0);
    ASSERT_EQ(step(end.qp.get(), IBV_QPS_RTS), 0);
    const auto done = poll_all(end.send_cq);
    ASSERT_EQ(done.size(), 3U);
    EXPECT_WC(done[0], 1U, IBV_WC_LOC_PROT_ERR);
    EXPECT_WC(done[1], 2U, IBV_WC_WR_FLUSH_ERR);
    EXPECT_WC(done[2], 3U, IBV_WC_WR_FLUSH_ERR);
    EXPECT_EQ(tap.receive(), Frames{frame});
    EXPECT_EQ(count_status(poll_all(end.recv_cq), IBV_WC_WR_FLUSH_ERR), 2U);
}

TEST(Failure, InOneQueuePairLeavesOthersAlone) {
    VerbsEnd end;
    WireTap tap{"w"};
    const auto other = end.make_qp();
    const auto flow = end.make_flow(other.get(), to_mac(2));
    ASSERT_EQ(end.post_recv(0, {end.sge(0, 14)}), 0);
    end.fill(1, other.get());
    tap.send(frame_to(1));
    tap.send(frame_to(2));
    EXPECT_EQ(count_status(poll_all(end.recv_cq), IBV_WC_SUCCESS), 1U);
    EXPECT_EQ(state_of(other.get()), IBV_QPS_RTS);
}

}  // namespace
}  // namespace pktverbs::testing
