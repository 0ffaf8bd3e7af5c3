// SPDX-License-Identifier: Apache-2.0
// FrameHeaders: the positions of IP and its payload in an Ethernet frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/ipv4.hpp>

namespace pktverbs {

struct FrameHeaders {
    enum class Ip : std::uint8_t { other, v4, v6 };
    /// Whether IP's length fields or the frame's end give the packet's length: in a header for segmentation the fields
    /// are not filled in yet.
    enum class Lengths : bool { of_ip, of_frame };

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

/// Skips up to eight VLAN tags, IPv4's options and IPv6's extension headers. `head` is the beginning of a frame of
/// `frame_bytes`; the rest is not visible. The rules are those of net::Headers, which sees whole frames.
FrameHeaders find_headers(std::span<const std::uint8_t> head, std::size_t frame_bytes,
                          FrameHeaders::Lengths lengths = FrameHeaders::Lengths::of_ip) noexcept;

}  // namespace pktverbs
