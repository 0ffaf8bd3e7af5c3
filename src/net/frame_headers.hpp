// SPDX-License-Identifier: Apache-2.0
// FrameHeaders: where IP and what it carries stand in an Ethernet frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/ipv4.hpp>

namespace pktverbs {

struct FrameHeaders {
    enum class Ip : std::uint8_t { other, v4, v6 };
    /// Whether IP's length fields say how long the packet is, or the frame's end does: the fields of a header that
    /// segments are to be made from are not filled in yet.
    enum class Lengths : bool { of_ip, of_frame };

    Ip ip = Ip::other;
    /// A routing header stands between: the pseudo-header's destination is not the one in the IPv6 header (RFC 8200,
    /// 8.1).
    bool routed = false;
    /// What IP carries; 0 if that can't be told: a fragment, the first one too, or cut short.
    std::uint8_t protocol = 0;
    std::size_t ip_offset = 0;
    std::size_t offset = 0;  ///< of what IP carries: behind options and extension headers
    std::size_t length = 0;  ///< of what IP carries, its header and padding of the frame excluded
    /// Of TCP or UDP, if its header is in the bytes that are seen, and its lengths don't lie: how much of `length` is
    /// the segment or datagram, which is what its checksum is over. UDP has a length of its own, and a receiver goes by
    /// that (RFC 768).
    std::size_t transport = 0;

    bool is_tcp() const noexcept { return protocol == net::ip_protocol::tcp && transport != 0; }
    bool is_udp() const noexcept { return protocol == net::ip_protocol::udp && transport != 0; }
};

/// Looks through up to eight VLAN tags, IPv4's options and IPv6's extension headers. `head` is the beginning of a frame
/// of `frame_bytes`: what lies behind it is not seen. The rules are those of net::Headers, which sees whole frames.
FrameHeaders find_headers(std::span<const std::uint8_t> head, std::size_t frame_bytes,
                          FrameHeaders::Lengths lengths = FrameHeaders::Lengths::of_ip) noexcept;

}  // namespace pktverbs
