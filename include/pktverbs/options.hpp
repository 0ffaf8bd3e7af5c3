// SPDX-License-Identifier: Apache-2.0
// Options: what a Context is asked for, and Limits: what it was granted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/memory/memory.hpp>
#include <pktverbs/memory/region.hpp>
#include <pktverbs/offloads.hpp>
#include <pktverbs/packet/layout.hpp>
#include <pktverbs/rss.hpp>
#include <pktverbs/verbs/timestamp_clock.hpp>

namespace pktverbs {

/// For Options::send_packets and recv_packets: no such side, and no memory for it.
inline constexpr std::uint32_t none = 0;

/// For the same: as many packets as the device can take; where there is no memory for so many, half as many, and so on.
/// Buffers of the default size take 300 MB on a device that takes 32768 packets.
inline constexpr std::uint32_t device_maximum = std::numeric_limits<std::uint32_t>::max();

/// A timeout that never passes.
inline constexpr std::chrono::nanoseconds no_timeout = std::chrono::nanoseconds::max();

/// What a packet holds.
enum class Transport : std::uint8_t {
    raw_packet,  ///< whole Ethernet frames, steered by flows
    datagram,    ///< payloads of unreliable datagrams between queue pairs; works on devices without raw packets, too
};

/// Returns "raw packet" or "datagram".
PKTVERBS_EXPORT std::string_view to_string(Transport transport) noexcept;

/// How a call waits.
enum class WaitMode : std::uint8_t {
    block,            ///< sleep until the device reports a completion: no CPU, some latency
    busy_poll,        ///< poll without sleeping: lowest latency, a whole core
    spin_then_block,  ///< poll for Options::spin, then sleep
};

/// Returns "block", "busy poll" or "spin then block".
PKTVERBS_EXPORT std::string_view to_string(WaitMode mode) noexcept;

/// Selects what a Context opens: queues, packets, memory, offloads and the way of waiting. The device may grant less,
/// which Limits reports.
struct Options {
    Transport transport = Transport::raw_packet;  ///< what a packet holds
    /// Packets to send with, per queue; `none` to only receive; or `device_maximum`.
    std::uint32_t send_packets = 256;
    /// Packets to receive into, per queue; `none` to only send; or `device_maximum`.
    std::uint32_t recv_packets = 4096;
    /// Bytes in each packet's buffer: the longest frame from its Ethernet header on, without FCS, or the longest
    /// payload of a datagram. 14 to 2^24 - 1; datagrams get no more than the port's MTU.
    std::uint32_t max_packet_size = 9216;
    /// Where packets are received to, instead of one buffer of max_packet_size bytes. Raw packets only.
    Layout recv_layout = {};
    /// Where packets are sent from, instead of one buffer of max_packet_size bytes. Raw packets only.
    Layout send_layout = {};
    /// Memory to register besides that of the layouts, to receive into or send from: see Context::slice().
    std::vector<Region> regions = {};
    /// Queues, each with a queue pair, packets and completion queues of its own, so that each can have its own thread.
    /// At least 1.
    std::uint32_t queues = 1;
    /// Lets one rule feed several queues: see Context::install(). Raw packets only; fails with EOPNOTSUPP if the device
    /// has no receive-side scaling. nullopt: each rule feeds one queue.
    std::optional<Rss> rss = {};
    /// The largest number of packets that one recv returns. 0: half of those posted, so that one call never takes all
    /// packets from the NIC.
    std::uint32_t max_batch = 0;
    /// One send completion is requested for this many packets, and one for the last packet of each send. 0: the library
    /// chooses.
    std::uint32_t signal_every = 0;
    /// Frames of up to this many bytes are copied into the work request instead of read by the NIC. The granted value
    /// may differ.
    std::uint32_t max_inline = 0;
    /// Pages for the library's own buffers.
    PageSize pages = PageSize::normal;
    /// Put the buffers on the device's NUMA node, where it has one.
    bool local_numa_node = false;
    /// Refuse to open a port whose link is down, instead of waiting silently for it to come up; but not one whose link
    /// waits for another program (Device::waits_for_peer).
    bool require_link = true;
    /// Ask for receive timestamps and flow tags, where the device has them. SoftRoCE before rdma-core 55 has none, as
    /// its extended completion queues can't be polled.
    bool timestamps = false;
    /// Work that the device or the library does on frames. Raw packets only.
    Offloads offloads = {};
    /// The key of this context's datagrams: those that arrive with another key are dropped, and peers learn it from the
    /// endpoint. 31 bits; the kernel reserves the other values.
    std::uint32_t qkey = 0x11111111;
    WaitMode wait = WaitMode::block;  ///< how recv, acquire and flush wait
    /// How long WaitMode::spin_then_block polls before it sleeps.
    std::chrono::nanoseconds spin = std::chrono::microseconds{20};

    /// Returns every option: "send_packets 256, recv_packets none, ...".
    PKTVERBS_EXPORT std::string to_string() const;
};

/// Reports what a Context was granted, per queue where not said otherwise.
struct Limits {
    MacAddress mac;         ///< of the port when it was opened: see Context::mac()
    std::uint32_t mtu = 0;  ///< of the port when it was opened, in bytes, without the Ethernet header; 0 if not known
    std::uint32_t send_packets = 0;     ///< 0 if there is no send side
    std::uint32_t recv_packets = 0;     ///< 0 if there is no receive side
    std::uint32_t send_depth = 0;       ///< capacity of the send queue in work requests: at least send_packets
    std::uint32_t recv_depth = 0;       ///< capacity of the receive queue in work requests: at least recv_packets
    std::uint32_t max_packet_size = 0;  ///< usable bytes in each buffer, or in recv_layout
    std::uint32_t max_batch = 0;        ///< the largest number of packets that one recv returns
    std::uint32_t signal_every = 0;     ///< packets sent per requested completion
    std::uint32_t max_inline = 0;       ///< frames up to this many bytes are copied into the work request
    std::size_t buffer_bytes = 0;       ///< the library's own memory registered for buffers, all queues together
    Offloads offloads = {};             ///< what does each kind of work: off, device or software
    bool timestamps = false;            ///< packets carry timestamps, and flow tags where the device has them
    TimestampClock timestamp_clock = TimestampClock::absent;  ///< the clock of those timestamps

    /// Returns every limit: "mac 02:50:56:00:00:01, mtu 9000, ...".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
