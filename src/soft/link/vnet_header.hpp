// SPDX-License-Identifier: Apache-2.0
// VnetHeader: what the kernel says before a frame about the work that it left to a NIC.
#pragma once

#include <cstdint>
#include <span>

#include "soft/link/checksum.hpp"

namespace pktverbs::soft {

/// virtio_net_hdr of linux/virtio_net.h, which no C++ compiler takes: one of its structures has a member `class`.
/// Packet sockets (PACKET_VNET_HDR of packet(7); tpacket_rcv() in net/packet/af_packet.c) and taps (IFF_VNET_HDR) have
/// it; its numbers are in the machine's byte order.
struct VnetHeader {
    static constexpr std::uint8_t needs_checksum = 1;
    static constexpr std::uint8_t data_valid = 2;
    static constexpr std::uint8_t of_udp = 5;  ///< VIRTIO_NET_HDR_GSO_UDP_L4, since Linux 6.2
    std::uint8_t flags = 0;
    std::uint8_t segmentation = 0;  ///< of which kind; 0: none
    std::uint16_t header_bytes = 0;
    std::uint16_t segment_bytes = 0;
    std::uint16_t csum_start = 0;
    std::uint16_t csum_offset = 0;

    /// Finishes the frame's checksum if that was left. Returns as finish_checksum(); false if it was not left.
    bool finish(std::span<std::uint8_t> frame) const noexcept {
        return (flags & needs_checksum) != 0 &&
               finish_checksum(frame, {.start = csum_start, .offset = csum_offset, .segmented = segmentation != 0});
    }
};
static_assert(sizeof(VnetHeader) == 10);

}  // namespace pktverbs::soft
