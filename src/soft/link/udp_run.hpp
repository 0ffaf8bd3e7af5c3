// SPDX-License-Identifier: Apache-2.0
// UdpRun: consecutive frames that can go down as one super-frame, which UDP segmentation takes apart again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "soft/link/link.hpp"
#include "soft/link/vnet_header.hpp"

namespace pktverbs::soft {

/// Frames that segmentation makes anew, byte for byte (__udp_gso_segment() in net/ipv4/udp_offload.c,
/// inet_gso_segment() in net/ipv4/af_inet.c): untagged, UDP over IPv4 without options or over IPv6 without extension
/// headers, no padding, with the same headers but for lengths, checksums, and IPv4's identification, which increases by
/// one. All have as much payload as the first, but for the last, which may have less. Their checksums are right: others
/// would be repaired on the way.
struct UdpRun {
    static constexpr std::size_t max_frames = 128;   ///< UDP_MAX_SEGMENTS of linux/udp.h since Linux 6.9
    static constexpr std::size_t max_bytes = 65535;  ///< of a super-frame: less than an interface's gso_max_size
    static constexpr std::size_t max_header_bytes = 62;
    static constexpr std::size_t max_pieces = 4;  ///< of a frame

    /// At the beginning of a list; 1 if there is no run. A frame longer than `max_frame_bytes` is in none.
    static UdpRun find(std::span<const TxFrame> list, std::size_t max_frame_bytes) noexcept;

    std::size_t frames = 1;
    std::size_t header_bytes = 0;   ///< Ethernet, IP and UDP
    std::size_t segment_bytes = 0;  ///< payload of every frame but the last
    std::size_t payload_bytes = 0;  ///< of all

    /// The headers of the super-frame, `header_bytes` long, made of the first frame's, with what the kernel is to know.
    VnetHeader write_header(const TxFrame& first, std::uint8_t* header) const noexcept;
};

}  // namespace pktverbs::soft
