// SPDX-License-Identifier: Apache-2.0
#include "verbs_end.hpp"

#include <pktverbs/soft/device.hpp>

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "soft/nic/nic.hpp"

namespace pktverbs::testing {

Frame frame_to(unsigned last, std::size_t bytes) {
    Frame frame(bytes);
    std::iota(frame.begin(), frame.end(), std::uint8_t{0});
    const std::uint8_t header[] = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(last), 2, 0, 0, 0, 1, 0, 0x88, 0xb5};
    std::copy_n(header, std::min(bytes, sizeof header), frame.begin());
    return frame;
}

Frame multicast_frame() {
    Frame frame = frame_to(1);
    frame[0] = 3;
    return frame;
}

FlowAttr to_mac(unsigned last, std::uint16_t priority) {
    auto spec = eth_spec();
    const Frame frame = frame_to(last);
    std::copy_n(frame.begin(), 6, spec.val.dst_mac);
    std::fill_n(spec.mask.dst_mac, 6, std::uint8_t{0xff});
    FlowAttr attr;
    return attr.add(spec).priority(priority);
}

VerbsEnd::VerbsEnd(verbs::Device opened, const EndOptions& options)
    : device{std::move(opened)},
      verbs{*device.provider},
      context{verbs.open_device(device.handle.get()), {&verbs}},
      pd{verbs.alloc_pd(context.get()), {&verbs}},
      memory(65536),
      mr{verbs.reg_mr(pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE), {&verbs}},
      channel{verbs.create_comp_channel(context.get()), {&verbs}},
      send_cq{make_cq(options.completions, channel.get())},
      recv_cq{make_cq(options.completions, channel.get())} {
    set_blocking(channel->fd, false);
    ibv_qp_init_attr attr{};
    attr.send_cq = send_cq.get();
    attr.recv_cq = recv_cq.get();
    attr.cap = {options.send_depth, options.recv_depth, options.sges, options.sges, options.inline_bytes};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    attr.sq_sig_all = options.signal_all ? 1 : 0;
    qp = {verbs.create_qp(pd.get(), &attr), {&verbs}};
    granted = attr.cap;
    bring_to(qp.get(), options.state);
    if (options.all_default) all_default = make_flow(qp.get(), FlowAttr{IBV_FLOW_ATTR_ALL_DEFAULT});
}

verbs::CqHandle VerbsEnd::make_cq(int entries, ibv_comp_channel* on, void* cq_context) {
    return {verbs.create_cq(context.get(), entries, cq_context, on, 0), {&verbs}};
}

verbs::QpHandle VerbsEnd::make_qp(const EndOptions& options) {
    ibv_qp_init_attr attr{};
    attr.send_cq = send_cq.get();
    attr.recv_cq = recv_cq.get();
    attr.cap = {options.send_depth, options.recv_depth, options.sges, options.sges, options.inline_bytes};
    attr.qp_type = IBV_QPT_RAW_PACKET;
    verbs::QpHandle made{verbs.create_qp(pd.get(), &attr), {&verbs}};
    bring_to(made.get(), options.state);
    return made;
}

verbs::FlowHandle VerbsEnd::make_flow(ibv_qp* to, const FlowAttr& attr) {
    return {attr.with_block([&](ibv_flow_attr& block) { return verbs.create_flow(to, &block); }), {&verbs}};
}

ibv_sge VerbsEnd::sge(std::size_t offset, std::uint32_t length) const {
    return {reinterpret_cast<std::uint64_t>(memory.data()) + offset, length, mr->lkey};
}

std::span<const std::uint8_t> VerbsEnd::bytes(std::size_t offset, std::size_t length) const {
    return std::span{memory}.subspan(offset, length);
}

Frame VerbsEnd::copy(std::size_t offset, std::size_t length) const {
    const auto from = bytes(offset, length);
    return {from.begin(), from.end()};
}

ibv_sge VerbsEnd::put(std::size_t offset, const Frame& frame) {
    std::ranges::copy(frame, memory.begin() + static_cast<std::ptrdiff_t>(offset));
    return sge(offset, static_cast<std::uint32_t>(frame.size()));
}

int VerbsEnd::post_send(std::uint64_t id, Sges sges, unsigned flags, ibv_qp* to) {
    ibv_send_wr wr{};
    wr.wr_id = id;
    wr.sg_list = sges.data();
    wr.num_sge = static_cast<int>(sges.size());
    wr.opcode = IBV_WR_SEND;
    wr.send_flags = flags;
    ibv_send_wr* bad = nullptr;
    const int error = ibv_post_send(to ? to : qp.get(), &wr, &bad);
    EXPECT_EQ(bad, error ? &wr : nullptr);
    return error;
}

int VerbsEnd::post_recv(std::uint64_t id, Sges sges, ibv_qp* to) {
    ibv_recv_wr wr{};
    wr.wr_id = id;
    wr.sg_list = sges.data();
    wr.num_sge = static_cast<int>(sges.size());
    ibv_recv_wr* bad = nullptr;
    const int error = ibv_post_recv(to ? to : qp.get(), &wr, &bad);
    EXPECT_EQ(bad, error ? &wr : nullptr);
    return error;
}

void VerbsEnd::fill(std::uint32_t count, ibv_qp* to) {
    for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(post_recv(i, {sge(2048 * (i % 16), 2048)}, to), 0);
}

verbs::DeviceDrops VerbsEnd::drops() const { return soft::Nic::of(context.get()).drops(); }

std::vector<ibv_wc> poll_all(ibv_cq* cq) {
    std::vector<ibv_wc> all(4096);
    const int got = ibv_poll_cq(cq, static_cast<int>(all.size()), all.data());
    EXPECT_GE(got, 0);
    all.resize(static_cast<std::size_t>(std::max(got, 0)));
    return all;
}

std::vector<ibv_wc> poll_all(const verbs::CqHandle& cq) { return poll_all(cq.get()); }

ibv_wc poll_one(const verbs::CqHandle& cq) {
    const auto all = poll_all(cq);
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? ibv_wc{} : all.front();
}

std::size_t count_status(const std::vector<ibv_wc>& completions, ibv_wc_status status) {
    return static_cast<std::size_t>(std::ranges::count(completions, status, &ibv_wc::status));
}

int step(ibv_qp* qp, ibv_qp_state to, int mask) {
    ibv_qp_attr attr{};
    attr.qp_state = to;
    attr.port_num = 1;
    return soft::provider().modify_qp(qp, &attr, IBV_QP_STATE | mask);
}

void bring_to(ibv_qp* qp, ibv_qp_state state) {
    if (state == IBV_QPS_RESET) return;
    ASSERT_EQ(step(qp, IBV_QPS_INIT, IBV_QP_PORT), 0);
    for (const ibv_qp_state next : {IBV_QPS_RTR, IBV_QPS_RTS}) {
        if (state < next) break;
        ASSERT_EQ(step(qp, next), 0);
    }
    if (state <= IBV_QPS_RTS) return;
    ASSERT_EQ(step(qp, state), 0);
}

ibv_qp_state state_of(ibv_qp* qp) {
    ibv_qp_attr attr{};
    ibv_qp_init_attr init{};
    EXPECT_EQ(soft::provider().query_qp(qp, &attr, IBV_QP_STATE, &init), 0);
    return attr.qp_state;
}

bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return poll(&one, 1, 0) == 1;
}

void set_blocking(int fd, bool on) {
    const int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

}  // namespace pktverbs::testing
