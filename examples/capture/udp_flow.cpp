// SPDX-License-Identifier: Apache-2.0
#include "udp_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace capture {

std::optional<UdpFlow> UdpFlow::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return {};
    UdpFlow flow;
    const auto address = text.substr(0, colon);
    if (address != "any") {
        flow.address = pktverbs::Ipv4Address::parse(address);
        if (!flow.address) return {};
    }
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, flow.port);
    if (error != std::errc{} || stop != end) return {};
    return flow;
}

std::string UdpFlow::to_string() const { return fmt::format("{}:{}", address ? address->to_string() : "any", port); }

pktverbs::FlowRule UdpFlow::rule() const {
    auto rule = pktverbs::FlowRule{}.udp().dst_port(port);
    if (address)
        rule.dst_ip(*address);
    else
        rule.ipv4();
    if (!is_multicast()) rule.own_mac();
    return rule;
}

namespace {

constexpr std::size_t addresses_bytes = 12;
constexpr std::size_t vlan_tag_bytes = 4;
constexpr std::size_t udp_header_bytes = 8;
constexpr std::uint16_t ipv4_type = 0x0800;
constexpr std::uint16_t vlan_type = 0x8100;
constexpr std::uint16_t service_vlan_type = 0x88a8;
constexpr std::uint8_t udp_protocol = 17;
constexpr std::uint16_t fragment_bits = 0x3fff;  // more fragments, and the offset

std::uint16_t load_16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

}  // namespace

std::optional<UdpPayload> find_udp_payload(std::span<const std::uint8_t> front, std::size_t frame_bytes) {
    std::size_t type_at = addresses_bytes;
    auto type_is_vlan = [&] {
        const auto type = load_16(front, type_at);
        return type == vlan_type || type == service_vlan_type;
    };
    while (front.size() >= type_at + 2 && type_is_vlan()) type_at += vlan_tag_bytes;
    if (front.size() < type_at + 2 || load_16(front, type_at) != ipv4_type) return {};

    const auto packet = front.subspan(type_at + 2);
    constexpr std::size_t shortest_header = 20;
    if (packet.size() < shortest_header || packet[0] >> 4 != 4 || packet[9] != udp_protocol) return {};
    if ((load_16(packet, 6) & fragment_bits) != 0) return {};
    const std::size_t header_bytes = 4 * static_cast<std::size_t>(packet[0] & 0x0f);
    if (header_bytes < shortest_header || packet.size() < header_bytes + udp_header_bytes) return {};

    const auto datagram = packet.subspan(header_bytes);
    const std::size_t datagram_bytes = load_16(datagram, 4);
    const auto datagram_at = type_at + 2 + header_bytes;
    if (datagram_bytes < udp_header_bytes || datagram_bytes > frame_bytes - datagram_at) return {};
    pktverbs::Ipv4Address::Bytes address{};
    std::copy_n(packet.begin() + 16, address.size(), address.begin());
    return UdpPayload{pktverbs::Ipv4Address{address}, load_16(datagram, 2),
                      datagram.first(std::min(datagram_bytes, datagram.size())).subspan(udp_header_bytes)};
}

}  // namespace capture
