// SPDX-License-Identifier: Apache-2.0
#include "soft/steering/known_frames.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include <pktverbs/net/ipv4.hpp>

namespace pktverbs::soft {

namespace {

// Where a frame of the shape has its fields.
constexpr std::size_t src_mac_at = 6;
constexpr std::size_t ether_type_at = 12;
constexpr std::size_t version_at = 14;  // and the header's length
constexpr std::size_t tos_at = 15;
constexpr std::size_t fragment_at = 20;
constexpr std::size_t ttl_at = 22;
constexpr std::size_t protocol_at = 23;
constexpr std::size_t src_ip_at = 26;
constexpr std::size_t dst_ip_at = 30;
constexpr std::size_t ports_at = 34;

/// Of a frame with all Ethernet, IPv4 and UDP headers.
bool has_shape(std::span<const std::uint8_t> frame) noexcept {
    return frame[ether_type_at] == 0x08 && frame[ether_type_at + 1] == 0x00 && frame[version_at] == 0x45 &&
           (frame[fragment_at] & 0x3f) == 0 && frame[fragment_at + 1] == 0 &&
           (frame[protocol_at] == net::ip_protocol::udp || frame[protocol_at] == net::ip_protocol::tcp);
}

}  // namespace

void KnownFrames::look_at(const FrameKey& bits) noexcept {
    std::array<std::uint8_t, sizeof(Words)> looked{};
    const auto put = [&](std::size_t at, const void* from, std::size_t bytes) {
        std::memcpy(&looked[at], from, bytes);
    };
    // Other fields of a key are empty in every frame of the shape, or given by it.
    put(0, bits.dst_mac, sizeof bits.dst_mac);
    put(src_mac_at, bits.src_mac, sizeof bits.src_mac);
    put(src_ip_at, bits.src_ip, 4);
    put(dst_ip_at, bits.dst_ip, 4);
    put(ports_at, &bits.src_port, sizeof bits.src_port);
    put(ports_at + sizeof bits.src_port, &bits.dst_port, sizeof bits.dst_port);
    looked[tos_at] = bits.tos;
    looked[ttl_at] = bits.ttl;

    looked[0] |= 1;  // multicast, for the defaults
    for (const std::size_t at : {ether_type_at, ether_type_at + 1, version_at, fragment_at + 1, protocol_at})
        looked[at] = 0xff;
    looked[fragment_at] = 0x3f;  // may_fragment does not matter
    std::memcpy(&bits_, looked.data(), looked.size());
    forget();
}

void KnownFrames::remember(std::span<const std::uint8_t> frame, const Target& target, ReceiveQueue* queue) noexcept {
    if (frame.size() < least_bytes || !has_shape(frame)) return;
    const bool is_udp = frame[protocol_at] == net::ip_protocol::udp;
    const std::uint32_t least = ethernet_bytes + ipv4_bytes + (is_udp ? udp_bytes : tcp_bytes);
    if (!has_bytes(frame, least)) return;
    const Words seen = look(frame);
    Entry* const first = &entries_[index_of(seen)];
    if (first->seen != seen) std::copy_backward(first, first + ways - 1, first + ways);
    *first = {seen, {target.queue_pair, queue, target.tag, least}};
}

const KnownFrames::Entry* KnownFrames::find(std::span<const std::uint8_t> frame) const noexcept {
    if (frame.size() < least_bytes || net::load<std::uint16_t>(frame.data() + ether_type_at) != net::ether_type::ipv4)
        return nullptr;  // IPv6 and tagged frames need not wait for a comparison
    const Words seen = look(frame);
    const Entry* entry = &entries_[index_of(seen)];
    if (entry->seen != seen && (++entry)->seen != seen) return nullptr;
    return has_bytes(frame, entry->known.least_bytes) ? entry : nullptr;
}

void KnownFrames::make_room(std::size_t flows) {
    const std::size_t wanted = std::clamp<std::size_t>(std::bit_ceil(4 * flows), 64, 65536);
    if (wanted <= entries_.size()) return;
    std::vector<Entry>(wanted).swap(entries_);
    shift_ = 64U - static_cast<unsigned>(std::bit_width(wanted / ways - 1));
    forget();
}

void KnownFrames::forget() noexcept { std::ranges::fill(entries_, nobody_); }

}  // namespace pktverbs::soft
