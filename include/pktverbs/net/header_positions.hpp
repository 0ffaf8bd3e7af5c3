// SPDX-License-Identifier: Apache-2.0
// HeaderPositions: where the headers of a frame are.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include <pktverbs/net/arp.hpp>
#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/icmp.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/net/ipv6.hpp>
#include <pktverbs/net/tcp.hpp>
#include <pktverbs/net/udp.hpp>

namespace pktverbs::net {

/// Where the headers of a frame are, found in one pass. It need not see more of the frame than its headers.
///
/// Headers has views of them, for frames in one piece. A value; its members count from the frame's first byte.
struct HeaderPositions {
    /// More VLAN tags than any real frame has. What follows them is not read.
    static constexpr std::size_t max_vlans = 8;

    std::size_t network_at = 0;     ///< where what follows the VLAN tags starts
    std::size_t transport_at = 0;   ///< where what IP carries starts; 0 if it is unknown, or a part of a packet
    std::size_t payload_at = 0;     ///< where what the last header carries starts
    std::size_t payload_bytes = 0;  ///< without padding
    Extent network{};               ///< of IP or ARP; no header bytes: there is none, or its lengths are wrong
    Extent transport{};             ///< of UDP, TCP, ICMP or ICMPv6; the same
    std::uint16_t ether_type = 0;   ///< after the last VLAN tag; 0 if it is a length (802.3), or a tag is truncated
    std::uint8_t vlan_count = 0;    ///< the number of VLAN tags
    std::uint8_t protocol = 0;      ///< after the last IP extension header; 0 without IP, or if those are truncated
    bool has_ethernet = false;      ///< the Ethernet header is whole
    bool is_fragment = false;       ///< of an IP packet: it has no transport
    bool is_routed = false;         ///< the final destination is in a routing header, not in the IPv6 header
    bool is_malformed = false;      ///< a header is truncated or has a wrong length

    constexpr HeaderPositions() noexcept = default;
    /// Finds the headers of a frame of `frame_bytes` that starts with `head` and is at least as long. A header that
    /// `head` does not contain is missing. A header for segmentation, in which length fields have no meaning yet, is
    /// read with Lengths::of_frame.
    ///
    /// Always inlined, with all that it calls: members that the caller does not read then cost nothing.
    [[gnu::always_inline]] constexpr HeaderPositions(ConstBytes head, std::size_t frame_bytes,
                                                     Lengths lengths = Lengths::of_fields) noexcept {
        assert(head.size() <= frame_bytes);
        find_ethernet(head, frame_bytes, lengths);
    }

    /// Whether there is a TCP segment with valid lengths.
    constexpr bool is_tcp() const noexcept { return protocol == ip_protocol::tcp && transport.header_bytes != 0; }
    /// Whether there is a UDP datagram with valid lengths.
    constexpr bool is_udp() const noexcept { return protocol == ip_protocol::udp && transport.header_bytes != 0; }
    /// Where IP's packet ends, and padding begins.
    constexpr std::size_t network_end() const noexcept { return network_at + network.packet_bytes; }

private:
    constexpr void set_payload(std::size_t at, std::size_t bytes) noexcept {
        payload_at = at;
        payload_bytes = bytes;
    }

    [[gnu::always_inline]] constexpr void find_ethernet(ConstBytes head, std::size_t frame_bytes,
                                                        Lengths lengths) noexcept {
        set_payload(0, frame_bytes);
        is_malformed = true;  // until the last header that should be there is
        const EthernetView<> ethernet{head};
        if (!ethernet) return;
        has_ethernet = true;
        ether_type = ethernet.type();
        std::size_t at = EthernetView<>::size;
        for (;; at += VlanView<>::size) {
            set_payload(at, frame_bytes - at);
            if (!ether_type::is_vlan(ether_type) || vlan_count == max_vlans) break;
            const VlanView<> tag{head.subspan(at)};
            if (!tag) {
                ether_type = 0;
                return;
            }
            ether_type = tag.type();
            ++vlan_count;
        }
        if (ether_type::is_length(ether_type)) {
            is_malformed = ether_type > payload_bytes;
            set_payload(at, ether_type::carried(ether_type, payload_bytes));
            ether_type = 0;
            return;
        }
        find_network(head, at, lengths);
    }

    [[gnu::always_inline]] constexpr void find_network(ConstBytes head, std::size_t at, Lengths lengths) noexcept {
        const ConstBytes rest = head.subspan(at);
        network_at = at;
        if (ether_type == ether_type::ipv4)
            network = Ipv4View<>::measure(rest, payload_bytes, lengths);
        else if (ether_type == ether_type::ipv6)
            network = Ipv6View<>::measure(rest, payload_bytes, lengths);
        else if (ether_type == ether_type::arp)
            network = ArpView<>::measure(rest);
        else {
            is_malformed = false;
            return;
        }
        if (network.header_bytes == 0) {
            // ARP of another kind is not a header here, but not malformed either.
            const std::size_t other = ether_type == ether_type::arp ? ArpView<>::any_kind_bytes(rest) : 0;
            is_malformed = other == 0;
            if (other != 0) set_payload(at, other);
            return;
        }
        const std::size_t carried = network.packet_bytes - network.header_bytes;
        set_payload(at + network.header_bytes, carried);
        if (ether_type == ether_type::ipv4) {
            const Ipv4View<> ip{rest, {network.header_bytes, network.header_bytes}};
            is_fragment = ip.is_fragment();
            protocol = ip.protocol();
        } else if (ether_type == ether_type::ipv6) {
            const auto extensions = walk_extension_headers(rest[6], visible_payload(head));
            set_payload(payload_at + extensions.bytes, carried - extensions.bytes);
            is_fragment = extensions.is_fragment;
            is_routed = extensions.is_routed;
            // In a later fragment, further extension headers can't be seen.
            if (!extensions.is_whole && extensions.is_first) return;
            protocol = extensions.is_whole ? extensions.protocol : std::uint8_t{0};
        }
        is_malformed = false;
        if (!is_fragment && ether_type != ether_type::arp) find_transport(head, lengths);
    }

    [[gnu::always_inline]] constexpr void find_transport(ConstBytes head, Lengths lengths) noexcept {
        const ConstBytes rest = visible_payload(head);
        transport_at = payload_at;
        if (protocol == ip_protocol::udp)
            transport = UdpView<>::measure(rest, payload_bytes, lengths);
        else if (protocol == ip_protocol::tcp)
            transport = TcpView<>::measure(rest, payload_bytes);
        else if (protocol == (ether_type == ether_type::ipv4 ? ip_protocol::icmp : ip_protocol::icmpv6))
            transport = IcmpView<>::measure(rest, payload_bytes);
        else
            return;
        is_malformed = transport.header_bytes == 0;
        if (!is_malformed)
            set_payload(transport_at + transport.header_bytes, transport.packet_bytes - transport.header_bytes);
    }

    constexpr ConstBytes visible_payload(ConstBytes head) const noexcept {
        return head.subspan(payload_at, std::min(payload_bytes, head.size() - payload_at));
    }
};

}  // namespace pktverbs::net
