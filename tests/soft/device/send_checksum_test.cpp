// SPDX-License-Identifier: Apache-2.0
// Checksums that the NIC fills in when it sends, and vouches for when it receives.
#include <gtest/gtest.h>

#include "net/internet_checksum.hpp"
#include "offload_end.hpp"

namespace pktverbs::testing {
namespace {

constexpr unsigned summed = IBV_SEND_SIGNALED | IBV_SEND_IP_CSUM;

class SendChecksum : public ::testing::Test {
protected:
    VerbsEnd end{{.inline_bytes = 256}};
    WireTap tap{"w"};

    std::vector<IpFrame> kinds() {
        IpFrame tagged;
        tagged.tags = {0x81, 0, 0x20, 7};
        tagged.options = Frame(12, 1);
        IpFrame tcp;
        tcp.tcp = true;
        tcp.tcp_options = Frame(8, 1);
        IpFrame padded;
        padded.payload.resize(1);
        padded.padding.resize(17);
        return {IpFrame{}, tagged, tcp, padded, IpFrame::v6(), IpFrame::v6(true)};
    }
    Frame sent() {
        auto frames = tap.receive();
        EXPECT_EQ(frames.size(), 1U);
        return frames.empty() ? Frame{} : frames.front();
    }
};

TEST_F(SendChecksum, IsFilledInOnTheWireAndNotInMemory) {
    for (const IpFrame& frame : kinds()) {
        const Frame before = frame.bytes();
        ASSERT_EQ(end.post_send(1, {end.put(0, before)}, summed), 0);
        expect_right(frame, sent());
        EXPECT_EQ(end.copy(0, before.size()), before);
        EXPECT_WC(poll_one(end.send_cq), 1U, IBV_WC_SUCCESS);
    }
}

TEST_F(SendChecksum, IsFilledInOfScatteredAndInlineFrames) {
    for (const IpFrame& frame : kinds()) {
        const Frame bytes = frame.bytes();
        for (std::size_t cut = 1; cut < bytes.size() - 1; cut += 5) {
            const ibv_sge whole = end.put(100, bytes);
            const auto part = [&](std::size_t from, std::size_t to) {
                return ibv_sge{whole.addr + from, static_cast<std::uint32_t>(to - from), whole.lkey};
            };
            const Sges parts{part(0, cut), part(cut, cut), part(cut, cut + 1), part(cut + 1, bytes.size())};
            ASSERT_EQ(end.post_send(1, parts, summed), 0);
            expect_right(frame, sent());
            ASSERT_EQ(end.post_send(1, parts, summed | IBV_SEND_INLINE), 0);
            expect_right(frame, sent());
            poll_all(end.send_cq);
        }
    }
}

TEST_F(SendChecksum, CoversFramesLongerThanTheNicLooksForHeaders) {
    IpFrame frame;
    frame.payload = frame_to(1, 8000);
    const Frame bytes = frame.bytes();
    const ibv_sge whole = end.put(0, bytes);
    ASSERT_EQ(
        end.post_send(1, {{whole.addr, 301, whole.lkey}, {whole.addr + 301, whole.length - 301, whole.lkey}}, summed),
        0);
    expect_right(frame, sent());
}

TEST_F(SendChecksum, IsLeftAsItIsWithoutTheFlag) {
    const Frame bytes = IpFrame{}.bytes();
    ASSERT_EQ(end.post_send(1, {end.put(0, bytes)}), 0);
    EXPECT_EQ(sent(), bytes);
}

TEST_F(SendChecksum, LeavesOtherFramesAlone) {
    ASSERT_EQ(end.post_send(1, {end.put(0, frame_to(1))}, summed), 0);
    EXPECT_EQ(sent(), frame_to(1));
}

TEST_F(SendChecksum, IsBuiltByFunctionsToo) {
    const verbs::QpHandle owned = make_offloading_qp(end, 0, 0, IBV_QP_EX_WITH_SEND);
    ibv_qp_ex* const qp = soft::QueuePair::of(owned.get()).extended();
    const IpFrame frame;
    const ibv_sge sge = end.put(0, frame.bytes());
    ibv_wr_start(qp);
    qp->wr_flags = summed;
    ibv_wr_send(qp);
    ibv_wr_set_sge(qp, sge.lkey, sge.addr, sge.length);
    ASSERT_EQ(ibv_wr_complete(qp), 0);
    expect_right(frame, sent());
}

TEST_F(SendChecksum, KeepsTheOrderOfAllFrames) {
    std::vector<ibv_sge> sges(12);
    std::vector<ibv_send_wr> wrs(12);
    for (std::size_t i = 0; i < wrs.size(); ++i) {
        IpFrame frame;
        frame.payload = Frame(20, static_cast<std::uint8_t>(i));
        sges[i] = end.put(200 * i, frame.bytes());
        wrs[i] = {};
        wrs[i].wr_id = i;
        wrs[i].next = i + 1 < wrs.size() ? &wrs[i + 1] : nullptr;
        wrs[i].sg_list = &sges[i];
        wrs[i].num_sge = 1;
        wrs[i].opcode = IBV_WR_SEND;
        wrs[i].send_flags = (i / 2) % 2 == 0 ? unsigned{IBV_SEND_SIGNALED} : summed;
    }
    ibv_send_wr* bad = nullptr;
    ASSERT_EQ(ibv_post_send(end.qp.get(), wrs.data(), &bad), 0);
    const Frames frames = tap.receive();
    const auto completed = poll_all(end.send_cq);
    ASSERT_EQ(frames.size(), wrs.size());
    ASSERT_EQ(completed.size(), wrs.size());
    for (std::size_t i = 0; i < wrs.size(); ++i) {
        EXPECT_EQ(frames[i].back(), i);
        EXPECT_EQ(checksums_right(frames[i]), (i / 2) % 2 != 0);
        EXPECT_WC(completed[i], i, IBV_WC_SUCCESS);
        EXPECT_EQ(completed[i].opcode, IBV_WC_SEND);
    }
}

TEST_F(SendChecksum, FailsWhereAPlainSendWould) {
    const Frame bytes = IpFrame{}.bytes();
    ASSERT_EQ(end.post_send(1, {end.put(0, bytes)}, summed), 0);
    const ibv_sge bad{reinterpret_cast<std::uint64_t>(end.memory.data()), 60, 0};
    ASSERT_EQ(end.post_send(2, {bad}, summed), 0);
    const auto completed = poll_all(end.send_cq);
    ASSERT_EQ(completed.size(), 2U);
    EXPECT_WC(completed[0], 1U, IBV_WC_SUCCESS);
    EXPECT_WC(completed[1], 2U, IBV_WC_LOC_PROT_ERR);
}

class ReceivedChecksum : public ::testing::Test {
protected:
    VerbsEnd sender{{.all_default = false}};
    WireTap tap{"w"};

    static Frame right(IpFrame frame = {}) {
        Frame bytes = frame.bytes();
        EXPECT_TRUE(fill_checksums(bytes, {}));
        return bytes;
    }
    static unsigned flags_of(VerbsEnd& receiver) { return poll_one(receiver.recv_cq).wc_flags; }
};

TEST_F(ReceivedChecksum, IsVouchedForWhenTheSendingNicFilledItIn) {
    VerbsEnd receiver;
    receiver.fill(4);
    ASSERT_EQ(sender.post_send(1, {sender.put(0, IpFrame{}.bytes())}, summed), 0);
    EXPECT_EQ(flags_of(receiver), IBV_WC_IP_CSUM_OK);
    ASSERT_EQ(sender.post_send(1, {sender.put(0, right())}), 0);
    EXPECT_EQ(flags_of(receiver), 0U);
    IpFrame fragment;
    fragment.fragment = 0x2000;
    ASSERT_EQ(sender.post_send(1, {sender.put(0, fragment.bytes())}, summed), 0);
    EXPECT_EQ(flags_of(receiver), 0U);
}

TEST_F(ReceivedChecksum, IsNotVouchedForAfterDamage) {
    VerbsEnd receiver;
    receiver.fill(1);
    Wire{"w"}.set_faults({.corruption = 1});
    ASSERT_EQ(sender.post_send(1, {sender.put(0, IpFrame{}.bytes())}, summed), 0);
    Wire{"w"}.set_faults({});
    EXPECT_EQ(flags_of(receiver), 0U);
}

TEST_F(ReceivedChecksum, IsVerifiedOnRequest) {
    EndOptions options;
    options.wire = "checksums=verify";
    VerbsEnd receiver{options};
    receiver.fill(4);
    tap.send(right());
    EXPECT_EQ(flags_of(receiver), IBV_WC_IP_CSUM_OK);
    tap.send(right(IpFrame::v6(true)));
    EXPECT_EQ(flags_of(receiver), IBV_WC_IP_CSUM_OK);
    Frame wrong = right();
    wrong.back() ^= 1;
    tap.send(wrong);
    EXPECT_EQ(flags_of(receiver), 0U);
    tap.send(IpFrame{}.bytes());
    EXPECT_EQ(flags_of(receiver), 0U);
}

}  // namespace
}  // namespace pktverbs::testing
