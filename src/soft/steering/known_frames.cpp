// SPDX-License-Identifier: Apache-2.0
#include "soft/steering/known_frames.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pktverbs::soft {

namespace {

constexpr std::size_t ether_type_at = 12;

// In an IPv4 header.
constexpr std::size_t fragment_at = 6;
constexpr std::size_t protocol_at = 9;
// In an IPv6 header.
constexpr std::size_t next_header_at = 6;

bool is_udp_or_tcp(std::uint8_t protocol) noexcept {
    return protocol == net::ip_protocol::udp || protocol == net::ip_protocol::tcp;
}

}  // namespace

inline std::size_t KnownFrames::shape_of(const std::uint8_t* frame, std::size_t bytes) noexcept {
    if (bytes < plain_bytes) return none;
    auto type = net::load<std::uint16_t>(frame + ether_type_at);
    if (type == net::ether_type::ipv4) [[likely]]
        return plain;
    const bool is_tagged = net::ether_type::is_vlan(type);
    if (!is_tagged && type != net::ether_type::ipv6) return non_ip;
    if (bytes < other_bytes) return none;
    if (is_tagged) type = net::load<std::uint16_t>(frame + ether_type_at + vlan_tag_bytes);
    if (type != net::ether_type::ipv4 && type != net::ether_type::ipv6) return none;
    return (type == net::ether_type::ipv6 ? 2U : 0U) + (is_tagged ? 1U : 0U);
}

inline KnownFrames::EthernetWords KnownFrames::ethernet_of(const std::uint8_t* frame) noexcept {
    EthernetWords words;
    std::memcpy(&words[0], frame, sizeof words[0]);
    std::memcpy(&words[1], frame + ethernet_bytes - sizeof words[1], sizeof words[1]);
    return words;
}

/// Of a frame of the shape with this protocol; 0 if it is another one.
std::uint32_t KnownFrames::least_bytes(const std::uint8_t* frame, const Shape& shape) noexcept {
    const std::uint8_t* const ip = frame + shape.ip_at;
    const std::uint8_t protocol = ip[shape.is_ipv6 ? next_header_at : protocol_at];
    const bool has_shape =
        shape.is_ipv6 ? ip[0] >> 4 == 6 : ip[0] == 0x45 && (ip[fragment_at] & 0x3f) == 0 && ip[fragment_at + 1] == 0;
    if (!has_shape || !is_udp_or_tcp(protocol)) return 0;
    const std::uint32_t ip_bytes = shape.is_ipv6 ? ipv6_bytes : ipv4_bytes;
    return static_cast<std::uint32_t>(shape.ip_at) + ip_bytes +
           (protocol == net::ip_protocol::udp ? udp_bytes : tcp_bytes);
}

/// Where flows look, in frames of a shape. Other fields of a key are empty in all of them, or given by the shape.
template <class Words>
Words KnownFrames::bits_of(const Shape& shape, const FrameKey& looked) noexcept {
    std::array<std::uint8_t, sizeof(Other::Words)> bits{};
    const auto put = [&](std::size_t at, const auto& field, std::size_t bytes) {
        std::memcpy(&bits[at], &field, bytes);
    };
    put(0, looked.dst_mac, sizeof looked.dst_mac);
    bits[0] |= 1;  // multicast, for the defaults
    put(sizeof looked.dst_mac, looked.src_mac, sizeof looked.src_mac);
    for (std::size_t at = ether_type_at; at != shape.ip_at; ++at) bits[at] = 0xff;
    if (shape.ip_at != ethernet_bytes) put(ethernet_bytes, looked.vlan_tci, sizeof looked.vlan_tci);

    const std::size_t ip = shape.ip_at;
    if (shape.is_ipv6) {
        put(ip, looked.flow_label, sizeof looked.flow_label);
        bits[ip] = static_cast<std::uint8_t>(0xf0U | looked.tos >> 4);  // with the version
        bits[ip + 1] = static_cast<std::uint8_t>(bits[ip + 1] | looked.tos << 4);
        bits[ip + next_header_at] = 0xff;
        bits[ip + 7] = looked.ttl;
        put(ip + 8, looked.src_ip, 16);
        put(ip + 24, looked.dst_ip, 16);
    } else {
        bits[ip] = 0xff;  // version and length
        bits[ip + 1] = looked.tos;
        bits[ip + fragment_at] = 0x3f;  // may_fragment does not matter
        bits[ip + fragment_at + 1] = 0xff;
        bits[ip + 8] = looked.ttl;
        bits[ip + protocol_at] = 0xff;
        put(ip + 12, looked.src_ip, 4);
        put(ip + 16, looked.dst_ip, 4);
    }
    const std::size_t ports = ip + (shape.is_ipv6 ? ipv6_bytes : ipv4_bytes);
    put(ports, looked.src_port, sizeof looked.src_port);
    put(ports + sizeof looked.src_port, looked.dst_port, sizeof looked.dst_port);
    Words words;
    std::memcpy(&words, bits.data(), sizeof words);
    return words;
}

void KnownFrames::look_at(const FrameKey& bits) noexcept {
    plain_bits_ = bits_of<Plain::Words>(shapes[plain], bits);
    ethernet_bits_ = ethernet_of(reinterpret_cast<const std::uint8_t*>(plain_bits_.data()));
    for (std::size_t i = 1; i != shapes.size(); ++i) other_bits_[i] = bits_of<Other::Words>(shapes[i], bits);
    forget();
}

void KnownFrames::remember(std::span<const std::uint8_t> frame, const Target& target, ReceiveQueue* queue) noexcept {
    const std::size_t shape = shape_of(frame.data(), frame.size());
    if (shape == none) return;
    if (shape == non_ip) {
        last_non_ip_ = {ethernet_of(frame.data()), {target.queue_pair, queue, target.tag, plain_bytes}};
        return;
    }
    const std::uint32_t least = least_bytes(frame.data(), shapes[shape]);
    if (least == 0 || frame.size() < least || !has_packet(frame.data(), shapes[shape], least)) return;
    const Known known{target.queue_pair, queue, target.tag, least};
    if (shape == plain)
        plain_.put(Plain::look(frame.data(), plain_bits_), known);
    else
        other_.put(Other::look(frame.data(), other_bits_[shape]), known);
}

KnownFrames::Found KnownFrames::find(const std::uint8_t* frame, std::size_t frame_bytes,
                                     std::size_t bytes) const noexcept {
    const std::size_t shape = shape_of(frame, bytes);
    if (shape == plain) [[likely]] {
        const Plain::Entry* const entry = plain_.find(Plain::look(frame, plain_bits_), frame_bytes);
        if (!entry || !has_packet(frame, shapes[plain], entry->value.least_bytes)) return {};
        return {&entry->value, entry};
    }
    if (shape == non_ip) {
        const auto [one, other] = ethernet_of(frame);
        const std::uint64_t differs = ((one ^ last_non_ip_.seen[0]) & ethernet_bits_[0]) |
                                      ((other ^ last_non_ip_.seen[1]) & ethernet_bits_[1]);
        return {differs == 0 && frame_bytes >= last_non_ip_.known.least_bytes ? &last_non_ip_.known : nullptr};
    }
    if (shape == none) return {};
    const Other::Words& bits = other_bits_[shape];
    const Other::Entry* entry = last_other_;
    if (frame_bytes < entry->value.least_bytes || !Other::is_like(frame, bits, entry->seen)) {
        entry = other_.find(Other::look(frame, bits), frame_bytes);
        if (!entry) return {};
        last_other_ = entry;
    }
    return {has_packet(frame, shapes[shape], entry->value.least_bytes) ? &entry->value : nullptr};
}

void KnownFrames::make_room(std::size_t flows) {
    const std::size_t wanted = std::clamp<std::size_t>(std::bit_ceil(4 * flows), 64, 65536);
    if (wanted > plain_.size()) plain_.resize(wanted);
    if (wanted > other_.size()) {
        other_.resize(wanted);
        last_other_ = &Other::nobody;
    }
}

void KnownFrames::forget() noexcept {
    plain_.forget();
    other_.forget();
    last_non_ip_ = {};
}

}  // namespace pktverbs::soft
