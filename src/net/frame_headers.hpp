// SPDX-License-Identifier: Apache-2.0
// FrameHeaders: the positions of IP and its payload in an Ethernet frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/header_positions.hpp>

namespace pktverbs {

struct FrameHeaders {
    enum class Ip : std::uint8_t { other, v4, v6 };
    Ip ip = Ip::other;
    /// There is a routing header: the pseudo-header's destination is not the one in the IPv6 header (RFC 8200, 8.1).
    bool routed = false;
    /// The protocol that IP carries; 0 if unknown: in a fragment, even the first, or a truncated packet.
    std::uint8_t protocol = 0;
    std::size_t ip_offset = 0;
    std::size_t offset = 0;  ///< where IP's payload begins, after options and extension headers
    std::size_t length = 0;  ///< of IP's payload, without its header and the frame's padding
    /// For TCP or UDP, if the visible bytes contain its header and its lengths are valid: how much of `length` belongs
    /// to the segment or datagram, which its checksum covers. UDP has its own length field, which a receiver obeys (RFC
    /// 768).
    std::size_t transport = 0;

    bool is_tcp() const noexcept { return protocol == net::ip_protocol::tcp && transport != 0; }
    bool is_udp() const noexcept { return protocol == net::ip_protocol::udp && transport != 0; }
};

/// What net::HeaderPositions finds, for checksums and segments.
[[gnu::always_inline]] inline FrameHeaders find_headers(std::span<const std::uint8_t> head, std::size_t frame_bytes,
                                                        net::Lengths lengths = net::Lengths::of_fields) noexcept {
    const net::HeaderPositions at{head, frame_bytes, lengths};
    FrameHeaders found;
    const auto network = head.subspan(at.network_at);
    if (at.ether_type == net::ether_type::ipv4 && net::Ipv4View<>::measure_header(network) != 0)
        found.ip = FrameHeaders::Ip::v4;
    if (at.ether_type == net::ether_type::ipv6 && network.size() >= net::Ipv6View<>::size && network[0] >> 4 == 6)
        found.ip = FrameHeaders::Ip::v6;
    found.routed = at.is_routed;
    found.ip_offset = at.network_at;
    if (at.transport_at == 0) return found;
    found.protocol = at.protocol;
    found.offset = at.transport_at;
    found.length = at.network_end() - at.transport_at;
    if (at.is_tcp() || at.is_udp()) found.transport = at.transport.packet_bytes;
    return found;
}

}  // namespace pktverbs
