// SPDX-License-Identifier: Apache-2.0
// Receive offloads: VLAN tags removed from frames, and frame check sequences appended.
#include <gtest/gtest.h>

#include "net/ethernet_fcs.hpp"
#include "offload_end.hpp"

namespace pktverbs::testing {
namespace {

constexpr std::uint16_t tci = 0x6abc;  // priority 3, VLAN 2748

Frame tagged(std::size_t bytes = 64, std::uint16_t type = 0x8100) {
    Frame frame = frame_to(1, bytes - 4);
    const std::uint8_t tag[] = {static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type), tci >> 8,
                                tci & 0xff};
    frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
    return frame;
}

Frame with_fcs(Frame frame, const Frame& arrived) {
    const auto fcs = ethernet_fcs(arrived);
    frame.insert(frame.end(), fcs.begin(), fcs.end());
    return frame;
}

class ReceiveOffload : public ::testing::Test {
protected:
    VerbsEnd end{{.all_default = false}};
    WireTap tap{"w"};
    verbs::QpHandle qp;
    verbs::FlowHandle flow;

    void make(std::uint32_t create_flags) {
        flow.reset();
        qp = make_offloading_qp(end, create_flags);
        flow = end.make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
    }
    /// A frame's bytes in memory.
    Frame received(const Frame& frame) {
        EXPECT_EQ(end.post_recv(1, {end.sge(0, 2048)}, qp.get()), 0);
        tap.send(frame);
        const ibv_wc wc = poll_one(end.recv_cq);
        EXPECT_EQ(wc.status, IBV_WC_SUCCESS);
        return end.copy(0, wc.byte_len);
    }
};

TEST_F(ReceiveOffload, TakesTheTagOut) {
    make(IBV_QP_CREATE_CVLAN_STRIPPING);
    EXPECT_EQ(received(tagged()), frame_to(1, 60));
    EXPECT_EQ(received(tagged(18)), frame_to(1, 14));
}

TEST_F(ReceiveOffload, TakesOutTheOuterTagOnly) {
    make(IBV_QP_CREATE_CVLAN_STRIPPING);
    Frame twice = tagged();
    twice.insert(twice.begin() + 12, {0x81, 0, 0, 9});
    EXPECT_EQ(received(twice), tagged());
}

TEST_F(ReceiveOffload, LeavesAloneWhatHasNoCustomerTag) {
    make(IBV_QP_CREATE_CVLAN_STRIPPING);
    EXPECT_EQ(received(frame_to(1)), frame_to(1));
    EXPECT_EQ(received(tagged(64, 0x88a8)), tagged(64, 0x88a8));
    Frame cut = tagged();
    cut.resize(17);
    EXPECT_EQ(received(cut), cut);
}

TEST_F(ReceiveOffload, LeavesTheTagWithoutTheFlag) {
    make(0);
    EXPECT_EQ(received(tagged()), tagged());
}

TEST_F(ReceiveOffload, ScattersAcrossWhereTheTagWas) {
    make(IBV_QP_CREATE_CVLAN_STRIPPING);
    for (std::uint32_t first = 1; first < 20; ++first) {
        ASSERT_EQ(end.post_recv(1, {end.sge(0, first), end.sge(5, 0), end.sge(100, 5), end.sge(200, 54)}, qp.get()), 0);
        tap.send(tagged());
        const ibv_wc wc = poll_one(end.recv_cq);
        EXPECT_WC(wc, 1U, IBV_WC_SUCCESS);
        EXPECT_EQ(wc.byte_len, 60U);
        Frame all = end.copy(0, first);
        for (const Frame& part : {end.copy(100, 5), end.copy(200, 55 - first)})
            all.insert(all.end(), part.begin(), part.end());
        EXPECT_EQ(all, frame_to(1, 60)) << first;
    }
}

TEST_F(ReceiveOffload, PutsTheFrameCheckSequenceBehind) {
    make(IBV_QP_CREATE_SCATTER_FCS);
    EXPECT_EQ(received(frame_to(1)), with_fcs(frame_to(1), frame_to(1)));
    EXPECT_EQ(received(tagged()), with_fcs(tagged(), tagged()));
}

TEST_F(ReceiveOffload, ChecksTheFrameAsItArrived) {
    make(IBV_QP_CREATE_SCATTER_FCS | IBV_QP_CREATE_CVLAN_STRIPPING);
    EXPECT_EQ(received(tagged()), with_fcs(frame_to(1, 60), tagged()));
}

TEST_F(ReceiveOffload, NeedsRoomForTheFrameCheckSequence) {
    make(IBV_QP_CREATE_SCATTER_FCS);
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 63)}, qp.get()), 0);
    tap.send(frame_to(1, 60));
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_LEN_ERR);
}

TEST_F(ReceiveOffload, GivesTheTagToExtendedCompletionQueues) {
    ibv_cq_init_attr_ex init{};
    init.cqe = 8;
    init.wc_flags = IBV_WC_EX_WITH_BYTE_LEN | IBV_WC_EX_WITH_CVLAN;
    ibv_cq_ex* const cq = ibv_create_cq_ex(end.context.get(), &init);
    ASSERT_NE(cq, nullptr);
    const verbs::CqHandle owned{ibv_cq_ex_to_cq(cq), {&end.verbs}};
    ibv_wq_init_attr attr = wq_attr(end);
    attr.cq = owned.get();
    attr.comp_mask = IBV_WQ_INIT_ATTR_FLAGS;
    attr.create_flags = IBV_WQ_FLAGS_CVLAN_STRIPPING;
    const WqHandle wq = make_wq(end, attr);
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
    const TableHandle table = make_table(end, {wq.get()});
    const verbs::QpHandle rss = make_qp(end, rss_attr(end, table));
    const auto spreading = end.make_flow(rss.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
    for (std::uint64_t id = 0; id < 3; ++id) ASSERT_EQ(post_wq(wq.get(), id, {end.sge(0, 2048)}), 0);
    tap.send(tagged());
    tap.send(frame_to(1));
    ibv_wq_attr off{};
    off.attr_mask = IBV_WQ_ATTR_FLAGS;
    off.flags_mask = IBV_WQ_FLAGS_CVLAN_STRIPPING;
    ASSERT_EQ(ibv_modify_wq(wq.get(), &off), 0);
    tap.send(tagged());
    ibv_poll_cq_attr poll{};
    ASSERT_EQ(ibv_start_poll(cq, &poll), 0);
    EXPECT_EQ(ibv_wc_read_cvlan(cq), tci);
    EXPECT_EQ(ibv_wc_read_byte_len(cq), 60U);
    ASSERT_EQ(ibv_next_poll(cq), 0);
    EXPECT_EQ(ibv_wc_read_cvlan(cq), 0);
    ASSERT_EQ(ibv_next_poll(cq), 0);
    EXPECT_EQ(ibv_wc_read_cvlan(cq), 0);
    EXPECT_EQ(ibv_wc_read_byte_len(cq), 64U);
    ibv_end_poll(cq);
}

TEST_F(ReceiveOffload, OfAWorkQueueAppendsTheFrameCheckSequence) {
    ibv_wq_init_attr attr = wq_attr(end);
    attr.comp_mask = IBV_WQ_INIT_ATTR_FLAGS;
    attr.create_flags = IBV_WQ_FLAGS_SCATTER_FCS;
    const WqHandle wq = make_wq(end, attr);
    ASSERT_EQ(modify_wq(wq.get(), IBV_WQS_RDY), 0);
    const TableHandle table = make_table(end, {wq.get()});
    const verbs::QpHandle rss = make_qp(end, rss_attr(end, table));
    const auto spreading = end.make_flow(rss.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
    ASSERT_EQ(post_wq(wq.get(), 1, {end.sge(0, 2048)}), 0);
    tap.send(frame_to(1));
    EXPECT_EQ(poll_one(end.recv_cq).byte_len, 64U);
    EXPECT_EQ(end.copy(0, 64), with_fcs(frame_to(1), frame_to(1)));
}

}  // namespace
}  // namespace pktverbs::testing
