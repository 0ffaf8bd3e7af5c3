// SPDX-License-Identifier: Apache-2.0
// Extracts a FrameKey from a frame's bytes.
#include "soft/steering/frame_key.hpp"

#include <cstring>

#include <pktverbs/net/headers.hpp>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft {

namespace {

// A bound on the time that one frame can cost.
constexpr std::size_t max_tags = net::Headers<>::max_vlans;

constexpr bool little_endian = std::endian::native == std::endian::little;

/// A number in the byte order of the wire.
constexpr std::uint16_t wire16(std::uint16_t value) {
    return little_endian ? static_cast<std::uint16_t>(value << 8 | value >> 8) : value;
}
constexpr std::uint32_t wire32(std::uint32_t value) {
    if (!little_endian) return value;
    return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}

constexpr std::uint16_t type_ipv4 = wire16(0x0800);
constexpr std::uint16_t type_ipv6 = wire16(0x86dd);
constexpr std::uint16_t type_customer_tag = wire16(0x8100);
constexpr std::uint16_t type_service_tag = wire16(0x88a8);

template <class T>
T load(const std::uint8_t* bytes) noexcept {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

/// `value` at byte `offset` of a word.
template <std::size_t offset, class T>
constexpr std::uint64_t at(T value) noexcept {
    static_assert(offset + sizeof(T) <= 8);
    return std::uint64_t{value} << 8 * (little_endian ? offset : 8 - offset - sizeof(T));
}

/// Keys are written in whole words and matched in whole words: a load wider than the store that it reads from waits for
/// the store buffer to drain, which would cost more than all the rest.
void set_word(FrameKey& key, std::size_t index, std::uint64_t word) noexcept {
    std::memcpy(reinterpret_cast<std::uint8_t*>(&key) + 8 * index, &word, sizeof word);
}

constexpr bool is_tag(std::uint16_t ether_type) noexcept {
    return ether_type == type_customer_tag || ether_type == type_service_tag;
}

void set_header_fields(FrameKey& key, std::uint8_t protocol, std::uint8_t tos, std::uint8_t ttl,
                       std::uint8_t flags) noexcept {
    set_word(key, 7, at<0>(protocol) | at<1>(tos) | at<2>(ttl) | at<3>(flags));
}

/// For IP's payload: TCP or UDP with a complete header.
bool has_ports(std::uint8_t protocol, std::span<const std::uint8_t> payload) noexcept {
    if (protocol == net::ip_protocol::udp) [[likely]]
        return payload.size() >= udp_bytes;
    return protocol == net::ip_protocol::tcp && payload.size() >= tcp_bytes;
}

/// Where a packet ends by its length field. An impossible length is ignored, and no reason to refuse the packet: NICs
/// look at headers. rdma-core's tests/utils.py, which runs on NICs, counts IPv6's own header in the payload.
std::size_t end_of(std::size_t said, std::size_t header_bytes, std::size_t there) noexcept {
    return said < header_bytes || said > there ? there : said;
}

/// False if there is no complete IPv4 header.
bool parse_ipv4(std::span<const std::uint8_t> packet, std::uint8_t flags, FrameKey& key) noexcept {
    if (packet.size() < ipv4_bytes) return false;
    const std::uint8_t* const ip = packet.data();
    const std::size_t header_bytes = 4 * std::size_t{ip[0] & 0x0fU};
    if (ip[0] >> 4 != 4 || header_bytes < ipv4_bytes || header_bytes > packet.size()) return false;
    const std::size_t packet_bytes = end_of(wire16(load<std::uint16_t>(ip + 2)), header_bytes, packet.size());
    const std::uint8_t protocol = ip[9];
    const auto fragment = load<std::uint16_t>(ip + 6);
    set_word(key, 2, at<0>(load<std::uint32_t>(ip + 12)));
    set_word(key, 4, at<0>(load<std::uint32_t>(ip + 16)));
    unsigned found = FrameKey::is_ipv4;
    if ((fragment & wire16(0x3fff)) != 0) [[unlikely]] {
        found |= FrameKey::is_fragment;
    } else if (has_ports(protocol, packet.subspan(header_bytes, packet_bytes - header_bytes))) [[likely]] {
        set_word(key, 6, at<0>(load<std::uint32_t>(ip + header_bytes)));
        found |= FrameKey::has_ports;
    }
    flags = static_cast<std::uint8_t>(flags | found);
    set_header_fields(key, protocol, ip[1], ip[8], flags);
    return true;
}

/// False if there is no complete IPv6 header.
bool parse_ipv6(std::span<const std::uint8_t> packet, std::uint8_t flags, FrameKey& key) noexcept {
    if (packet.size() < ipv6_bytes) return false;
    const std::uint8_t* const ip = packet.data();
    if (ip[0] >> 4 != 6) return false;
    const std::size_t length = wire16(load<std::uint16_t>(ip + 4));
    // 0 is a payload without a length (RFC 2675), if there is more than fits.
    const std::size_t packet_bytes = length == 0 && packet.size() - ipv6_bytes > 0xffff
                                         ? packet.size()
                                         : end_of(ipv6_bytes + length, ipv6_bytes, packet.size());
    std::uint8_t protocol = ip[6];
    std::span<const std::uint8_t> payload = packet.subspan(ipv6_bytes, packet_bytes - ipv6_bytes);
    if (protocol != net::ip_protocol::udp && protocol != net::ip_protocol::tcp) {
        const auto found = net::walk_extension_headers(protocol, payload);
        protocol = found.is_whole ? found.protocol : std::uint8_t{0};
        payload = found.is_fragment ? std::span<const std::uint8_t>{} : payload.subspan(found.bytes);
        if (found.is_fragment) flags = static_cast<std::uint8_t>(flags | FrameKey::is_fragment);
    }
    set_word(key, 2, load<std::uint64_t>(ip + 8));
    set_word(key, 3, load<std::uint64_t>(ip + 16));
    set_word(key, 4, load<std::uint64_t>(ip + 24));
    set_word(key, 5, load<std::uint64_t>(ip + 32));
    flags = static_cast<std::uint8_t>(flags | FrameKey::is_ipv6);
    std::uint32_t ports = 0;
    if (has_ports(protocol, payload)) {
        ports = load<std::uint32_t>(payload.data());
        flags = static_cast<std::uint8_t>(flags | FrameKey::has_ports);
    }
    const std::uint32_t flow_label = load<std::uint32_t>(ip) & wire32(0x000fffff);
    set_word(key, 6, at<0>(ports) | at<4>(flow_label));
    const auto traffic_class = static_cast<std::uint8_t>(ip[0] << 4 | ip[1] >> 4);
    set_header_fields(key, protocol, traffic_class, ip[7], flags);
    return true;
}

}  // namespace

FrameKey parse_frame(std::span<const std::uint8_t> frame) noexcept {
    FrameKey key{};
    if (frame.size() < ethernet_bytes) return key;
    const std::uint8_t* const bytes = frame.data();
    std::size_t offset = ethernet_bytes;
    std::uint16_t ether_type = load<std::uint16_t>(bytes + 12);
    std::uint16_t vlan_tci = 0;
    std::uint8_t flags = 0;
    if (is_tag(ether_type)) [[unlikely]] {
        for (std::size_t tags = 0; tags < max_tags && is_tag(ether_type); ++tags) {
            if (frame.size() - offset < vlan_tag_bytes) {
                ether_type = 0;  // nothing follows the tag
                break;
            }
            if (tags == 0) {
                vlan_tci = load<std::uint16_t>(bytes + offset);
                flags = FrameKey::has_vlan;
            }
            ether_type = load<std::uint16_t>(bytes + offset + 2);
            offset += vlan_tag_bytes;
        }
    }
    if (net::ether_type::is_length(wire16(ether_type))) [[unlikely]]
        ether_type = 0;
    set_word(key, 0, at<0>(load<std::uint32_t>(bytes)) | at<4>(load<std::uint16_t>(bytes + 4)) | at<6>(ether_type));
    set_word(key, 1, at<0>(load<std::uint32_t>(bytes + 6)) | at<4>(load<std::uint16_t>(bytes + 10)) | at<6>(vlan_tci));

    const std::span<const std::uint8_t> packet = frame.subspan(offset);
    bool is_ip = false;
    if (ether_type == type_ipv4) [[likely]] {
        is_ip = parse_ipv4(packet, flags, key);
    } else if (ether_type == type_ipv6) {
        is_ip = parse_ipv6(packet, flags, key);
    }
    if (!is_ip) set_header_fields(key, 0, 0, 0, flags);
    return key;
}

}  // namespace pktverbs::soft
