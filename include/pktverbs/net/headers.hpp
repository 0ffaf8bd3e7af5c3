// SPDX-License-Identifier: Apache-2.0
// Headers: the headers of a frame, found in one pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <pktverbs/net/arp.hpp>
#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/ethernet.hpp>
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
    static constexpr std::size_t max_vlans = 8;

    constexpr Headers() noexcept = default;
    /// Finds the headers of a frame.
    constexpr explicit Headers(std::span<Byte> frame) noexcept : frame_{frame} { find_ethernet(); }

    /// Returns the Ethernet header.
    constexpr EthernetView<Byte> ethernet() const noexcept {
        return view<EthernetView<Byte>>(has_ethernet_, 0, EthernetView<>::measure(frame_));
    }
    /// Returns the number of VLAN tags.
    constexpr std::size_t vlan_count() const noexcept { return vlan_count_; }
    /// Returns a VLAN tag; the outermost is 0. Tests false from vlan_count() on.
    constexpr VlanView<Byte> vlan(std::size_t index = 0) const noexcept {
        if (index >= vlan_count_) return {};
        const std::size_t at = EthernetView<>::size + index * VlanView<>::size;
        return view<VlanView<Byte>>(true, at, VlanView<>::measure(frame_.subspan(at)));
    }
    /// Returns the EtherType after the last VLAN tag; 0 if it is a length (802.3), or if a tag is truncated.
    constexpr std::uint16_t ether_type() const noexcept { return ether_type_; }

    /// Returns the ARP packet.
    constexpr ArpView<Byte> arp() const noexcept { return network_view<ArpView<Byte>>(ether_type::arp); }
    /// Returns the IPv4 header.
    constexpr Ipv4View<Byte> ipv4() const noexcept { return network_view<Ipv4View<Byte>>(ether_type::ipv4); }
    /// Returns the IPv6 header.
    constexpr Ipv6View<Byte> ipv6() const noexcept { return network_view<Ipv6View<Byte>>(ether_type::ipv6); }
    /// Returns the protocol after the last IP extension header; 0 without IP, or if the extension headers are
    /// truncated.
    constexpr std::uint8_t protocol() const noexcept { return protocol_; }
    /// Whether it is a fragment of an IP packet. A fragment has no transport: its payload is a part of one.
    constexpr bool is_fragment() const noexcept { return is_fragment_; }

    /// Returns the UDP header.
    constexpr UdpView<Byte> udp() const noexcept { return transport_view<UdpView<Byte>>(ip_protocol::udp); }
    /// Returns the TCP header.
    constexpr TcpView<Byte> tcp() const noexcept { return transport_view<TcpView<Byte>>(ip_protocol::tcp); }
    /// Returns the ICMP header.
    constexpr IcmpView<Byte> icmp() const noexcept { return transport_view<IcmpView<Byte>>(ip_protocol::icmp); }
    /// Returns the ICMPv6 header.
    constexpr Icmpv6View<Byte> icmpv6() const noexcept { return transport_view<Icmpv6View<Byte>>(ip_protocol::icmpv6); }

    /// Returns what the last header found carries, without padding.
    constexpr std::span<Byte> payload() const noexcept { return frame_.subspan(payload_at_, payload_bytes_); }
    /// Whether a header is truncated or has a wrong length, or the Ethernet header is not whole.
    constexpr bool is_malformed() const noexcept { return is_malformed_; }

    /// Verifies the checksum of UDP, TCP, ICMP or ICMPv6, which reads the whole packet. For IPv4's own, see
    /// Ipv4View::checksum_is_right().
    constexpr ChecksumVerdict transport_checksum() const noexcept {
        if (transport_.header_bytes == 0 || is_routed_) return ChecksumVerdict::none;
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
        return view<View>(ether_type_ == type && network_.header_bytes != 0, network_at_, network_);
    }
    template <class View>
    constexpr View transport_view(std::uint8_t protocol) const noexcept {
        return view<View>(protocol_ == protocol && transport_.header_bytes != 0, transport_at_, transport_);
    }
    template <class View>
    constexpr void fill(const View& transport) const noexcept {
        transport.set_checksum(0);
        transport.set_checksum(transport_sum().checksum());
    }

    /// Sums everything that the transport's checksum covers.
    constexpr InternetSum transport_sum() const noexcept {
        const auto bytes = static_cast<std::uint32_t>(transport_.packet_bytes);
        InternetSum sum;
        if (const auto ip = ipv4(); ip && protocol_ != ip_protocol::icmp)
            sum = pseudo_header(ip.src(), ip.dst(), protocol_, bytes);
        if (const auto ip = ipv6()) sum = pseudo_header(ip.src(), ip.dst(), protocol_, bytes);
        return sum.add(frame_.subspan(transport_at_, transport_.packet_bytes));
    }

    constexpr void set_payload(std::size_t at, std::size_t bytes) noexcept {
        payload_at_ = at;
        payload_bytes_ = bytes;
    }

    constexpr void find_ethernet() noexcept {
        set_payload(0, frame_.size());
        is_malformed_ = true;  // until the last header that should be there is
        const EthernetView<Byte> ethernet{frame_};
        if (!ethernet) return;
        has_ethernet_ = true;
        ether_type_ = ethernet.type();
        std::size_t at = EthernetView<>::size;
        for (;; at += VlanView<>::size) {
            set_payload(at, frame_.size() - at);
            if (!ether_type::is_vlan(ether_type_) || vlan_count_ == max_vlans) break;
            const VlanView<Byte> tag{frame_.subspan(at)};
            if (!tag) {
                ether_type_ = 0;
                return;
            }
            ether_type_ = tag.type();
            ++vlan_count_;
        }
        if (ether_type::is_length(ether_type_)) {
            is_malformed_ = ether_type_ > payload_bytes_;
            set_payload(at, ether_type::carried(ether_type_, payload_bytes_));
            ether_type_ = 0;
            return;
        }
        find_network(at);
    }

    constexpr void find_network(std::size_t at) noexcept {
        const ConstBytes rest = frame_.subspan(at);
        network_at_ = at;
        if (ether_type_ == ether_type::ipv4)
            network_ = Ipv4View<>::measure(rest);
        else if (ether_type_ == ether_type::ipv6)
            network_ = Ipv6View<>::measure(rest);
        else if (ether_type_ == ether_type::arp)
            network_ = ArpView<>::measure(rest);
        else {
            is_malformed_ = false;
            return;
        }
        if (network_.header_bytes == 0) {
            // ARP of another kind is not a header here, but not malformed either.
            const std::size_t other = ether_type_ == ether_type::arp ? ArpView<>::any_kind_bytes(rest) : 0;
            is_malformed_ = other == 0;
            if (other != 0) set_payload(at, other);
            return;
        }
        const std::size_t carried = network_.packet_bytes - network_.header_bytes;
        set_payload(at + network_.header_bytes, carried);
        if (const auto ip = ipv4()) {
            is_fragment_ = ip.is_fragment();
            protocol_ = ip.protocol();
        } else if (const auto ip6 = ipv6()) {
            const auto extensions = walk_extension_headers(ip6.next_header(), ip6.payload());
            set_payload(payload_at_ + extensions.bytes, carried - extensions.bytes);
            is_fragment_ = extensions.is_fragment;
            is_routed_ = extensions.is_routed;
            // In a later fragment, further extension headers can't be seen.
            if (!extensions.is_whole && extensions.is_first) return;
            protocol_ = extensions.is_whole ? extensions.protocol : std::uint8_t{0};
        }
        if (is_fragment_)
            is_malformed_ = false;
        else
            find_transport();
    }

    constexpr void find_transport() noexcept {
        const ConstBytes rest = payload();
        const bool is_ipv4 = ether_type_ == ether_type::ipv4;
        transport_at_ = payload_at_;
        is_malformed_ = false;
        if (protocol_ == ip_protocol::udp)
            transport_ = UdpView<>::measure(rest);
        else if (protocol_ == ip_protocol::tcp)
            transport_ = TcpView<>::measure(rest);
        else if (protocol_ == (is_ipv4 ? ip_protocol::icmp : ip_protocol::icmpv6))
            transport_ = IcmpView<>::measure(rest);
        else
            return;
        is_malformed_ = transport_.header_bytes == 0;
        if (!is_malformed_)
            set_payload(transport_at_ + transport_.header_bytes, transport_.packet_bytes - transport_.header_bytes);
    }

    std::span<Byte> frame_;
    std::size_t network_at_ = 0;
    std::size_t transport_at_ = 0;
    std::size_t payload_at_ = 0;
    std::size_t payload_bytes_ = 0;
    Extent network_{};    // no header bytes: none
    Extent transport_{};  // the same
    std::uint16_t ether_type_ = 0;
    std::uint8_t vlan_count_ = 0;
    std::uint8_t protocol_ = 0;
    bool has_ethernet_ = false;
    bool is_fragment_ = false;
    bool is_routed_ = false;
    bool is_malformed_ = false;
};
template <std::ranges::contiguous_range Range>
Headers(Range&&) -> Headers<ByteOf<Range>>;

}  // namespace pktverbs::net
