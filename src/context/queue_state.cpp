// SPDX-License-Identifier: Apache-2.0
#include "context/queue_state.hpp"

#include <sys/eventfd.h>
#include <pktverbs/format.hpp>
#include <pktverbs/memory/placement.hpp>

#include <algorithm>
#include <limits>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "context/core.hpp"
#include "net/frame_sizes.hpp"
#include "verbs/non_blocking.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t grh_bytes = sizeof(ibv_grh);
constexpr std::uint32_t min_packets = 16;  ///< below this, device_maximum gives up

/// The number of packets that is asked for.
std::uint32_t asked(std::uint32_t count, int most, std::string_view side, const std::string& device) {
    const auto limit = static_cast<std::uint32_t>(std::max(most, 0));
    if (count == device_maximum) return limit;
    if (count > limit)
        verbs::throw_message(EINVAL, fmt::format("cannot have {} {} packets per queue on {}: it grants at most {}",
                                                 count, side, device, limit));
    return count;
}

}  // namespace

Queue::State::State(Core& owner, const Options& options, const ibv_device_attr& device, std::uint64_t khz,
                    std::uint32_t index)
    : core{owner},
      limits{owner.limits},
      transport{options.transport},
      qkey{options.qkey},
      wait_mode{options.wait},
      spin{options.spin},
      clock_khz{khz},
      default_batch{options.max_batch == 0},
      spreads{owner.rss != nullptr},
      comp_vector{static_cast<int>(index) % std::max(owner.context->num_comp_vectors, 1)},
      wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      send_wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      device_strips{owner.offloads.by.strip_vlan == Offload::device},
      receive_offloads{owner.offloads.by},
      finishes{device_strips || receive_offloads.any()},
      header_bytes{is_datagram() ? grh_bytes : 0},
      source_mask{is_datagram() ? 0xffffffU : 0},
      min_bytes{is_datagram() ? 0 : ethernet_bytes} {
    if (!wake || !send_wake) verbs::throw_error(errno, owner.action("eventfd", "make an eventfd for"));
    const std::string& name = owner.device.name;
    const int most = std::min(device.max_qp_wr, device.max_cqe);
    max_sends = static_cast<std::uint32_t>(std::max(most, 0));
    limits.recv_packets = asked(options.recv_packets, most, "receive", name);
    limits.send_packets = asked(options.send_packets, most, "send", name);
    // For device_maximum the attributes are only an upper bound (ibv_query_device(3)): come down to what it takes.
    for (;;) {
        try {
            make_recv_side(options, limits.recv_packets);
            make_send_side(options, limits.send_packets);
            if (spreads) make_work_queue(options);
            if (!spreads || limits.send_packets != 0) make_queue_pair(options);
            break;
        } catch (const std::system_error& failure) {
            const bool flexible = options.recv_packets == device_maximum || options.send_packets == device_maximum;
            const int reason = failure.code().value();
            if (!flexible || (reason != ENOMEM && reason != EINVAL)) throw;
            const auto halve = [](std::uint32_t asked_for, std::uint32_t& count) {
                if (asked_for != device_maximum) return false;
                count /= 2;
                return count < min_packets;
            };
            if (halve(options.recv_packets, limits.recv_packets)) throw;
            if (halve(options.send_packets, limits.send_packets)) throw;
            close();
        }
    }
    limits.max_batch = options.max_batch != 0 ? options.max_batch : std::max(limits.recv_packets / 2, 1U);
    // By default a quarter of the packets, so that completions free some while others are still in flight; more than
    // 16 saves nothing that can be measured.
    limits.signal_every = options.signal_every != 0 ? options.signal_every : std::min(limits.send_packets / 4, 16U);
    limits.signal_every = std::clamp(limits.signal_every, 1U, std::max(limits.send_packets, 1U));
    if (limits.timestamps && limits.recv_packets != 0) limits.timestamp_clock = owner.device.timestamp_clock;
    limits.buffer_bytes = recv_buffers.own_bytes() + send_buffers.own_bytes();
}

Memory::Placement Queue::State::placement(const Options& options) const {
    return {.pages = options.pages,
            .numa_node = options.local_numa_node ? static_cast<int>(numa_node(core.device).value_or(-1U)) : -1};
}

void Queue::State::make_recv_side(const Options& options, std::uint32_t count) {
    if (count == 0) return;
    const verbs::Provider& provider = *core.device.provider;
    recv_channel =
        verbs::CompChannelHandle{verbs::check_pointer(core.action("create_comp_channel", "create a completion channel"),
                                                      [&] { return provider.create_comp_channel(core.context.get()); }),
                                 {&provider}};
    verbs::set_non_blocking(recv_channel->fd, core.action("fcntl", "make a completion channel non-blocking"));
    recv_ready = Readiness{core, wake.get()};
    recv_ready.add(core, recv_channel->fd, 0);
    const auto create_cq = core.action("create_cq", "create a receive completion queue");
    if (limits.timestamps || device_strips) limits.timestamps = make_extended_cq(count) && limits.timestamps;
    if (!recv_cq_ex && device_strips)
        verbs::throw_message(EOPNOTSUPP, fmt::format("cannot open {} with strip_vlan: its completions don't tell VLAN "
                                                     "tags (ask for software)",
                                                     core.device.name));
    if (!recv_cq_ex)
        recv_cq = verbs::CqHandle{verbs::check_pointer(create_cq,
                                                       [&] {
                                                           return provider.create_cq(core.context.get(),
                                                                                     static_cast<int>(count), nullptr,
                                                                                     recv_channel.get(), comp_vector);
                                                       }),
                                  {&provider}};

    const Layout layout = options.recv_layout.empty() ? Layout{}.chunk(limits.max_packet_size) : options.recv_layout;
    std::uint64_t before = 0;
    for (const auto& queue : core.queues) before += queue->limits().recv_packets;
    recv_buffers = PacketBuffers{core.port(),
                                 *core.regions,
                                 {.layout = layout,
                                  .packets = count,
                                  .packets_before = before,
                                  .header_bytes = header_bytes,
                                  .placement = placement(options),
                                  .access = IBV_ACCESS_LOCAL_WRITE,
                                  .what = "receive buffers"}};
    recv_packets = Memory{sizeof(RecvPkt) * count};
    if (is_datagram()) recv_slices = Memory{2 * sizeof(ibv_sge) * count};
    parked = nullptr;
    // Last to first, so that they are posted in the order of their addresses.
    for (std::uint32_t i = count; i-- > 0;) {
        auto* pkt = new (recv_packets.data() + sizeof(RecvPkt) * i) RecvPkt;
        for (std::size_t chunk = 0; chunk < recv_buffers.chunk_count(); ++chunk)
            pkt->sges_[chunk] = recv_buffers.slice(chunk, i);
        pkt->wr_.wr_id = reinterpret_cast<std::uint64_t>(pkt);
        pkt->wr_.sg_list = pkt->sges_;
        pkt->wr_.num_sge = static_cast<int>(recv_buffers.chunk_count());
        if (is_datagram()) {
            // The headers stand behind all the buffers, so that those stay aligned and where they are for frames.
            auto* slices =
                new (recv_slices.data() + 2 * sizeof(ibv_sge) * i) ibv_sge[2]{recv_buffers.header(i), pkt->sges_[0]};
            pkt->wr_.sg_list = slices;
            pkt->wr_.num_sge = 2;
        }
        pkt->set_next(parked);
        parked = pkt;
    }
    parked_count = count;
}

/// False if the device has no completion queues with timestamps after all. ConnectX-3 has them, but no flow tags in
/// them.
bool Queue::State::make_extended_cq(std::uint32_t count) {
    const verbs::Provider& provider = *core.device.provider;
    ibv_cq_init_attr_ex attr{};
    attr.cqe = count;
    attr.channel = recv_channel.get();
    attr.comp_vector = static_cast<std::uint32_t>(comp_vector);
    const std::uint64_t always = std::uint64_t{IBV_WC_EX_WITH_BYTE_LEN} |
                                 (limits.timestamps ? IBV_WC_EX_WITH_COMPLETION_TIMESTAMP : 0) |
                                 (device_strips ? IBV_WC_EX_WITH_CVLAN : 0);
    for (const bool with_tags : {true, false}) {
        if (with_tags && is_datagram()) continue;
        attr.wc_flags = always | (with_tags ? IBV_WC_EX_WITH_FLOW_TAG : is_datagram() ? IBV_WC_EX_WITH_SRC_QP : 0);
        errno = 0;
        recv_cq_ex = provider.create_cq_ex(core.context.get(), &attr);
        flow_tags = recv_cq_ex && with_tags;
        if (recv_cq_ex) break;
        if (errno != EOPNOTSUPP && errno != ENOSYS)
            verbs::throw_error(errno != 0 ? errno : EIO, core.action("create_cq", "create a receive completion queue"));
    }
    if (!recv_cq_ex) return false;
    recv_cq = verbs::CqHandle{ibv_cq_ex_to_cq(recv_cq_ex), {&provider}};
    return true;
}

void Queue::State::make_send_side(const Options& options, std::uint32_t count) {
    if (count == 0) return;
    const verbs::Provider& provider = *core.device.provider;
    send_channel =
        verbs::CompChannelHandle{verbs::check_pointer(core.action("create_comp_channel", "create a completion channel"),
                                                      [&] { return provider.create_comp_channel(core.context.get()); }),
                                 {&provider}};
    verbs::set_non_blocking(send_channel->fd, core.action("fcntl", "make a completion channel non-blocking"));
    send_ready = Readiness{core, send_wake.get()};
    send_ready.add(core, send_channel->fd, 0);
    send_offloads = SendOffloads{core.port(), core.offloads, chunks(options.send_layout), count, max_sends};
    const auto completions = static_cast<int>(count + send_offloads.extra_work_requests());
    send_cq = verbs::CqHandle{
        verbs::check_pointer(
            core.action("create_cq", "create a send completion queue"),
            [&] { return provider.create_cq(core.context.get(), completions, nullptr, send_channel.get(), 0); }),
        {&provider}};
    const std::uint32_t whole = is_datagram() ? limits.max_packet_size : options.max_packet_size;
    const Layout layout = options.send_layout.empty() ? Layout{}.chunk(whole) : options.send_layout;
    std::uint64_t before = 0;
    for (const auto& queue : core.queues) before += queue->limits().send_packets;
    send_buffers = PacketBuffers{core.port(),
                                 *core.regions,
                                 {.layout = layout,
                                  .packets = count,
                                  .packets_before = before,
                                  .placement = placement(options),
                                  .what = "send buffers"}};
    send_packets = Memory{sizeof(SendPkt) * count};
    free = nullptr;
    SendPkt* last = nullptr;
    for (std::uint32_t i = count; i-- > 0;) {
        auto* pkt = new (send_packets.data() + sizeof(SendPkt) * i) SendPkt;
        for (std::size_t chunk = 0; chunk < send_buffers.chunk_count(); ++chunk) {
            pkt->sges_[chunk] = send_buffers.slice(chunk, i);
            pkt->capacities_[chunk] = std::exchange(pkt->sges_[chunk].length, 0);
        }
        pkt->wr_.wr_id = reinterpret_cast<std::uint64_t>(pkt);
        pkt->wr_.sg_list = pkt->sges_;
        pkt->wr_.num_sge = static_cast<int>(send_buffers.chunk_count());
        pkt->wr_.opcode = IBV_WR_SEND;
        pkt->set_next(free);
        free = pkt;
        if (!last) last = pkt;
    }
    free->chain_last_ = last;
    free->chain_size_ = count;
    free_count = count;
}

void Queue::State::make_work_queue(const Options& options) {
    const verbs::Provider& provider = *core.device.provider;
    ibv_wq_init_attr attr{};
    attr.wq_type = IBV_WQT_RQ;
    attr.max_wr = limits.recv_packets;
    attr.max_sge = static_cast<std::uint32_t>(chunks(options.recv_layout));
    attr.pd = core.pd.get();
    attr.cq = recv_cq.get();
    const Offloads& by = core.offloads.by;
    if (device_strips) attr.create_flags |= IBV_WQ_FLAGS_CVLAN_STRIPPING;
    if (by.scatter_fcs) attr.create_flags |= IBV_WQ_FLAGS_SCATTER_FCS;
    if (attr.create_flags != 0) attr.comp_mask |= IBV_WQ_INIT_ATTR_FLAGS;
    wq = verbs::WqHandle{verbs::check_pointer(core.action("create_wq", "create a work queue"),
                                              [&] { return provider.create_wq(core.context.get(), &attr); }),
                         {&provider}};
    limits.recv_depth = attr.max_wr;
    if (limits.recv_depth < limits.recv_packets)
        verbs::throw_message(ENOMEM, fmt::format("cannot create a work queue on {}: it grants {} work requests, not {} "
                                                 "(ask for fewer packets)",
                                                 core.device.name, limits.recv_depth, limits.recv_packets));
}

void Queue::State::make_queue_pair(const Options& options) {
    const verbs::Provider& provider = *core.device.provider;
    const std::uint32_t receives = spreads ? 0 : limits.recv_packets;
    ibv_qp_init_attr attr{};
    // Verbs want two completion queues, also where one side has nothing to complete.
    attr.send_cq = send_cq ? send_cq.get() : recv_cq.get();
    attr.recv_cq = receives != 0 ? recv_cq.get() : send_cq.get();
    const std::uint32_t sends = limits.send_packets + send_offloads.extra_work_requests();
    attr.cap.max_send_wr = sends;
    attr.cap.max_recv_wr = receives;
    if (sends != 0) attr.cap.max_send_sge = static_cast<std::uint32_t>(chunks(options.send_layout));
    if (send_offloads.has_entries()) ++attr.cap.max_send_sge;  // a header that is written anew
    attr.cap.max_recv_sge = receives == 0   ? 0
                            : is_datagram() ? 2
                                            : static_cast<std::uint32_t>(chunks(options.recv_layout));
    attr.cap.max_inline_data = options.max_inline;
    attr.qp_type = is_datagram() ? IBV_QPT_UD : IBV_QPT_RAW_PACKET;
    errno = 0;
    qp = verbs::QpHandle{create_queue_pair(attr), {&provider}};
    if (!qp) refuse_queue_pair(errno != 0 ? errno : EIO);
    limits.max_inline = options.max_inline == 0 ? 0 : attr.cap.max_inline_data;
    if (!spreads) limits.recv_depth = receives == 0 ? 0 : attr.cap.max_recv_wr;
    limits.send_depth = limits.send_packets == 0 ? 0 : attr.cap.max_send_wr;
    if (limits.recv_depth < limits.recv_packets || limits.send_depth < sends)
        verbs::throw_message(ENOMEM, fmt::format("cannot create a {} queue pair on {}: it grants {} receive and "
                                                 "{} send work requests, not {} and {} (ask for fewer packets)",
                                                 transport, core.device.name, limits.recv_depth, limits.send_depth,
                                                 limits.recv_packets, sends));
}

/// The extended verb only where something needs it: not every driver has it.
ibv_qp* Queue::State::create_queue_pair(ibv_qp_init_attr& attr) {
    const verbs::Provider& provider = *core.device.provider;
    std::uint32_t flags = 0;
    if (attr.cap.max_recv_wr != 0 && device_strips) flags |= IBV_QP_CREATE_CVLAN_STRIPPING;
    if (attr.cap.max_recv_wr != 0 && core.offloads.by.scatter_fcs) flags |= IBV_QP_CREATE_SCATTER_FCS;
    const bool segments = attr.cap.max_send_wr != 0 && core.offloads.max_tso != 0;
    if (flags == 0 && !segments) return provider.create_qp(core.pd.get(), &attr);
    ibv_qp_init_attr_ex extended{};
    extended.send_cq = attr.send_cq;
    extended.recv_cq = attr.recv_cq;
    extended.cap = attr.cap;
    extended.qp_type = attr.qp_type;
    extended.comp_mask = IBV_QP_INIT_ATTR_PD;
    extended.pd = core.pd.get();
    if (flags != 0) extended.comp_mask |= IBV_QP_INIT_ATTR_CREATE_FLAGS;
    extended.create_flags = flags;
    if (segments) extended.comp_mask |= IBV_QP_INIT_ATTR_MAX_TSO_HEADER;
    if (segments) extended.max_tso_header = SendOffloads::max_header;
    ibv_qp* const made = provider.create_qp_ex(core.context.get(), &extended);
    attr.cap = extended.cap;
    return made;
}

void Queue::State::refuse_queue_pair(int reason) const {
    const std::string what = fmt::format("create a {} queue pair", transport);
    const std::string& instead = core.device.alternative;
    if (reason == EOPNOTSUPP || reason == ENOSYS) {
        if (is_datagram())
            verbs::throw_error(reason, fmt::format("{} on {}", what, core.device.name),
                               "it has none: use raw packets, or an RDMA device");
        if (!instead.empty())
            verbs::throw_error(reason, fmt::format("{} on {}", what, core.device.name),
                               fmt::format("it has none, as SoftRoCE has none: use the soft device {}", instead));
    }
    verbs::throw_error(reason, core.action("create_qp", what));
}

void Queue::State::close() noexcept {
    const verbs::Provider& provider = *core.device.provider;
    qp.reset();
    wq.reset();
    // Destroying a completion queue waits for its events to be acknowledged.
    if (recv_events != 0) provider.ack_cq_events(recv_cq.get(), std::exchange(recv_events, 0));
    if (send_events != 0) provider.ack_cq_events(send_cq.get(), std::exchange(send_events, 0));
    send_buffers.deregister();
    send_offloads = {};
    send_cq.reset();
    send_channel.reset();
    recv_buffers.deregister();
    recv_cq.reset();
    recv_cq_ex = nullptr;
    recv_channel.reset();
    // Ours already: nothing to give back to.
    parked_count += static_cast<std::uint32_t>(saved.size());
    saved.forget();
}

void Queue::State::shut() noexcept {
    closed.store(true);
    wait_for_givers();
}

void Queue::State::wait_for_givers() const noexcept {
    while (givers.load() != 0) std::this_thread::yield();
}

Deadline Queue::State::spin_end() const noexcept {
    if (wait_mode == WaitMode::busy_poll) return Deadline{no_timeout};
    return Deadline{wait_mode == WaitMode::spin_then_block ? spin : std::chrono::nanoseconds::zero()};
}

std::uint32_t Queue::State::held() const noexcept {
    return limits.recv_packets - posted - parked_count - static_cast<std::uint32_t>(saved.size()) +
           limits.send_packets - free_count - in_flight;
}

}  // namespace pktverbs
