// SPDX-License-Identifier: Apache-2.0
// Segmentation: one send becomes many frames.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "offload_end.hpp"
#include "soft/device/soft_device.hpp"
#include "soft/nic/nic.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {
namespace {

constexpr unsigned offloaded = IBV_SEND_SIGNALED | IBV_SEND_IP_CSUM;
constexpr std::uint16_t mss = 1000;

IpFrame tcp_frame(bool ipv6 = false) {
    IpFrame frame = ipv6 ? IpFrame::v6(true) : IpFrame{};
    frame.tcp = true;
    frame.tcp_options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    frame.tcp_flags = 0x80 | 0x10 | 0x08 | 0x01;  // CWR, ACK, PSH, FIN
    frame.payload.clear();
    return frame;
}

/// Segment `index` of `payload`, by each field's rules.
IpFrame segment_of(const IpFrame& header, const Frame& payload, std::size_t index) {
    IpFrame frame = header;
    const std::size_t from = index * mss;
    const std::size_t to = std::min(from + mss, payload.size());
    frame.payload.assign(payload.begin() + static_cast<std::ptrdiff_t>(from),
                         payload.begin() + static_cast<std::ptrdiff_t>(to));
    frame.id = static_cast<std::uint16_t>(header.id + index);
    frame.seq = header.seq + static_cast<std::uint32_t>(from);
    unsigned flags = header.tcp_flags;
    if (index != 0) flags &= 0x7fU;
    if (to != payload.size()) flags &= ~0x09U;
    frame.tcp_flags = static_cast<std::uint8_t>(flags);
    return frame;
}

void expect_segments(const IpFrame& header, const Frame& payload, const Frames& frames) {
    const std::size_t count = std::max<std::size_t>(1, (payload.size() + mss - 1) / mss);
    ASSERT_EQ(frames.size(), count);
    for (std::size_t i = 0; i < count; ++i) expect_right(segment_of(header, payload, i), frames[i]);
}

int post_tso(ibv_qp* qp, std::uint64_t id, Frame header, Sges sges, std::uint16_t size = mss,
             unsigned flags = offloaded) {
    ibv_send_wr wr{};
    wr.wr_id = id;
    wr.sg_list = sges.data();
    wr.num_sge = static_cast<int>(sges.size());
    wr.opcode = IBV_WR_TSO;
    wr.send_flags = flags;
    wr.tso.hdr = header.data();
    wr.tso.hdr_sz = static_cast<std::uint16_t>(header.size());
    wr.tso.mss = size;
    ibv_send_wr* bad = nullptr;
    const int error = ibv_post_send(qp, &wr, &bad);
    EXPECT_EQ(bad, error ? &wr : nullptr);
    return error;
}

class Segmentation : public ::testing::Test {
protected:
    VerbsEnd end;
    WireTap tap{"w"};
    verbs::QpHandle qp = make_offloading_qp(end, 0, 128, IBV_QP_EX_WITH_SEND | IBV_QP_EX_WITH_TSO);
};

TEST_F(Segmentation, MakesFramesOfAPayload) {
    for (const bool ipv6 : {false, true})
        for (const std::size_t bytes : {0U, 1U, 999U, 1000U, 1001U, 10'000U, 60'000U}) {
            const Frame payload = frame_to(1, bytes);
            const IpFrame header = tcp_frame(ipv6);
            ASSERT_EQ(post_tso(qp.get(), 7, header.bytes(), {end.put(0, payload)}), 0);
            expect_segments(header, payload, tap.receive());
            const ibv_wc wc = poll_one(end.send_cq);
            EXPECT_WC(wc, 7U, IBV_WC_SUCCESS);
            EXPECT_EQ(wc.opcode, IBV_WC_TSO);
        }
}

TEST_F(Segmentation, CutsAcrossScatterElements) {
    const Frame payload = frame_to(1, 5432);
    const ibv_sge all = end.put(0, payload);
    const Sges parts{
        {all.addr, 999, all.lkey}, {all.addr, 0, 0}, {all.addr + 999, 1, all.lkey}, {all.addr + 1000, 4432, all.lkey}};
    ASSERT_EQ(post_tso(qp.get(), 7, tcp_frame().bytes(), parts), 0);
    expect_segments(tcp_frame(), payload, tap.receive());
    EXPECT_EQ(end.copy(0, payload.size()), payload);
}

TEST_F(Segmentation, CopiesTheHeaderAtOnceAndTakesInlinePayload) {
    const Frame payload = frame_to(1, 250);
    ASSERT_EQ(post_tso(qp.get(), 7, tcp_frame().bytes(), {end.put(0, payload)}, 100, offloaded | IBV_SEND_INLINE), 0);
    const Frames frames = tap.receive();
    ASSERT_EQ(frames.size(), 3U);
    Frame all;
    for (const Frame& frame : frames)
        all.insert(all.end(), frame.begin() + static_cast<std::ptrdiff_t>(tcp_frame().header_bytes()), frame.end());
    EXPECT_EQ(all, payload);
}

TEST_F(Segmentation, IsBuiltByFunctionsToo) {
    ibv_qp_ex* const built = soft::QueuePair::of(qp.get()).extended();
    const Frame payload = frame_to(1, 2500);
    const ibv_sge sge = end.put(0, payload);
    Frame header = tcp_frame().bytes();
    ibv_wr_start(built);
    built->wr_id = 3;
    built->wr_flags = offloaded;
    ibv_wr_send_tso(built, header.data(), static_cast<std::uint16_t>(header.size()), mss);
    ibv_wr_set_sge(built, sge.lkey, sge.addr, sge.length);
    std::ranges::fill(header, std::uint8_t{0});
    ASSERT_EQ(ibv_wr_complete(built), 0);
    expect_segments(tcp_frame(), payload, tap.receive());
    EXPECT_EQ(poll_one(end.send_cq).opcode, IBV_WC_TSO);
    header = tcp_frame().bytes();
    ibv_wr_start(built);
    ibv_wr_send_tso(built, header.data(), 13, mss);
    EXPECT_EQ(ibv_wr_complete(built), EINVAL);
}

TEST_F(Segmentation, FillsInNoChecksumsWithoutTheFlag) {
    ASSERT_EQ(post_tso(qp.get(), 7, tcp_frame().bytes(), {end.put(0, frame_to(1, 1500))}, mss, IBV_SEND_SIGNALED), 0);
    const Frames frames = tap.receive();
    ASSERT_EQ(frames.size(), 2U);
    EXPECT_EQ(frames[1], segment_of(tcp_frame(), frame_to(1, 1500), 1).bytes());
}

TEST_F(Segmentation, RefusesAtOnceWhatNoNicTakes) {
    const Frame header = tcp_frame().bytes();
    const ibv_sge payload = end.put(0, frame_to(1, 1500));
    EXPECT_EQ(post_tso(qp.get(), 1, header, {payload}, 0), EINVAL);
    EXPECT_EQ(post_tso(qp.get(), 1, Frame(13), {payload}), EINVAL);
    EXPECT_EQ(post_tso(qp.get(), 1, Frame(129), {payload}), EINVAL);
    EXPECT_EQ(post_tso(qp.get(), 1, header, {{payload.addr, 262145, payload.lkey}}), EINVAL);
    EXPECT_EQ(post_tso(end.qp.get(), 1, header, {payload}), EINVAL);  // made without
    EXPECT_TRUE(tap.receive().empty());
    EXPECT_TRUE(poll_all(end.send_cq).empty());
}

TEST_F(Segmentation, FailsWithAStatus) {
    const auto status_of = [&](Frame header, ibv_sge payload, std::uint16_t size = mss) {
        EXPECT_EQ(step(qp.get(), IBV_QPS_RESET), 0);
        bring_to(qp.get(), IBV_QPS_RTS);
        EXPECT_EQ(post_tso(qp.get(), 1, header, {payload}, size), 0);
        EXPECT_TRUE(tap.receive().empty());
        return poll_one(end.send_cq).status;
    };
    const ibv_sge payload = end.put(0, frame_to(1, 20'000));
    IpFrame udp;
    udp.payload.clear();
    EXPECT_EQ(status_of(udp.bytes(), payload), IBV_WC_LOC_QP_OP_ERR);
    EXPECT_EQ(status_of(Frame(54), payload), IBV_WC_LOC_QP_OP_ERR);
    Frame longer = tcp_frame().bytes();
    longer.push_back(0);
    EXPECT_EQ(status_of(longer, payload), IBV_WC_LOC_QP_OP_ERR);
    EXPECT_EQ(status_of(tcp_frame().bytes(), payload, 8957), IBV_WC_LOC_LEN_ERR);
    EXPECT_EQ(status_of(tcp_frame().bytes(), {payload.addr, 1500, 0}), IBV_WC_LOC_PROT_ERR);
}

/// Takes as many frames as it may, and keeps them.
class TrickleLink final : public soft::Link {
public:
    MacAddress mac() const noexcept override { return MacAddress{MacAddress::Bytes{2, 0, 0, 0, 0, 9}}; }
    std::uint32_t mtu() const noexcept override { return 1500; }
    bool up() const noexcept override { return true; }
    void attach(soft::Sink&) override {}
    void detach() noexcept override {}
    void receive(std::size_t) noexcept override {}
    std::size_t send(std::span<const soft::TxFrame> frames) noexcept override {
        const std::size_t taken = std::min(frames.size(), allowed);
        allowed -= taken;
        for (const soft::TxFrame& frame : frames.first(taken)) {
            Frame& kept = sent.emplace_back();
            for (std::uint32_t i = 0; i < frame.sge_count; ++i) {
                const auto* const from = reinterpret_cast<const std::uint8_t*>(frame.sges[i].addr);
                kept.insert(kept.end(), from, from + frame.sges[i].length);
            }
            EXPECT_EQ(kept.size(), frame.length);
        }
        return taken;
    }

    std::size_t allowed = 0;
    Frames sent;
};

class SlowSegmentation : public ::testing::Test {
protected:
    TrickleLink* link = nullptr;
    VerbsEnd end{device(), {.all_default = false}};
    verbs::QpHandle qp = make_offloading_qp(end, 0, 128);

    verbs::Device device() {
        verbs::Device made = testing::wire_device("w");
        auto soft = std::make_shared<soft::SoftDevice>();
        soft->port.open = [this] {
            auto opened = std::make_unique<TrickleLink>();
            link = opened.get();
            return opened;
        };
        made.handle = std::move(soft);
        return made;
    }
};

TEST_F(SlowSegmentation, GoesOnWhereTheLinkStopped) {
    const Frame payload = frame_to(1, 50'000);
    IpFrame plain;
    ASSERT_EQ(post_tso(qp.get(), 1, tcp_frame().bytes(), {end.put(0, payload)}), 0);
    ASSERT_EQ(end.post_send(2, {end.put(60'000, plain.bytes())}, offloaded, qp.get()), 0);
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(link->sent.size(), std::min<std::size_t>(3 * static_cast<std::size_t>(round), 51));
        EXPECT_EQ(poll_all(end.send_cq).size(), round == 17 ? 2U : 0U) << round;
        link->allowed = 3;
        poll_all(end.recv_cq);  // sends held-up frames
    }
    ASSERT_EQ(link->sent.size(), 51U);
    expect_right(plain, link->sent.back());
    link->sent.pop_back();
    expect_segments(tcp_frame(), payload, link->sent);
}

TEST_F(SlowSegmentation, ForgetsWhereItStoppedWhenItIsReset) {
    const Frame payload = frame_to(1, 5000);
    link->allowed = 2;
    ASSERT_EQ(post_tso(qp.get(), 1, tcp_frame().bytes(), {end.put(0, payload)}), 0);
    EXPECT_EQ(link->sent.size(), 2U);
    ASSERT_EQ(step(qp.get(), IBV_QPS_RESET), 0);
    bring_to(qp.get(), IBV_QPS_RTS);
    link->sent.clear();
    link->allowed = 2;
    ASSERT_EQ(post_tso(qp.get(), 2, tcp_frame().bytes(), {end.put(0, payload)}), 0);
    ASSERT_EQ(step(qp.get(), IBV_QPS_ERR), 0);
    EXPECT_WC(poll_one(end.send_cq), 2U, IBV_WC_WR_FLUSH_ERR);
    ASSERT_EQ(step(qp.get(), IBV_QPS_RESET), 0);
    bring_to(qp.get(), IBV_QPS_RTS);
    link->sent.clear();
    link->allowed = 100;
    ASSERT_EQ(post_tso(qp.get(), 3, tcp_frame().bytes(), {end.put(0, payload)}), 0);
    expect_segments(tcp_frame(), payload, link->sent);
}

}  // namespace
}  // namespace pktverbs::testing
