// SPDX-License-Identifier: Apache-2.0
// VerbsEnd: a soft device with everything needed to send and receive, for tests that call verbs themselves.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/soft/wire.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "../../unit/flow_attr.hpp"
#include "wire_device.hpp"

namespace pktverbs::testing {

using Frame = std::vector<std::uint8_t>;
using Frames = std::vector<Frame>;
using Sges = std::vector<ibv_sge>;
using soft::Wire;
using soft::WireTap;

/// A frame to 02:00:00:00:00:`last`, filled with bytes that count up.
Frame frame_to(unsigned last, std::size_t bytes = 60);
Frame multicast_frame();
/// A rule for the frames of frame_to().
FlowAttr to_mac(unsigned last, std::uint16_t priority = 0);

struct EndOptions {
    std::uint32_t send_depth = 16;
    std::uint32_t recv_depth = 16;
    std::uint32_t sges = 4;
    std::uint32_t inline_bytes = 64;
    int completions = 64;
    bool signal_all = false;
    ibv_qp_state state = IBV_QPS_RTS;
    bool all_default = true;  ///< with a flow for every frame
    std::string wire = {};    ///< options of its device string
};

/// Made in the order of the members, destroyed in the reverse.
class VerbsEnd {
public:
    explicit VerbsEnd(const EndOptions& options = {}) : VerbsEnd{"w", options} {}
    VerbsEnd(std::string_view wire, const EndOptions& options)
        : VerbsEnd{testing::wire_device(wire, options.wire), options} {}
    VerbsEnd(verbs::Device device, const EndOptions& options);

    verbs::Device device;
    const verbs::Provider& verbs;
    verbs::ContextHandle context;
    verbs::PdHandle pd;
    std::vector<std::uint8_t> memory;  ///< registered, 64 KiB
    verbs::MrHandle mr;
    verbs::CompChannelHandle channel;  ///< both queues', non-blocking
    verbs::CqHandle send_cq;
    verbs::CqHandle recv_cq;
    ibv_qp_cap granted{};
    verbs::QpHandle qp;
    verbs::FlowHandle all_default;

    verbs::CqHandle make_cq(int entries, ibv_comp_channel* on = nullptr, void* cq_context = nullptr);
    verbs::QpHandle make_qp(const EndOptions& options = {});
    verbs::FlowHandle make_flow(ibv_qp* qp, const FlowAttr& attr);

    ibv_sge sge(std::size_t offset, std::uint32_t length) const;
    std::span<const std::uint8_t> bytes(std::size_t offset, std::size_t length) const;
    Frame copy(std::size_t offset, std::size_t length) const;
    /// Puts a frame into the memory; gives its element.
    ibv_sge put(std::size_t offset, const Frame& frame);

    int post_send(std::uint64_t id, Sges sges, unsigned flags = IBV_SEND_SIGNALED, ibv_qp* to = nullptr);
    int post_recv(std::uint64_t id, Sges sges, ibv_qp* to = nullptr);
    /// `count` receives of 2048 bytes, numbered from 0, at 2048 times their number modulo 16.
    void fill(std::uint32_t count, ibv_qp* to = nullptr);
    verbs::DeviceDrops drops() const;
};

/// All completions.
std::vector<ibv_wc> poll_all(ibv_cq* cq);
std::vector<ibv_wc> poll_all(const verbs::CqHandle& cq);
/// The only completion; any other number fails the test.
ibv_wc poll_one(const verbs::CqHandle& cq);
std::size_t count_status(const std::vector<ibv_wc>& completions, ibv_wc_status status);

int step(ibv_qp* qp, ibv_qp_state to, int mask = 0);
/// From RESET, through every state on the way.
void bring_to(ibv_qp* qp, ibv_qp_state state);
ibv_qp_state state_of(ibv_qp* qp);

bool readable(int fd);
void set_blocking(int fd, bool on);

#define EXPECT_WC(wc, id, expected_status)                \
    do {                                                  \
        const ibv_wc& completion_ = (wc);                 \
        EXPECT_EQ(completion_.wr_id, (id));               \
        EXPECT_EQ(completion_.status, (expected_status)); \
    } while (false)

}  // namespace pktverbs::testing
