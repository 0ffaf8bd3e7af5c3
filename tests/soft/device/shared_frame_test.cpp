// SPDX-License-Identifier: Apache-2.0
// Frames in memory that another process may change: their heads are those by which they were steered.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "held_link.hpp"
#include "net/ethernet_fcs.hpp"
#include "offload_end.hpp"

namespace pktverbs::testing {
namespace {

Frame to_port(std::uint16_t port, std::uint8_t filling) {
    IpFrame frame;
    frame.dst_port = port;
    frame.payload = Frame(60, filling);
    return frame.bytes();
}

class SharedFrame : public ::testing::Test {
protected:
    HeldLink* link = nullptr;
    VerbsEnd end{device_on(link), {.recv_depth = 128, .completions = 256, .all_default = false}};
    verbs::QpHandle second = end.make_qp({.recv_depth = 128});
    verbs::FlowHandle first_flow = make_flow(end.qp.get(), 7001);
    verbs::FlowHandle second_flow = make_flow(second.get(), 7002);

    static constexpr std::size_t head_bytes = soft::RxFrame::head_bytes;
    /// What the head says, and what the other process has made of it.
    const Frame steered = to_port(7001, 1);
    const Frame changed = to_port(7002, 2);

    verbs::FlowHandle make_flow(ibv_qp* qp, std::uint16_t port) {
        auto spec = udp_spec();
        spec.val.dst_port = htons(port);
        spec.mask.dst_port = 0xffff;
        return end.make_flow(qp, FlowAttr{}.add(spec));
    }
    /// From now on frames to its port are known.
    void make_known(ibv_qp* qp, std::uint16_t port) {
        EXPECT_EQ(end.post_recv(0, {end.sge(60000, 2048)}, qp), 0);
        link->deliver(to_port(port, 0));
        EXPECT_EQ(poll_one(end.recv_cq).status, IBV_WC_SUCCESS);
    }
    Frame mixed() const {
        Frame wanted = changed;
        std::copy_n(steered.begin(), head_bytes, wanted.begin());
        return wanted;
    }
    Frame received() { return end.copy(0, poll_one(end.recv_cq).byte_len); }
};

TEST_F(SharedFrame, HasTheHeadThatItWasSteeredBy) {
    make_known(end.qp.get(), 7001);
    make_known(second.get(), 7002);
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 2048)}), 0);
    link->deliver_shared({steered}, {changed});
    EXPECT_EQ(received(), mixed());
    EXPECT_EQ(end.drops().out_of_buffer, 0U);
}

TEST_F(SharedFrame, HasItInPiecesToo) {
    make_known(end.qp.get(), 7001);
    for (const std::uint32_t cut : {1U, 20U, 41U, 42U, 43U, 100U}) {
        ASSERT_EQ(end.post_recv(1, {end.sge(0, cut), end.sge(cut, 0), end.sge(cut, 2000)}), 0);
        link->deliver_shared({steered}, {changed});
        EXPECT_EQ(received(), mixed()) << cut;
    }
}

TEST_F(SharedFrame, HasItThoughTheFlowIsNotKnown) {
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 2048)}), 0);
    link->deliver_shared({steered}, {changed});
    EXPECT_EQ(received(), mixed());
}

TEST_F(SharedFrame, HasItWhereTheReceiveIsTooShort) {
    make_known(end.qp.get(), 7001);
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 60)}), 0);
    link->deliver_shared({steered}, {changed});
    EXPECT_WC(poll_one(end.recv_cq), 1U, IBV_WC_LOC_LEN_ERR);
    const Frame wanted = mixed();
    EXPECT_TRUE(std::ranges::equal(end.bytes(0, 60), std::span{wanted}.first(60)));
}

TEST_F(SharedFrame, HasTheCheckSequenceOfWhatIsDelivered) {
    const verbs::QpHandle offloading = make_offloading_qp(end, IBV_QP_CREATE_SCATTER_FCS);
    const auto flow = make_flow(offloading.get(), 7003);
    make_known(offloading.get(), 7003);
    ASSERT_EQ(end.post_recv(1, {end.sge(0, 2048)}, offloading.get()), 0);
    link->deliver_shared({to_port(7003, 1)}, {changed});
    Frame wanted = changed;
    const Frame head = to_port(7003, 1);
    std::copy_n(head.begin(), head_bytes, wanted.begin());
    const auto fcs = ethernet_fcs(wanted);
    wanted.insert(wanted.end(), fcs.begin(), fcs.end());
    EXPECT_EQ(received(), wanted);
}

/// Longer than a batch, with runs of both queue pairs and frames that lack a receive.
TEST_F(SharedFrame, GoesWhereItsHeadSaysInLongListsToo) {
    make_known(end.qp.get(), 7001);
    make_known(second.get(), 7002);
    end.fill(70);
    end.fill(10, second.get());
    Frames heads;
    Frames later;
    for (unsigned i = 0; i < 100; ++i) {
        const bool to_first = i % 10 < 7;
        heads.push_back(to_port(to_first ? 7001 : 7002, 1));
        later.push_back(to_port(to_first ? 7002 : 7001, 2));
    }
    link->deliver_shared(heads, later);
    std::size_t of_first = 0;
    const auto done = poll_all(end.recv_cq);
    EXPECT_EQ(done.size(), 80U);
    for (const ibv_wc& wc : done) of_first += wc.qp_num == end.qp->qp_num;
    EXPECT_EQ(of_first, 70U);
    EXPECT_EQ(end.drops().out_of_buffer, 20U);
}

}  // namespace
}  // namespace pktverbs::testing
