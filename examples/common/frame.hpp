// SPDX-License-Identifier: Apache-2.0
// Frame: the headers of Ethernet, ARP, IPv4, ICMP echo and UDP, written to and read from a span of bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <pktverbs/ipv4_address.hpp>
#include <pktverbs/mac_address.hpp>

namespace example {

using pktverbs::Ipv4Address;
using pktverbs::MacAddress;
using Bytes = std::span<std::uint8_t>;
using ConstBytes = std::span<const std::uint8_t>;

inline constexpr std::uint16_t ether_type_ipv4 = 0x0800;
inline constexpr std::uint16_t ether_type_arp = 0x0806;
inline constexpr std::uint8_t protocol_icmp = 1;
inline constexpr std::uint8_t protocol_udp = 17;

/// Big-endian numbers of 1 to 8 bytes.
template <class Number>
constexpr Number load(ConstBytes bytes, std::size_t at) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes.subspan(at, sizeof(Number))) value = value << 8 | byte;
    return static_cast<Number>(value);
}
template <class Number>
constexpr void store(Bytes bytes, std::size_t at, Number number) {
    std::uint64_t value = number;
    for (std::size_t i = sizeof(Number); i-- > 0; value >>= 8) bytes[at + i] = static_cast<std::uint8_t>(value);
}

template <class Address>
constexpr Address load_address(ConstBytes bytes, std::size_t at) {
    typename Address::Bytes octets{};
    std::ranges::copy(bytes.subspan(at, Address::size), octets.begin());
    return Address{octets};
}
template <class Address>
constexpr void store_address(Bytes bytes, std::size_t at, const Address& address) {
    std::ranges::copy(address.bytes(), bytes.subspan(at).begin());
}

/// The Internet checksum (RFC 1071); zero over bytes that hold their own right checksum.
constexpr std::uint16_t checksum(ConstBytes bytes) {
    std::uint64_t sum = 0;
    std::size_t at = 0;
    for (; at + 2 <= bytes.size(); at += 2) sum += load<std::uint16_t>(bytes, at);
    if (at < bytes.size()) sum += static_cast<std::uint64_t>(bytes[at]) << 8;  // an odd last byte is a word's first
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

struct Ethernet {
    static constexpr std::size_t size = 14;
    MacAddress dst;
    MacAddress src;
    std::uint16_t type = 0;
};

constexpr void write(Bytes frame, const Ethernet& header) {
    store_address(frame, 0, header.dst);
    store_address(frame, 6, header.src);
    store(frame, 12, header.type);
}

constexpr std::optional<Ethernet> read_ethernet(ConstBytes frame) {
    if (frame.size() < Ethernet::size) return {};
    return Ethernet{load_address<MacAddress>(frame, 0), load_address<MacAddress>(frame, 6),
                    load<std::uint16_t>(frame, 12)};
}

/// ARP for IPv4 on Ethernet (RFC 826).
struct Arp {
    static constexpr std::size_t size = 28;
    static constexpr std::uint16_t request = 1;
    static constexpr std::uint16_t reply = 2;
    std::uint16_t operation = request;
    MacAddress sender_mac;
    Ipv4Address sender_ip;
    MacAddress target_mac;
    Ipv4Address target_ip;
};

/// Hardware type 1, protocol 0x0800, address lengths 6 and 4.
inline constexpr std::uint64_t arp_ethernet_ipv4 = 0x0001'0800'0604;

constexpr void write(Bytes packet, const Arp& arp) {
    store(packet, 0, arp_ethernet_ipv4 << 16 | arp.operation);
    store_address(packet, 8, arp.sender_mac);
    store_address(packet, 14, arp.sender_ip);
    store_address(packet, 18, arp.target_mac);
    store_address(packet, 24, arp.target_ip);
}

/// From a whole frame; nullopt for anything but ARP for IPv4 on Ethernet.
constexpr std::optional<Arp> read_arp(ConstBytes frame) {
    if (frame.size() < Ethernet::size + Arp::size || read_ethernet(frame)->type != ether_type_arp) return {};
    const ConstBytes packet = frame.subspan(Ethernet::size);
    if (load<std::uint64_t>(packet, 0) >> 16 != arp_ethernet_ipv4) return {};
    return Arp{load<std::uint16_t>(packet, 6), load_address<MacAddress>(packet, 8),
               load_address<Ipv4Address>(packet, 14), load_address<MacAddress>(packet, 18),
               load_address<Ipv4Address>(packet, 24)};
}

struct Ipv4 {
    static constexpr std::size_t size = 20;
    Ipv4Address src;
    Ipv4Address dst;
    std::uint8_t protocol = 0;
    std::uint8_t ttl = 64;
    /// What is written takes its length from here; what was read is here, without padding.
    ConstBytes payload;
};

/// No options, don't fragment, identification 0 (RFC 6864 allows it where nothing is fragmented).
constexpr void write(Bytes packet, const Ipv4& header) {
    store<std::uint16_t>(packet, 0, 0x4500);
    store(packet, 2, static_cast<std::uint16_t>(Ipv4::size + header.payload.size()));
    store<std::uint32_t>(packet, 4, 0x0000'4000);
    store(packet, 8, header.ttl);
    store(packet, 9, header.protocol);
    store<std::uint16_t>(packet, 10, 0);
    store_address(packet, 12, header.src);
    store_address(packet, 16, header.dst);
    store(packet, 10, checksum(packet.first(Ipv4::size)));
}

/// From a whole frame; nullopt unless it is a whole, unfragmented IPv4 packet with a right header checksum.
constexpr std::optional<Ipv4> read_ipv4(ConstBytes frame) {
    if (frame.size() < Ethernet::size + Ipv4::size || read_ethernet(frame)->type != ether_type_ipv4) return {};
    const ConstBytes packet = frame.subspan(Ethernet::size);
    const std::size_t header_bytes = 4 * static_cast<std::size_t>(packet[0] & 0x0f);
    const std::size_t total_bytes = load<std::uint16_t>(packet, 2);
    if (packet[0] >> 4 != 4 || header_bytes < Ipv4::size) return {};
    if (total_bytes < header_bytes || total_bytes > packet.size()) return {};
    constexpr std::uint16_t more_fragments_and_offset = 0x3fff;
    if ((load<std::uint16_t>(packet, 6) & more_fragments_and_offset) != 0) return {};
    if (checksum(packet.first(header_bytes)) != 0) return {};
    return Ipv4{load_address<Ipv4Address>(packet, 12), load_address<Ipv4Address>(packet, 16), packet[9], packet[8],
                packet.subspan(header_bytes, total_bytes - header_bytes)};
}

/// ICMP echo request or reply (RFC 792).
struct Echo {
    static constexpr std::size_t size = 8;
    static constexpr std::uint8_t request = 8;
    static constexpr std::uint8_t reply = 0;
    std::uint8_t type = request;
    std::uint16_t identifier = 0;
    std::uint16_t sequence = 0;
    ConstBytes data;
};

/// Writes header and checksum; the data must stand in `message` already, behind the header and up to its end.
constexpr void write(Bytes message, const Echo& echo) {
    store(message, 0, static_cast<std::uint16_t>(echo.type << 8));
    store<std::uint16_t>(message, 2, 0);
    store(message, 4, echo.identifier);
    store(message, 6, echo.sequence);
    store(message, 2, checksum(message));
}

/// From an IPv4 payload; nullopt unless it is an echo request or reply with a right checksum.
constexpr std::optional<Echo> read_echo(ConstBytes message) {
    if (message.size() < Echo::size || message[1] != 0 || checksum(message) != 0) return {};
    if (message[0] != Echo::request && message[0] != Echo::reply) return {};
    return Echo{message[0], load<std::uint16_t>(message, 4), load<std::uint16_t>(message, 6),
                message.subspan(Echo::size)};
}

struct Udp {
    static constexpr std::size_t size = 8;
    std::uint16_t src_port = 0;
    std::uint16_t dst_port = 0;
    std::size_t payload_bytes = 0;
};

/// Checksum 0: none (RFC 768).
constexpr void write(Bytes datagram, const Udp& header) {
    store(datagram, 0, header.src_port);
    store(datagram, 2, header.dst_port);
    store(datagram, 4, static_cast<std::uint32_t>(Udp::size + header.payload_bytes) << 16);
}

/// The payload in a frame that a flow rule has already found to be IPv4 and UDP: reads lengths, verifies nothing
/// else. Empty if the lengths don't fit the frame.
constexpr ConstBytes udp_payload(ConstBytes frame) {
    if (frame.size() < Ethernet::size + Ipv4::size + Udp::size) return {};
    const std::size_t datagram_at = Ethernet::size + 4 * static_cast<std::size_t>(frame[Ethernet::size] & 0x0f);
    if (frame.size() < datagram_at + Udp::size) return {};
    const std::size_t datagram_bytes = load<std::uint16_t>(frame, datagram_at + 4);
    if (datagram_bytes < Udp::size || frame.size() - datagram_at < datagram_bytes) return {};
    return frame.subspan(datagram_at + Udp::size, datagram_bytes - Udp::size);
}

}  // namespace example
