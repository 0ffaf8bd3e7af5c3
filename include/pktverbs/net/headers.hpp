// SPDX-License-Identifier: Apache-2.0
// Headers: the headers of a frame, found in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/arp.hpp>
#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/header_positions.hpp>
#include <pktverbs/net/icmp.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/net/ipv6.hpp>
#include <pktverbs/net/tcp.hpp>
#include <pktverbs/net/udp.hpp>

namespace pktverbs::net {

/// The result of verifying a checksum.
enum class ChecksumVerdict : std::uint8_t {
    none,  ///< nothing to verify: no transport, UDP without a checksum, or the address is hidden in a routing header
    right,
    wrong,
};

/// Finds all headers of a frame in one pass: a view for each layer, which tests false if the frame does not have it.
///
/// It owns nothing: the frame must outlive it. No view leaves the frame, whatever its bytes are. If a header is
/// truncated or a length is wrong, the layers end before it, and is_malformed() is true. Checksums are verified only on
/// request.
template <FrameByte Byte = const std::uint8_t>
class Headers {
public:
    /// More VLAN tags than any real frame has. What follows them is not read.
    static constexpr std::size_t max_vlans = HeaderPositions::max_vlans;

    constexpr Headers() noexcept = default;
    /// Finds the headers of a frame.
    constexpr explicit Headers(std::span<Byte> frame) noexcept : frame_{frame}, found_{frame, frame.size()} {}

    /// Returns the Ethernet header.
    constexpr EthernetView<Byte> ethernet() const noexcept {
        return view<EthernetView<Byte>>(found_.has_ethernet, 0, EthernetView<>::measure(frame_));
    }
    /// Returns the number of VLAN tags.
    constexpr std::size_t vlan_count() const noexcept { return found_.vlan_count; }
    /// Returns a VLAN tag; the outermost is 0. Tests false from vlan_count() on.
    constexpr VlanView<Byte> vlan(std::size_t index = 0) const noexcept {
        if (index >= found_.vlan_count) return {};
        const std::size_t at = EthernetView<>::size + index * VlanView<>::size;
        return view<VlanView<Byte>>(true, at, VlanView<>::measure(frame_.subspan(at)));
    }
    /// Returns the EtherType after the last VLAN tag; 0 if it is a length (802.3), or if a tag is truncated.
    constexpr std::uint16_t ether_type() const noexcept { return found_.ether_type; }

    /// Returns the ARP packet.
    constexpr ArpView<Byte> arp() const noexcept { return network_view<ArpView<Byte>>(ether_type::arp); }
    /// Returns the IPv4 header.
    constexpr Ipv4View<Byte> ipv4() const noexcept { return network_view<Ipv4View<Byte>>(ether_type::ipv4); }
    /// Returns the IPv6 header.
    constexpr Ipv6View<Byte> ipv6() const noexcept { return network_view<Ipv6View<Byte>>(ether_type::ipv6); }
    /// Returns the protocol after the last IP extension header; 0 without IP, or if the extension headers are
    /// truncated.
    constexpr std::uint8_t protocol() const noexcept { return found_.protocol; }
    /// Whether it is a fragment of an IP packet. A fragment has no transport: its payload is a part of one.
    constexpr bool is_fragment() const noexcept { return found_.is_fragment; }

    /// Returns the UDP header.
    constexpr UdpView<Byte> udp() const noexcept { return transport_view<UdpView<Byte>>(ip_protocol::udp); }
    /// Returns the TCP header.
    constexpr TcpView<Byte> tcp() const noexcept { return transport_view<TcpView<Byte>>(ip_protocol::tcp); }
    /// Returns the ICMP header.
    constexpr IcmpView<Byte> icmp() const noexcept { return transport_view<IcmpView<Byte>>(ip_protocol::icmp); }
    /// Returns the ICMPv6 header.
    constexpr Icmpv6View<Byte> icmpv6() const noexcept { return transport_view<Icmpv6View<Byte>>(ip_protocol::icmpv6); }

    /// Returns what the last header found carries, without padding.
    constexpr std::span<Byte> payload() const noexcept {
        return frame_.subspan(found_.payload_at, found_.payload_bytes);
    }
    /// Whether a header is truncated or has a wrong length, or the Ethernet header is not whole.
    constexpr bool is_malformed() const noexcept { return found_.is_malformed; }

    /// Verifies the checksum of UDP, TCP, ICMP or ICMPv6, which reads the whole packet. For IPv4's own, see
    /// Ipv4View::checksum_is_right().
    constexpr ChecksumVerdict transport_checksum() const noexcept {
        if (found_.transport.header_bytes == 0 || found_.is_routed) return ChecksumVerdict::none;
        if (const auto datagram = udp(); datagram && datagram.checksum() == 0) return ChecksumVerdict::none;
        return transport_sum().is_right() ? ChecksumVerdict::right : ChecksumVerdict::wrong;
    }
    /// Computes and sets the checksums of a packet that was changed: IPv4's and the transport's. A transport with
    /// nothing to verify is left as it is.
    constexpr void fill_checksums() const noexcept requires(!std::is_const_v<Byte>) {
        if (const auto ip = ipv4()) ip.fill_checksum();
        if (transport_checksum() == ChecksumVerdict::none) return;
        if (const auto datagram = udp()) {
            fill(datagram);
            datagram.set_checksum(udp_checksum(datagram.checksum()));
        }
        if (const auto segment = tcp()) fill(segment);
        if (const auto message = icmp()) fill(message);
        if (const auto message = icmpv6()) fill(message);
    }

private:
    template <class View>
    constexpr View view(bool is_there, std::size_t at, const Extent& extent) const noexcept {
        return is_there ? View{frame_.subspan(at), extent} : View{};
    }
    template <class View>
    constexpr View network_view(std::uint16_t type) const noexcept {
        return view<View>(found_.ether_type == type && found_.network.header_bytes != 0, found_.network_at,
                          found_.network);
    }
    template <class View>
    constexpr View transport_view(std::uint8_t protocol) const noexcept {
        return view<View>(found_.protocol == protocol && found_.transport.header_bytes != 0, found_.transport_at,
                          found_.transport);
    }
    template <class View>
    constexpr void fill(const View& transport) const noexcept {
        transport.set_checksum(0);
        transport.set_checksum(transport_sum().checksum());
    }

    /// Sums everything that the transport's checksum covers.
    constexpr InternetSum transport_sum() const noexcept {
        const auto bytes = static_cast<std::uint32_t>(found_.transport.packet_bytes);
        InternetSum sum;
        if (const auto ip = ipv4(); ip && found_.protocol != ip_protocol::icmp)
            sum = pseudo_header(ip.src(), ip.dst(), found_.protocol, bytes);
        if (const auto ip = ipv6()) sum = pseudo_header(ip.src(), ip.dst(), found_.protocol, bytes);
        return sum.add(frame_.subspan(found_.transport_at, found_.transport.packet_bytes));
    }

    std::span<Byte> frame_;
    HeaderPositions found_;
};
template <std::ranges::contiguous_range Range>
Headers(Range&&) -> Headers<ByteOf<Range>>;

}  // namespace pktverbs::net
