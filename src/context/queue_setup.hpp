// SPDX-License-Identifier: Apache-2.0
// QueueSetup: what a queue is made with.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/verbs/device.hpp>

#include "offload/granted_offloads.hpp"
#include "verbs/port.hpp"

namespace pktverbs {

class DeviceEvents;
class RegionTable;

/// Owns nothing; it is used while the queue is made.
struct QueueSetup {
    static constexpr std::uint32_t grh_bytes = sizeof(ibv_grh);

    const Options& options;
    const Device& device;
    verbs::Port port;
    RegionTable& regions;
    DeviceEvents& events;
    const GrantedOffloads& offloads;
    Limits limits;                          ///< of the context so far
    std::uint64_t clock_khz = 0;            ///< of the device's timestamps; 0 without
    std::uint32_t max_work_requests = 0;    ///< that the device's queue pairs and completion queues hold
    bool by_work_queue = false;             ///< receives through a work queue, for RSS
    std::uint64_t recv_packets_before = 0;  ///< of the queues before this one
    std::uint64_t send_packets_before = 0;
    /// Each queue has its own, so that each can interrupt a core of its own.
    std::uint32_t comp_vector = 0;

    bool is_datagram() const noexcept { return options.transport == Transport::datagram; }
    /// Bytes of a completion's length that the user doesn't see: the GRH.
    std::uint32_t header_bytes() const noexcept { return is_datagram() ? grh_bytes : 0; }
    /// Bits of a completion's source queue pair that mean something.
    std::uint32_t source_mask() const noexcept { return is_datagram() ? 0xffffffU : 0; }
    bool device_strips_vlan() const noexcept { return offloads.by.strip_vlan == Offload::device; }
    /// Scatter or gather elements of a packet.
    static std::size_t chunks(const Layout& layout) noexcept { return layout.empty() ? 1 : layout.chunks().size(); }
    Memory::Placement placement() const;
};

}  // namespace pktverbs
