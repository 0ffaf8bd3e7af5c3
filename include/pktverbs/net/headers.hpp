// SPDX-License-Identifier: Apache-2.0
// Headers: all headers of a frame, found in one pass.
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

enum class ChecksumVerdict : std::uint8_t {
    none,  ///< nothing to verify: no transport, UDP without a checksum, or a routing header hides the address it is
           ///< over
    right,
    wrong,
};

/// Where the headers of one frame are: a view of each layer, which tests false if the frame doesn't have it. Owns
/// nothing: the frame must outlive it. No view leaves the frame, whatever the frame says; where a header is cut short
/// or its lengths lie, the layers end before it, and is_malformed(). Checksums are verified only when asked for.
template <FrameByte Byte = const std::uint8_t>
class Headers {
public:
    /// More VLAN tags than any real frame has; what is behind them is left unread.
    static constexpr std::size_t max_vlans = 8;

    constexpr Headers() noexcept = default;
    constexpr explicit Headers(std::span<Byte> frame) noexcept : frame_{frame} { find_ethernet(); }

    constexpr EthernetView<Byte> ethernet() const noexcept {
        return view<EthernetView<Byte>>(has_ethernet_, 0, EthernetView<>::measure(frame_));
    }
    constexpr std::size_t vlan_count() const noexcept { return vlan_count_; }
    /// The outermost is 0. Tests false from vlan_count() on.
    constexpr VlanView<Byte> vlan(std::size_t index = 0) const noexcept {
        if (index >= vlan_count_) return {};
        const std::size_t at = EthernetView<>::size + index * VlanView<>::size;
        return view<VlanView<Byte>>(true, at, VlanView<>::measure(frame_.subspan(at)));
    }
    /// After the last VLAN tag; 0 if a length stands there (802.3), or a tag is cut short.
    constexpr std::uint16_t ether_type() const noexcept { return ether_type_; }

    constexpr ArpView<Byte> arp() const noexcept { return network_view<ArpView<Byte>>(ether_type::arp); }
    constexpr Ipv4View<Byte> ipv4() const noexcept { return network_view<Ipv4View<Byte>>(ether_type::ipv4); }
    constexpr Ipv6View<Byte> ipv6() const noexcept { return network_view<Ipv6View<Byte>>(ether_type::ipv6); }
    /// Of IP: what follows the last extension header; 0 without IP, or if the extension headers are cut short.
    constexpr std::uint8_t protocol() const noexcept { return protocol_; }
    /// One of several. Such have no transport: the payload is a part of one.
    constexpr bool is_fragment() const noexcept { return is_fragment_; }

    constexpr UdpView<Byte> udp() const noexcept { return transport_view<UdpView<Byte>>(ip_protocol::udp); }
    constexpr TcpView<Byte> tcp() const noexcept { return transport_view<TcpView<Byte>>(ip_protocol::tcp); }
    constexpr IcmpView<Byte> icmp() const noexcept { return transport_view<IcmpView<Byte>>(ip_protocol::icmp); }
    constexpr Icmpv6View<Byte> icmpv6() const noexcept { return transport_view<Icmpv6View<Byte>>(ip_protocol::icmpv6); }

    /// What the last header that was found carries, without padding.
    constexpr std::span<Byte> payload() const noexcept { return frame_.subspan(payload_at_, payload_bytes_); }
    /// A header that should be there is cut short, or lies about a length; or there is no whole Ethernet header.
    constexpr bool is_malformed() const noexcept { return is_malformed_; }

    /// Verifies UDP, TCP, ICMP or ICMPv6: reads the whole packet. (For IPv4 itself: Ipv4View::checksum_is_right().)
    constexpr ChecksumVerdict transport_checksum() const noexcept {
        if (transport_.header_bytes == 0 || is_routed_) return ChecksumVerdict::none;
        if (const auto datagram = udp(); datagram && datagram.checksum() == 0) return ChecksumVerdict::none;
        return transport_sum().is_right() ? ChecksumVerdict::right : ChecksumVerdict::wrong;
    }
    /// Computes the checksums of a packet that was changed, and sets them: IPv4's and the transport's. A packet whose
    /// transport has nothing to verify keeps what it has there.
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

    /// Everything that the transport's checksum is over.
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
            // ARP of another kind is no header here, but none that lies.
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
            // Behind a later fragment's header, more of them can't be seen.
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
