// SPDX-License-Identifier: Apache-2.0
#include "context/core.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/verbs/gid.hpp>

#include "context/check_options.hpp"
#include "context/grant.hpp"
#include "context/rss_groups.hpp"
#include "counters/stats_fields.hpp"
#include "datagram/datagram_state.hpp"
#include "flow/flow_registry.hpp"
#include "memory/region_table.hpp"
#include "net/frame_sizes.hpp"
#include "verbs/non_blocking.hpp"
#include "verbs/rdma_core.hpp"

namespace pktverbs {

namespace {

/// The MAC address of a port: from the link-local GID that is made of it, and failing that from the netdev. None for
/// want of memory: the caller would steer by a wrong one.
std::optional<MacAddress> mac_of(const Device& device, ibv_context* context, int gid_count) noexcept {
    for (int i = 0; i < gid_count; ++i) {
        ibv_gid gid{};
        errno = 0;
        if (device.provider->query_gid(context, device.port, i, &gid) != 0) {
            if (errno == ENOMEM) return {};
            continue;
        }
        if (const auto mac = verbs::to_address(gid).link_local_mac()) return *mac;
    }
    const auto state = device.netdev ? device.netdev->state() : std::nullopt;
    return state ? state->mac : MacAddress{};
}

/// With its interface, which is found once and for all here, if it wasn't before.
Device with_netdev(Device device) {
    if (!device.netdev) device.netdev = Interface::find(device.interface);
    return device;
}

}  // namespace

Core::Core(Device device_opened) : device{with_netdev(std::move(device_opened))}, interface_counters{device.netdev} {}

// The other constructor is done by now: whatever is thrown here, the destructor takes down what there is.
Core::Core(Device device_opened, const Options& options) : Core{std::move(device_opened)} {
    check_options(options, device.name);
    const verbs::Provider& provider = *device.provider;
    context = verbs::ContextHandle{
        verbs::check_pointer(action("open_device", "open"), [&] { return provider.open_device(device.handle.get()); }),
        {&provider}};

    verbs::set_non_blocking(context->async_fd, action("fcntl", "make the event descriptor non-blocking of"));
    events.emplace(provider, *context, device.name);
    drops_before_ = drops();

    ibv_device_attr_ex extended{};
    ibv_device_attr& attr = extended.orig_attr;
    verbs::check_result(action("query_device", "query"), [&] { return provider.query_device(context.get(), &attr); });
    std::uint64_t clock_khz = 0;
    const bool is_extended = (options.timestamps || options.rss || any_offload(options)) &&
                             provider.query_device_ex(context.get(), nullptr, &extended) == 0;
    if (options.timestamps && is_extended && extended.completion_timestamp_mask != 0 &&
        verbs::extended_polling_works(attr, verbs::rdma_core_release()))
        clock_khz = extended.hca_core_clock;
    limits.timestamps = clock_khz != 0 && options.recv_packets != none;
    offloads = grant_offloads(options, is_extended ? extended : ibv_device_attr_ex{}, device.name);
    limits.offloads = offloads.by;

    ibv_port_attr port{};
    verbs::check_result(action("query_port", "query the port of"),
                        [&] { return provider.query_port(context.get(), device.port, &port); });
    const bool datagram = options.transport == Transport::datagram;
    if (!datagram && port.link_layer != IBV_LINK_LAYER_ETHERNET)
        verbs::throw_message(EOPNOTSUPP,
                             fmt::format("cannot open {}: port {} is not Ethernet (raw packets need a port whose link "
                                         "layer is Ethernet; on ConnectX, mlxconfig LINK_TYPE_P{}=2)",
                                         device.name, device.port, device.port));
    if (options.require_link && !device.waits_for_peer && port.state != IBV_PORT_ACTIVE)
        verbs::throw_message(
            ENETDOWN, fmt::format("cannot open {}: the link of port {} is down (plug the cable, ip link set {} up, "
                                  "or open with require_link = false)",
                                  device.name, device.port, device.interface.empty() ? "INTERFACE" : device.interface));
    const auto mac = mac_of(device, context.get(), port.gid_tbl_len);
    if (!mac) verbs::throw_error(ENOMEM, "read the GIDs of " + device.name, {});
    limits.mac = *mac;
    limits.mtu = mtu();
    const bool laid_out = !options.recv_layout.empty();
    limits.max_packet_size =
        laid_out ? static_cast<std::uint32_t>(options.recv_layout.bytes()) : options.max_packet_size;

    pd = verbs::PdHandle{verbs::check_pointer(action("alloc_pd", "allocate a protection domain"),
                                              [&] { return provider.alloc_pd(context.get()); }),
                         {&provider}};
    regions = std::make_unique<RegionTable>(device, pd.get());
    for (const Region& region : options.regions) regions->add(region);
    for (const Layout* layout : {&options.recv_layout, &options.send_layout})
        for (const Layout::Chunk& chunk : layout->chunks())
            if (!chunk.is_own) regions->add(chunk.region);
    flows = std::make_shared<FlowRegistry>(device, limits.mac);
    events->on_address_change([this] { flows->follow([this] { return this->mac(); }); });
    if (datagram) {
        datagrams = std::make_unique<DatagramState>(device, this->port(), port, options.qkey);
        limits.max_packet_size = std::min(limits.max_packet_size, datagrams->mtu_bytes());
    }
    if (options.rss && options.recv_packets != none)
        rss = std::make_unique<RssGroups>(this->port(), queues, *options.rss,
                                          is_extended ? extended.rss_caps : ibv_rss_caps{});
    open_queues(options, attr, clock_khz);
}

void Core::open_queues(const Options& options, const ibv_device_attr& attr, std::uint64_t clock_khz) {
    QueueSetup setup{
        .options = options,
        .device = device,
        .port = port(),
        .regions = *regions,
        .events = *events,
        .offloads = offloads,
        .limits = limits,
        .clock_khz = clock_khz,
        .max_work_requests = static_cast<std::uint32_t>(std::max(std::min(attr.max_qp_wr, attr.max_cqe), 0)),
        .by_work_queue = rss != nullptr};
    const auto vectors = static_cast<std::uint32_t>(std::max(context->num_comp_vectors, 1));
    std::vector<RecvSide*> sides;
    for (std::uint32_t i = 0; i < options.queues; ++i) {
        setup.comp_vector = i % vectors;
        QueueState& queue = *queues.emplace_back(std::make_unique<QueueState>(*this, setup));
        all_queues.push_back(i);
        sides.push_back(&queue.recv_side);
        events->add(queue);
        if (datagrams) datagrams->add_queue(*queue.qp());
        // With device_maximum, later queues may have got less.
        const Limits& granted = queue.limits;
        if (i == 0) {
            limits = granted;
        } else {
            limits.recv_packets = std::min(limits.recv_packets, granted.recv_packets);
            limits.send_packets = std::min(limits.send_packets, granted.send_packets);
            limits.recv_depth = std::min(limits.recv_depth, granted.recv_depth);
            limits.send_depth = std::min(limits.send_depth, granted.send_depth);
            limits.buffer_bytes += granted.buffer_bytes;
        }
        setup.recv_packets_before += granted.recv_packets;
        setup.send_packets_before += granted.send_packets;
    }
    receiver = &*queues.front()->receiver;
    if (queues.size() == 1 || limits.recv_packets == 0) return;
    all_receive_ = std::make_unique<RecvGroup>(*events, WaitStrategy{options.wait, options.spin}, std::move(sides));
    receiver = all_receive_.get();
    events->wake_also(receiver->wake());
}

std::vector<std::size_t> Core::queues_of(const ibv_qp* queue_pair) const {
    if (rss) return rss->queues_of(queue_pair);
    for (std::size_t i = 0; i < queues.size(); ++i)
        if (queues[i]->raw() == queue_pair) return {i};
    return {};
}

MacAddress Core::mac() const noexcept {
    ibv_port_attr port{};
    const int error = device.provider->query_port(context.get(), device.port, &port);
    return mac_of(device, context.get(), error == 0 ? port.gid_tbl_len : 0).value_or(limits.mac);
}

std::uint32_t Core::mtu() const noexcept {
    const auto state = device.netdev ? device.netdev->state() : std::nullopt;
    return state ? state->mtu : device.mtu;
}

verbs::DeviceDrops Core::drops() const {
    if (!device.read_drops) return {};
    verbs::DeviceDrops drops = device.read_drops(device, context.get());
    for (const DropField& field : drop_fields) drops.*field.member -= drops_before_.*field.member;
    return drops;
}

Core::~Core() { close(); }

void Core::close() noexcept {
    // From here on packets that come back are only counted; those that are being posted are waited for.
    for (const auto& queue : queues) queue->status.returns.close();
    flow_slots.clear();
    if (flows) flows->close();
    rss.reset();
    if (datagrams) datagrams->leave_all();
    if (all_receive_) all_receive_->close();
    for (auto queue = queues.rbegin(); queue != queues.rend(); ++queue) (*queue)->close();
    datagrams.reset();
    regions.reset();
    pd.reset();
    context.reset();
}

std::uint32_t Core::held() const noexcept {
    std::uint32_t held = 0;
    for (const auto& queue : queues) held += queue->held();
    return held;
}

void Core::release(Core* core) noexcept {
    core->close();
    // Lists may be ending on other threads: what has come back since close() is in the number already, as a debt.
    const std::uint32_t held = core->held();
    if (core->held_after_close_.fetch_add(held) + held == 0) delete core;
}

void Core::packets_returned(std::uint32_t count) noexcept {
    if (held_after_close_.fetch_sub(count) == count) delete this;
}

}  // namespace pktverbs
