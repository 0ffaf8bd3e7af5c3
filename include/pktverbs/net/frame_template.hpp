// SPDX-License-Identifier: Apache-2.0
// FrameTemplate: ready-made headers for the packets of a stream.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include <pktverbs/net/arp.hpp>
#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/ethernet.hpp>
#include <pktverbs/net/icmp.hpp>
#include <pktverbs/net/ipv4.hpp>
#include <pktverbs/net/ipv6.hpp>
#include <pktverbs/net/tcp.hpp>
#include <pktverbs/net/udp.hpp>

namespace pktverbs::net {

/// Ipv4 or Ipv6.
template <class Type>
concept IpHeader = std::same_as<Type, Ipv4> || std::same_as<Type, Ipv6>;

/// What differs from packet to packet, besides the payload.
struct Stamp {
    std::uint16_t identification = 0;  ///< of IPv4; added to the template's
    std::uint32_t sequence = 0;        ///< of TCP; the lower 16 bits of an echo's
    /// The sum of the payload, if the caller keeps it. Otherwise write() reads the payload where a checksum covers it.
    std::optional<InternetSum> payload_sum{};
};

/// Builds the headers of a stream once, and writes them to each of its packets.
///
/// Headers are ready-made and checksums half-computed, so that a packet costs a copy of the headers, a few stores and,
/// if a checksum covers the payload and its sum is not given, reading the payload. A value; never allocates or throws;
/// constexpr. Frames below the 60 bytes of Ethernet's minimum are not padded.
class FrameTemplate {
public:
    /// The longest headers: two VLAN tags, IPv6 and TCP.
    static constexpr std::size_t max_header_bytes =
        EthernetView<>::size + 2 * VlanView<>::size + Ipv6View<>::size + TcpView<>::size;

    /// For any payload, of EtherType `ethernet.type`.
    constexpr explicit FrameTemplate(const Ethernet& ethernet) noexcept { put_ethernet(ethernet, ethernet.type); }
    /// For an ARP packet, which has no payload.
    constexpr FrameTemplate(const Ethernet& ethernet, const Arp& arp) noexcept {
        put_ethernet(ethernet, ether_type::arp);
        std::uint8_t* const at = grow(ArpView<>::size);
        store(at, ArpView<>::ethernet_ipv4 << 16);
        ArpView{Bytes{at, ArpView<>::size}, {ArpView<>::size, ArpView<>::size}}.set(arp);
        max_payload_bytes_ = 0;
    }
    /// For any payload over IPv4, of protocol `ip.protocol`.
    constexpr FrameTemplate(const Ethernet& ethernet, const Ipv4& ip) noexcept { put_ip(ethernet, ip, ip.protocol); }
    /// For any payload over IPv6, of protocol `ip.next_header`.
    constexpr FrameTemplate(const Ethernet& ethernet, const Ipv6& ip) noexcept { put_ip(ethernet, ip, ip.next_header); }
    /// For UDP datagrams.
    template <IpHeader Ip>
    constexpr FrameTemplate(const Ethernet& ethernet, const Ip& ip, const Udp& udp) noexcept {
        put_ip(ethernet, ip, ip_protocol::udp);
        std::uint8_t* const at = begin_transport(UdpView<>::size, 6, udp.checksum);
        store(at, udp.src_port);
        store(at + 2, udp.dst_port);
        transport_ = Transport::udp;
        sum_transport(ip, ip_protocol::udp);
    }
    /// For TCP segments.
    template <IpHeader Ip>
    constexpr FrameTemplate(const Ethernet& ethernet, const Ip& ip, const Tcp& tcp) noexcept {
        put_ip(ethernet, ip, ip_protocol::tcp);
        std::uint8_t* const at = begin_transport(TcpView<>::size, 16, tcp.checksum);
        store(at, tcp.src_port);
        store(at + 2, tcp.dst_port);
        store(at + 8, tcp.acknowledgment);
        store(at + 12, std::uint8_t{0x50});  // five words, no options
        store(at + 13, tcp.flags);
        store(at + 14, tcp.window);
        transport_ = Transport::tcp;
        sum_transport(ip, ip_protocol::tcp);
    }
    /// For ICMP or ICMPv6 echo messages.
    template <IpHeader Ip>
    constexpr FrameTemplate(const Ethernet& ethernet, const Ip& ip, const Echo& echo) noexcept {
        constexpr bool is_ipv4 = std::is_same_v<Ip, Ipv4>;
        constexpr std::uint8_t protocol = is_ipv4 ? ip_protocol::icmp : ip_protocol::icmpv6;
        constexpr std::uint8_t request = is_ipv4 ? icmp_type::echo_request : icmpv6_type::echo_request;
        constexpr std::uint8_t reply = is_ipv4 ? icmp_type::echo_reply : icmpv6_type::echo_reply;
        put_ip(ethernet, ip, protocol);
        std::uint8_t* const at = begin_transport(IcmpView<>::size, 2, true);
        store(at, echo.is_reply ? reply : request);
        store(at + 4, echo.identifier);
        transport_ = Transport::echo;
        sum_transport(ip, protocol);
    }

    /// Returns the length of the headers.
    constexpr std::size_t header_bytes() const noexcept { return header_bytes_; }
    /// Returns the longest payload that the length fields can express.
    constexpr std::size_t max_payload_bytes() const noexcept { return max_payload_bytes_; }
    /// Returns the length of a frame with this much payload.
    constexpr std::size_t frame_bytes(std::size_t payload_bytes) const noexcept {
        return header_bytes_ + payload_bytes;
    }

    /// Writes the headers to the start of `buffer`, for `payload_bytes` of payload behind them, and returns the length
    /// of the frame. If a checksum covers the payload (TCP, echo, UDP by default) and the stamp does not give its sum,
    /// the payload must already be there. Returns 0, and writes nothing, if the frame does not fit the buffer or the
    /// payload is longer than max_payload_bytes().
    constexpr std::size_t write(Bytes buffer, std::size_t payload_bytes, const Stamp& stamp = {}) const noexcept {
        if (payload_bytes > max_payload_bytes_ || buffer.size() < header_bytes_ ||
            payload_bytes > buffer.size() - header_bytes_)
            return 0;
        std::copy_n(bytes_.data(), header_bytes_, buffer.data());
        std::uint8_t* const ip = buffer.data() + network_at_;
        if (network_ == Network::ipv4) {
            const auto total = static_cast<std::uint16_t>(header_bytes_ - network_at_ + payload_bytes);
            const auto identification = static_cast<std::uint16_t>(load<std::uint16_t>(ip + 4) + stamp.identification);
            store(ip + 2, total);
            store(ip + 4, identification);
            store(ip + 10, InternetSum{network_sum_}.add(total).add(identification).checksum());
        } else if (network_ == Network::ipv6) {
            store(ip + 4, static_cast<std::uint16_t>(header_bytes_ - network_at_ - Ipv6View<>::size + payload_bytes));
        }
        if (transport_ != Transport::none) write_transport(buffer, payload_bytes, stamp);
        return header_bytes_ + payload_bytes;
    }

private:
    enum class Network : std::uint8_t { none, ipv4, ipv6 };
    enum class Transport : std::uint8_t { none, udp, tcp, echo };

    constexpr std::uint8_t* grow(std::size_t bytes) noexcept {
        std::uint8_t* const at = bytes_.data() + header_bytes_;
        header_bytes_ += bytes;
        return at;
    }

    constexpr void put_ethernet(const Ethernet& ethernet, std::uint16_t type) noexcept {
        std::uint8_t* const at = grow(12);
        store(at, ethernet.dst);
        store(at + 6, ethernet.src);
        if (ethernet.service_vlan) put_tag(ether_type::service_vlan, *ethernet.service_vlan);
        if (ethernet.vlan) put_tag(ether_type::vlan, *ethernet.vlan);
        store(grow(2), type);
    }
    constexpr void put_tag(std::uint16_t type, const Vlan& vlan) noexcept {
        std::uint8_t* const at = grow(4);
        store(at, type);
        store(at + 2, vlan.tag());
    }

    constexpr void put_ip(const Ethernet& ethernet, const Ipv4& ip, std::uint8_t protocol) noexcept {
        put_ethernet(ethernet, ether_type::ipv4);
        network_ = Network::ipv4;
        network_at_ = header_bytes_;
        std::uint8_t* const at = grow(Ipv4View<>::size);
        store(at, std::uint8_t{0x45});  // version 4, five words
        store(at + 1, ip.tos);
        store(at + 6, ip.dont_fragment ? Ipv4View<>::dont_fragment_bit : std::uint16_t{0});
        store(at + 8, ip.ttl);
        store(at + 9, protocol);
        store(at + 12, ip.src);
        store(at + 16, ip.dst);
        network_sum_.add(ConstBytes{at, Ipv4View<>::size});  // all but the identification and the length
        store(at + 4, ip.identification);
        max_payload_bytes_ = 0xffff - Ipv4View<>::size;
    }
    constexpr void put_ip(const Ethernet& ethernet, const Ipv6& ip, std::uint8_t protocol) noexcept {
        put_ethernet(ethernet, ether_type::ipv6);
        network_ = Network::ipv6;
        network_at_ = header_bytes_;
        std::uint8_t* const at = grow(Ipv6View<>::size);
        store(at, 6u << 28 | std::uint32_t{ip.traffic_class} << 20 | (ip.flow_label & 0xfffff));
        store(at + 6, protocol);
        store(at + 7, ip.hop_limit);
        store(at + 8, ip.src);
        store(at + 24, ip.dst);
        max_payload_bytes_ = 0xffff;
    }

    constexpr std::uint8_t* begin_transport(std::size_t bytes, std::size_t checksum_at, bool has_checksum) noexcept {
        transport_at_ = header_bytes_;
        checksum_at_ = checksum_at;
        has_checksum_ = has_checksum;
        max_payload_bytes_ -= bytes;
        return grow(bytes);
    }
    /// Sums everything but lengths, sequence and payload.
    template <IpHeader Ip>
    constexpr void sum_transport(const Ip& ip, std::uint8_t protocol) noexcept {
        if (protocol != ip_protocol::icmp) transport_sum_ = pseudo_header(ip.src, ip.dst, protocol, 0);
        transport_sum_.add(ConstBytes{bytes_}.subspan(transport_at_, header_bytes_ - transport_at_));
        has_pseudo_header_ = protocol != ip_protocol::icmp;
    }

    constexpr void write_transport(Bytes buffer, std::size_t payload_bytes, const Stamp& stamp) const noexcept {
        std::uint8_t* const at = buffer.data() + transport_at_;
        const auto length = static_cast<std::uint16_t>(header_bytes_ - transport_at_ + payload_bytes);
        InternetSum sum = transport_sum_;
        if (has_pseudo_header_) sum.add(length);
        if (transport_ == Transport::udp) {
            store(at + 4, length);
            sum.add(length);
        } else if (transport_ == Transport::tcp) {
            store(at + 4, stamp.sequence);
            sum.add(stamp.sequence);
        } else {
            store(at + 6, static_cast<std::uint16_t>(stamp.sequence));
            sum.add(static_cast<std::uint16_t>(stamp.sequence));
        }
        if (!has_checksum_) return;
        if (stamp.payload_sum)
            sum.add(*stamp.payload_sum);
        else
            sum.add(buffer.subspan(header_bytes_, payload_bytes));
        store(at + checksum_at_, transport_ == Transport::udp ? udp_checksum(sum.checksum()) : sum.checksum());
    }

    std::array<std::uint8_t, max_header_bytes> bytes_{};
    std::size_t header_bytes_ = 0;
    std::size_t network_at_ = 0;
    std::size_t transport_at_ = 0;
    std::size_t checksum_at_ = 0;  // from transport_at_
    std::size_t max_payload_bytes_ = SIZE_MAX;
    InternetSum network_sum_;
    InternetSum transport_sum_;
    Network network_ = Network::none;
    Transport transport_ = Transport::none;
    bool has_checksum_ = false;
    bool has_pseudo_header_ = false;
};

}  // namespace pktverbs::net
