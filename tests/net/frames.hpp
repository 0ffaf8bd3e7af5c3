// SPDX-License-Identifier: Apache-2.0
// Frames: complete frames of every kind, for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <pktverbs/net/net.hpp>

namespace pktverbs::net::test {

inline constexpr MacAddress mac_a{MacAddress::Bytes{0x02, 0, 0, 0, 0, 0x0a}};
inline constexpr MacAddress mac_b{MacAddress::Bytes{0x02, 0, 0, 0, 0, 0x0b}};
inline constexpr Ipv4Address ipv4_a{Ipv4Address::Bytes{192, 0, 2, 1}};
inline constexpr Ipv4Address ipv4_b{Ipv4Address::Bytes{192, 0, 2, 2}};
inline constexpr Ipv6Address ipv6_a{Ipv6Address::Bytes{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
inline constexpr Ipv6Address ipv6_b{Ipv6Address::Bytes{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

inline constexpr Ethernet ethernet{.dst = mac_b, .src = mac_a};
inline constexpr Ethernet tagged{.dst = mac_b, .src = mac_a, .vlan = Vlan{100, 5, true}};
inline constexpr Ethernet twice{.dst = mac_b, .src = mac_a, .vlan = Vlan{7}, .service_vlan = Vlan{4095, 7}};
inline constexpr Ipv4 ipv4{.src = ipv4_a, .dst = ipv4_b, .ttl = 3, .tos = 9};
inline constexpr Ipv6 ipv6{.src = ipv6_a, .dst = ipv6_b, .hop_limit = 5, .traffic_class = 0xa5, .flow_label = 0x12345};
inline constexpr Udp udp{.src_port = 1000, .dst_port = 7148};
inline constexpr Tcp tcp{
    .src_port = 1001, .dst_port = 80, .acknowledgment = 0x01020304, .flags = Tcp::ack, .window = 9};
inline constexpr Echo echo{.identifier = 0x1234};
inline constexpr Arp arp{
    .operation = Arp::reply, .sender_mac = mac_a, .sender_ip = ipv4_a, .target_mac = mac_b, .target_ip = ipv4_b};

/// A frame of a template, with a payload of 1, 2, 3 and so on.
inline std::vector<std::uint8_t> frame_of(const FrameTemplate& headers, std::size_t payload_bytes,
                                          const Stamp& stamp = {}) {
    std::vector<std::uint8_t> frame(headers.frame_bytes(payload_bytes));
    std::iota(frame.begin() + static_cast<std::ptrdiff_t>(headers.header_bytes()), frame.end(), std::uint8_t{1});
    frame.resize(headers.write(frame, payload_bytes, stamp));
    return frame;
}

struct Kind {
    std::string name;
    FrameTemplate headers;
};

/// Combines different Ethernet headers, each IP version and each transport.
inline std::vector<Kind> transport_kinds() {
    std::vector<Kind> kinds;
    const auto add = [&](const std::string& name, const Ethernet& below, const auto& ip) {
        kinds.push_back({name + " udp", FrameTemplate{below, ip, udp}});
        kinds.push_back({name + " tcp", FrameTemplate{below, ip, tcp}});
        kinds.push_back({name + " echo", FrameTemplate{below, ip, echo}});
    };
    add("ipv4", ethernet, ipv4);
    add("ipv6", ethernet, ipv6);
    add("vlan ipv4", tagged, ipv4);
    add("two vlans ipv6", twice, ipv6);
    return kinds;
}

}  // namespace pktverbs::net::test
