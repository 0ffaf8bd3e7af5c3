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

/// For Options::send_packets and recv_packets: no such side at all, and no memory for it.
inline constexpr std::uint32_t none = 0;

/// For the same: as many as the device can, or, where memory for these is missing, half as many, and so on. Buffers of
/// the default size for a device that can 32768 are 300 MB.
inline constexpr std::uint32_t device_maximum = std::numeric_limits<std::uint32_t>::max();

/// A timeout that never passes.
inline constexpr std::chrono::nanoseconds no_timeout = std::chrono::nanoseconds::max();

/// What packets are.
enum class Transport : std::uint8_t {
    raw_packet,  ///< whole Ethernet frames, steered by flows
    datagram,    ///< the payloads of unreliable datagrams, to and from queue pairs; on devices without raw packets, too
};

/// "raw packet", "datagram".
PKTVERBS_EXPORT std::string_view to_string(Transport transport) noexcept;

/// How a call that waits does it.
enum class WaitMode : std::uint8_t {
    block,            ///< sleep until the device reports a completion: no CPU, some latency
    busy_poll,        ///< poll without sleeping: lowest latency, a whole core
    spin_then_block,  ///< poll for Options::spin, then sleep
};

/// "block", "busy poll", "spin then block".
PKTVERBS_EXPORT std::string_view to_string(WaitMode mode) noexcept;

struct Options {
    Transport transport = Transport::raw_packet;
    /// Packets to send with, per queue; `none`: receive only; or `device_maximum`.
    std::uint32_t send_packets = 256;
    /// Packets to receive into, per queue; `none`: send only; or `device_maximum`.
    std::uint32_t recv_packets = 4096;
    /// Bytes in each packet's buffer: the longest frame, Ethernet header first, no FCS, or the longest payload of a
    /// datagram. 14 to 2^24 - 1; datagrams get no more than the port's MTU.
    std::uint32_t max_packet_size = 9216;
    /// Where each packet's bytes are received to and sent from, instead of one buffer of max_packet_size bytes. Raw
    /// packets only.
    Layout recv_layout = {};
    Layout send_layout = {};
    /// Memory to register besides that of the layouts, for packets to be aimed at: see Context::slice().
    std::vector<Region> regions = {};
    /// Queue pairs, each with its own packets, completion queues and thread if you like. At least 1.
    std::uint32_t queues = 1;
    /// One rule may feed several queues: see Context::install(). Raw packets only; EOPNOTSUPP without receive-side
    /// scaling in the device. nullopt: rules are for one queue each.
    std::optional<Rss> rss = {};
    /// Most packets that one recv gives. 0: half of those that are posted, so that one call never takes all from the
    /// NIC.
    std::uint32_t max_batch = 0;
    /// One send completion for this many packets (and one for the last of each send). 0: chosen by the library.
    std::uint32_t signal_every = 0;
    /// Frames up to this many bytes are copied into the work request instead of read by the NIC. The granted value may
    /// differ.
    std::uint32_t max_inline = 0;
    /// What the library's own buffers are made of.
    PageSize pages = PageSize::normal;
    /// Put the buffers on the device's NUMA node, where it has one.
    bool local_numa_node = false;
    /// Refuse to open a port whose link is down, instead of waiting silently for it to come up.
    bool require_link = true;
    /// Ask for receive timestamps and flow tags, where the device has them. SoftRoCE before rdma-core 55 has none: its
    /// extended completion queues can't be polled.
    bool timestamps = false;
    /// What the device or the library does to frames. Raw packets only.
    Offloads offloads = {};
    /// Datagrams that come with another key are dropped, and a Peer has it in its endpoint. 31 bits: the others are the
    /// kernel's.
    std::uint32_t qkey = 0x11111111;
    WaitMode wait = WaitMode::block;
    /// For WaitMode::spin_then_block.
    std::chrono::nanoseconds spin = std::chrono::microseconds{20};

    /// Every option: "send_packets 256, recv_packets none, ...".
    PKTVERBS_EXPORT std::string to_string() const;
};

/// What there is, per queue, after the device had its say.
struct Limits {
    MacAddress mac;                     ///< of the port when it was opened: see Context::mac()
    std::uint32_t mtu = 0;              ///< the same, in bytes, without the Ethernet header; 0 if not known
    std::uint32_t send_packets = 0;     ///< 0 if there is no send side
    std::uint32_t recv_packets = 0;     ///< 0 if there is no receive side
    std::uint32_t send_depth = 0;       ///< work requests that the send queue holds: at least send_packets
    std::uint32_t recv_depth = 0;       ///< the same, receiving
    std::uint32_t max_packet_size = 0;  ///< bytes usable in each buffer, or of recv_layout
    std::uint32_t max_batch = 0;
    std::uint32_t signal_every = 0;
    std::uint32_t max_inline = 0;
    std::size_t buffer_bytes = 0;  ///< memory of the library's own registered for buffers, all queues
    Offloads offloads = {};        ///< who does what: off, device or software
    bool timestamps = false;       ///< packets carry timestamps, and flow tags where the device has them
    TimestampClock timestamp_clock = TimestampClock::absent;  ///< which clock those are from

    /// Every limit: "mac 02:50:56:00:00:01, mtu 9000, ...".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs
