// SPDX-License-Identifier: Apache-2.0
// Checks what a device and its port report about themselves.
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "base/join.hpp"
#include "doctor/inspection.hpp"
#include "net/frame_sizes.hpp"
#include "verbs/rdma_core.hpp"

namespace pktverbs::doctor {

namespace {

constexpr std::uint32_t raw_packet_bit = 1U << IBV_QPT_RAW_PACKET;

/// An offload: whether the device has it; its absence is never a problem.
void offload(Inspection& inspection, std::string what, const std::string& value, std::string without) {
    if (value.empty())
        inspection.add(std::move(what), "no", Severity::ok, std::move(without));
    else
        inspection.add(std::move(what), value);
}

struct Flag {
    std::uint64_t bit;
    std::string_view name;
};

std::string names_of(std::uint64_t flags, std::initializer_list<Flag> known) {
    std::vector<std::string_view> names;
    for (const Flag& flag : known)
        if ((flags & flag.bit) != 0) names.push_back(flag.name);
    return join(names, ", ");
}

void look_at_limits(Inspection& inspection, const ibv_device_attr& attr) {
    const Options& wanted = inspection.wanted;
    const auto most = static_cast<std::uint32_t>(std::max(std::min(attr.max_qp_wr, attr.max_cqe), 0));
    const auto exceeds = [&](std::uint32_t packets) { return packets != device_maximum && packets > most; };
    const bool too_many = exceeds(wanted.recv_packets) || exceeds(wanted.send_packets);
    inspection.add("queue_depth", fmt::format("{} packets each way", most), too_many ? Severity::problem : Severity::ok,
                   too_many ? "ask for fewer packets, or for device_maximum" : "");
    const bool few_queues = attr.max_qp >= 0 && wanted.queues > static_cast<std::uint32_t>(attr.max_qp);
    inspection.add("queue_pairs", std::to_string(attr.max_qp), few_queues ? Severity::problem : Severity::ok,
                   few_queues ? "ask for fewer queues" : "");
    inspection.add("scatter_elements", std::to_string(attr.max_sge));
}

void look_at_rss(Inspection& inspection, const ibv_rss_caps& caps) {
    if (caps.max_rwq_indirection_tables == 0 || (caps.supported_qpts & raw_packet_bit) == 0)
        return inspection.add("rss", "no", Severity::ok, "use a rule for each queue instead of spreading");
    const std::string fields =
        names_of(caps.rx_hash_fields_mask, {{IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4, "IPv4"},
                                            {IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6, "IPv6"},
                                            {IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP, "UDP"},
                                            {IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_DST_PORT_TCP, "TCP"}});
    inspection.add("rss", fmt::format("{} places, hash of {}", caps.max_rwq_indirection_table_size, fields));
}

void look_at_timestamps(Inspection& inspection, const ibv_device_attr_ex& attr) {
    const bool has_them = attr.completion_timestamp_mask != 0 && attr.hca_core_clock != 0;
    const bool wanted = inspection.wanted.timestamps;
    if (!has_them)
        return inspection.add("timestamps", "no", wanted ? Severity::warning : Severity::ok,
                              wanted ? "received packets will have timestamp 0: take the time of recv()" : "");
    if (!verbs::extended_polling_works(attr.orig_attr, verbs::rdma_core_release()))
        return inspection.add("timestamps", "the device has them, this rdma-core can't read them",
                              wanted ? Severity::warning : Severity::ok, "SoftRoCE needs rdma-core 55 or newer");
    inspection.add("timestamps", fmt::format("of completions, from a clock of {:g} MHz",
                                             static_cast<double>(attr.hca_core_clock) / 1000));
}

void look_at_offloads(Inspection& inspection, const ibv_device_attr_ex& attr) {
    const std::uint32_t raw = attr.raw_packet_caps;
    offload(inspection, "checksum",
            (raw & IBV_RAW_PACKET_CAP_IP_CSUM) != 0 || (attr.device_cap_flags_ex & IBV_DEVICE_RAW_IP_CSUM) != 0
                ? "computed and verified"
                : "",
            "the program, or this library where it is asked, computes them");
    offload(inspection, "vlan_strip", (raw & IBV_RAW_PACKET_CAP_CVLAN_STRIPPING) != 0 ? "yes" : "",
            "frames come with their tags");
    offload(inspection, "scatter_fcs", (raw & IBV_RAW_PACKET_CAP_SCATTER_FCS) != 0 ? "yes" : "",
            "frames come without the frame check sequence");
    const bool tso = attr.tso_caps.max_tso != 0 && (attr.tso_caps.supported_qpts & raw_packet_bit) != 0;
    offload(inspection, "tso", tso ? fmt::format("up to {}", bytes_text(attr.tso_caps.max_tso)) : "",
            "segments are made in software");
    const auto& pacing = attr.packet_pacing_caps;
    const bool paces = pacing.qp_rate_limit_max != 0 && (pacing.supported_qpts & raw_packet_bit) != 0;
    offload(inspection, "pacing",
            paces ? fmt::format("{} to {} kb/s", pacing.qp_rate_limit_min, pacing.qp_rate_limit_max) : "",
            "a rate is kept in software");
}

}  // namespace

void look_at_device(Inspection& inspection, const Device& device, ibv_context* context) {
    const verbs::Provider& provider = *device.provider;
    ibv_device_attr_ex attr{};
    ibv_device_attr& basic = attr.orig_attr;
    verbs::check_result({"query_device", "query", device.name}, [&] { return provider.query_device(context, &basic); });
    ibv_device_attr_ex extended{};
    if (provider.query_device_ex(context, nullptr, &extended) == 0) attr = extended;
    inspection.add("firmware",
                   std::string{attr.orig_attr.fw_ver, ::strnlen(attr.orig_attr.fw_ver, sizeof attr.orig_attr.fw_ver)});
    look_at_limits(inspection, attr.orig_attr);
    look_at_rss(inspection, attr.rss_caps);
    look_at_timestamps(inspection, attr);
    look_at_offloads(inspection, attr);
}

void look_at_port(Inspection& inspection, const Device& device, ibv_context* context) {
    ibv_port_attr port{};
    verbs::check_result({"query_port", "query the port of", device.name},
                        [&] { return device.provider->query_port(context, device.port, &port); });
    const bool raw = inspection.wanted.transport == Transport::raw_packet;
    const bool ethernet = port.link_layer == IBV_LINK_LAYER_ETHERNET;
    inspection.add(
        "link_layer", ethernet ? "Ethernet" : "InfiniBand", raw && !ethernet ? Severity::problem : Severity::ok,
        raw && !ethernet ? fmt::format("raw packets need Ethernet; on ConnectX, mlxconfig LINK_TYPE_P{}=2", device.port)
                         : "");
    const bool up = port.state == IBV_PORT_ACTIVE;
    inspection.add("link", up ? "up" : "down",
                   up                                                         ? Severity::ok
                   : inspection.wanted.require_link && !device.waits_for_peer ? Severity::problem
                                                                              : Severity::warning,
                   up ? ""
                   : device.waits_for_peer
                       ? "it comes up when another program joins it"
                       : fmt::format("plug the cable, ip link set {} up, or open with require_link = false",
                                     device.interface.empty() ? "INTERFACE" : device.interface));
    if (device.mtu == 0) return inspection.add("mtu", "not known");
    const bool cuts = inspection.wanted.recv_packets != none && inspection.room() < device.mtu + tagged_ethernet_bytes;
    inspection.add("mtu", fmt::format("{} bytes, packets have room for {}", device.mtu, inspection.room()),
                   cuts && raw ? Severity::warning : Severity::ok,
                   cuts && raw ? fmt::format("a longer frame fails, and takes its queue to the error state: "
                                             "max_packet_size = {}, or as much in recv_layout",
                                             device.mtu + tagged_ethernet_bytes)
                               : "");
}

}  // namespace pktverbs::doctor
