// SPDX-License-Identifier: Apache-2.0
#include "net/frame_headers.hpp"

#include <net/ethernet.h>

#include <algorithm>

#include <pktverbs/net/headers.hpp>

#include "net/frame_sizes.hpp"

namespace pktverbs {
namespace {

std::uint16_t read_be16(const std::uint8_t* at) noexcept { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

/// The length that a length field gives, out of the `there` bytes that the frame has.
std::size_t bytes_of(std::uint16_t field, std::size_t there, FrameHeaders::Lengths lengths) noexcept {
    return lengths == FrameHeaders::Lengths::of_frame ? there : net::field_or_all(field, there);
}

std::size_t measure_transport(std::span<const std::uint8_t> head, const FrameHeaders& found,
                              FrameHeaders::Lengths lengths) noexcept {
    if (found.offset > head.size()) return 0;
    const auto seen = head.subspan(found.offset);
    if (found.protocol == net::ip_protocol::udp && seen.size() >= udp_bytes) {
        const std::size_t bytes = bytes_of(read_be16(&seen[4]), found.length, lengths);
        return bytes >= udp_bytes && bytes <= found.length ? bytes : 0;
    }
    if (found.protocol == net::ip_protocol::tcp && seen.size() >= tcp_bytes) {
        const std::size_t header_bytes = (seen[12] >> 4) * std::size_t{4};
        return header_bytes >= tcp_bytes && header_bytes <= found.length ? found.length : 0;
    }
    return 0;
}

void find_in_ipv4(std::span<const std::uint8_t> packet, std::size_t there, FrameHeaders::Lengths lengths,
                  FrameHeaders& found) noexcept {
    if (packet.size() < ipv4_bytes || packet[0] >> 4 != 4) return;
    const std::size_t header_bytes = (packet[0] & 0xfu) * 4u;
    if (header_bytes < ipv4_bytes || header_bytes > packet.size()) return;
    found.ip = FrameHeaders::Ip::v4;
    const std::size_t total = bytes_of(read_be16(&packet[2]), there, lengths);
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
    const std::size_t payload = bytes_of(read_be16(&packet[4]), there - ipv6_bytes, lengths);
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
    for (std::size_t tags = 0; net::ether_type::is_vlan(ether_type) && tags < net::Headers<>::max_vlans; ++tags) {
        if (head.size() < at + 4) return found;
        ether_type = read_be16(&head[at + 2]);
        at += 4;
    }
    found.ip_offset = at;
    if (ether_type == ETHERTYPE_IP) find_in_ipv4(head.subspan(at), frame_bytes - at, lengths, found);
    if (ether_type == ETHERTYPE_IPV6) find_in_ipv6(head.subspan(at), frame_bytes - at, lengths, found);
    found.transport = measure_transport(head, found, lengths);
    return found;
}

}  // namespace pktverbs
