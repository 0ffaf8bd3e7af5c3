// SPDX-License-Identifier: Apache-2.0
#include "base/frame_headers.hpp"

#include <net/ethernet.h>

#include <algorithm>

#include <pktverbs/net/ipv6.hpp>

#include "base/frame_sizes.hpp"

namespace pktverbs {
namespace {

constexpr std::uint16_t ethertype_8021ad = 0x88a8;
constexpr std::size_t ipv4_bytes = 20;

std::uint16_t read_be16(const std::uint8_t* at) noexcept { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

/// `field` of bytes, of `there` that the frame has. 0 is what the kernel writes for more than 64 KiB (its
/// Documentation/networking: BIG TCP).
std::size_t packet_bytes(std::uint16_t field, std::size_t there, FrameHeaders::Lengths lengths) noexcept {
    return lengths == FrameHeaders::Lengths::of_frame || field == 0 ? there : field;
}

void find_in_ipv4(std::span<const std::uint8_t> packet, std::size_t there, FrameHeaders::Lengths lengths,
                  FrameHeaders& found) noexcept {
    if (packet.size() < ipv4_bytes || packet[0] >> 4 != 4) return;
    const std::size_t header_bytes = (packet[0] & 0xfu) * 4u;
    if (header_bytes < ipv4_bytes || header_bytes > packet.size()) return;
    found.ip = FrameHeaders::Ip::v4;
    const std::size_t total = packet_bytes(read_be16(&packet[2]), there, lengths);
    if (total < header_bytes || total > there) return;
    if ((read_be16(&packet[6]) & 0x3fff) != 0) return;  // a fragment
    found.protocol = packet[9];
    found.offset = found.ip_offset + header_bytes;
    found.length = total - header_bytes;
}

void find_in_ipv6(std::span<const std::uint8_t> packet, std::size_t there, FrameHeaders::Lengths lengths,
                  FrameHeaders& found) noexcept {
    if (packet.size() < ipv6_bytes || packet[0] >> 4 != 6) return;
    found.ip = FrameHeaders::Ip::v6;
    const std::size_t payload = packet_bytes(read_be16(&packet[4]), there - ipv6_bytes, lengths);
    if (payload > there - ipv6_bytes) return;
    const std::size_t end = ipv6_bytes + payload;
    const auto extensions =
        net::walk_extension_headers(packet[6], packet.subspan(ipv6_bytes, std::min(end, packet.size()) - ipv6_bytes));
    found.routed = extensions.is_routed;
    if (!extensions.is_whole || extensions.is_fragment) return;
    found.protocol = extensions.protocol;
    found.offset = found.ip_offset + ipv6_bytes + extensions.bytes;
    found.length = payload - extensions.bytes;
}

}  // namespace

FrameHeaders find_headers(std::span<const std::uint8_t> head, std::size_t frame_bytes,
                          FrameHeaders::Lengths lengths) noexcept {
    FrameHeaders found;
    std::size_t at = ETHER_HDR_LEN;
    if (head.size() < at || frame_bytes < head.size()) return found;
    std::uint16_t ether_type = read_be16(&head[12]);
    while (ether_type == ETHERTYPE_VLAN || ether_type == ethertype_8021ad) {
        if (head.size() < at + 4) return found;
        ether_type = read_be16(&head[at + 2]);
        at += 4;
    }
    found.ip_offset = at;
    if (ether_type == ETHERTYPE_IP) find_in_ipv4(head.subspan(at), frame_bytes - at, lengths, found);
    if (ether_type == ETHERTYPE_IPV6) find_in_ipv6(head.subspan(at), frame_bytes - at, lengths, found);
    return found;
}

}  // namespace pktverbs
