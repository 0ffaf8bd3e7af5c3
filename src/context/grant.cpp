// SPDX-License-Identifier: Apache-2.0
#include "context/grant.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include <pktverbs/verbs/error.hpp>

#include "net/frame_sizes.hpp"

namespace pktverbs {

namespace {

class Granting {
public:
    explicit Granting(std::string_view name) noexcept : name_{name} {}

    Offload grant(Offload asked, bool device_can, std::string_view what) const {
        if (asked == Offload::device && !device_can) refuse(what, "the device can't (ask for software)");
        if (asked != Offload::device_or_software) return asked;
        return device_can ? Offload::device : Offload::software;
    }
    /// What touches frames here needs memory that this process can read: a dmabuf need not be mapped.
    void check_memory(std::span<const Layout::Chunk> chunks, std::string_view what) const {
        for (const Layout::Chunk& chunk : chunks)
            if (!chunk.is_own && chunk.region.is_dmabuf())
                fail(EINVAL, what, "it needs memory that can be read, and a dmabuf need not be");
    }
    void check_first(const Layout& layout, std::uint32_t bytes, std::string_view what) const {
        if (!layout.empty() && layout.chunks()[0].bytes < bytes)
            fail(EINVAL, what, fmt::format("the first chunk must have {} bytes", bytes));
    }
    [[noreturn]] void refuse(std::string_view what, std::string_view why) const { fail(EOPNOTSUPP, what, why); }

private:
    [[noreturn]] void fail(int error, std::string_view what, std::string_view why) const {
        verbs::throw_message(error, fmt::format("cannot open {} with {}: {}", name_, what, why));
    }

    std::string_view name_;
};

}  // namespace

GrantedOffloads grant_offloads(const Options& options, const ibv_device_attr_ex& device, std::string_view name) {
    const Offloads& asked = options.offloads;
    GrantedOffloads granted;
    const Granting granting{name};
    // Drivers copy what they send inline, too.
    if (options.max_inline != 0) granting.check_memory(options.send_layout.chunks(), "max_inline");
    if (asked == Offloads{}) return granted;
    if (options.transport == Transport::datagram)
        granting.refuse("offloads", "they are for raw packets (the device does what datagrams need)");
    const auto has = [&](unsigned cap) { return (device.raw_packet_caps & cap) != 0; };
    const bool checksums = has(IBV_RAW_PACKET_CAP_IP_CSUM);
    const bool segments =
        device.tso_caps.max_tso != 0 && (device.tso_caps.supported_qpts & 1U << IBV_QPT_RAW_PACKET) != 0;

    Offloads& by = granted.by;
    by.send_checksums = granting.grant(asked.send_checksums, checksums, "send_checksums");
    by.recv_checksums = granting.grant(asked.recv_checksums, checksums, "recv_checksums");
    by.strip_vlan = granting.grant(asked.strip_vlan, has(IBV_RAW_PACKET_CAP_CVLAN_STRIPPING), "strip_vlan");
    by.insert_vlan = granting.grant(asked.insert_vlan, false, "insert_vlan");
    by.segmentation = granting.grant(asked.segmentation, segments, "segmentation");
    by.scatter_fcs = asked.scatter_fcs;
    if (by.scatter_fcs && !has(IBV_RAW_PACKET_CAP_SCATTER_FCS))
        granting.refuse("scatter_fcs", "the device keeps frame check sequences to itself");
    if (by.segmentation == Offload::device) granted.max_tso = device.tso_caps.max_tso;

    const auto here = [](Offload offload) { return offload == Offload::software; };
    const std::span sends = options.send_layout.chunks();
    const std::span receives = options.recv_layout.chunks();
    if (here(by.send_checksums)) granting.check_memory(sends, "send_checksums");
    // Of these, headers are read and written here, and payload by software only.
    const std::size_t headers = std::min<std::size_t>(sends.size(), 1);
    if (here(by.insert_vlan)) granting.check_memory(sends.first(headers), "insert_vlan");
    if (by.segmentation != Offload::off)
        granting.check_memory(here(by.segmentation) ? sends : sends.first(headers), "segmentation");
    if (here(by.recv_checksums)) granting.check_memory(receives, "recv_checksums");
    if (here(by.strip_vlan)) {
        granting.check_memory(receives, "strip_vlan");
        granting.check_first(options.recv_layout, tagged_ethernet_bytes, "strip_vlan");
    }
    return granted;
}

}  // namespace pktverbs
