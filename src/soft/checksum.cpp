// SPDX-License-Identifier: Apache-2.0
#include "soft/checksum.hpp"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <cstddef>
#include <cstring>

namespace pktverbs::soft {
namespace {

constexpr std::uint16_t ethertype_8021ad = 0x88a8;

std::uint16_t read_be16(const std::uint8_t* at) noexcept { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

/// The sum of 16-bit words in the order they have in memory (RFC 1071: byte order doesn't matter), not folded.
/// Takes four bytes at a time: no carry is lost below 2^32 of them.
std::uint64_t sum_words(const std::uint8_t* data, std::size_t length) noexcept {
    std::uint64_t sum = 0;
    for (; length >= 4; data += 4, length -= 4) {
        std::uint32_t word;
        std::memcpy(&word, data, sizeof word);
        sum += word;
    }
    std::uint32_t rest = 0;
    std::memcpy(&rest, data, length);
    return sum + rest;
}

std::uint16_t fold(std::uint64_t sum) noexcept {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

/// Where TCP or UDP stands in a frame.
struct Transport {
    std::uint8_t protocol = 0;
    std::size_t offset = 0;
    std::size_t length = 0;           // header and payload
    std::uint64_t addresses_sum = 0;  // of both
    bool routed = false;              // the pseudo-header's destination is not the one in the IPv6 header
};

bool find_in_ipv4(std::span<const std::uint8_t> frame, std::size_t at, Transport& found) noexcept {
    const std::size_t there = frame.size() - at;
    if (there < 20) return false;
    const std::uint8_t* header = &frame[at];
    const std::size_t header_bytes = (header[0] & 0xfu) * 4u;
    // 0 is what the kernel writes for more than 64 KiB (Documentation/networking: BIG TCP).
    const std::size_t total = read_be16(header + 2) != 0 ? read_be16(header + 2) : there;
    if (header[0] >> 4 != 4 || header_bytes < 20 || total < header_bytes || total > there) return false;
    if ((read_be16(header + 6) & 0x3fff) != 0) return false;  // a fragment
    found = {header[9], at + header_bytes, total - header_bytes, sum_words(header + 12, 8), false};
    return true;
}

bool find_in_ipv6(std::span<const std::uint8_t> frame, std::size_t at, Transport& found) noexcept {
    if (frame.size() - at < 40) return false;
    const std::uint8_t* header = &frame[at];
    const std::size_t there = frame.size() - at - 40;
    const std::size_t payload = read_be16(header + 4) != 0 ? read_be16(header + 4) : there;
    if (header[0] >> 4 != 6 || payload > there) return false;
    const std::size_t end = at + 40 + payload;
    found = {header[6], at + 40, 0, sum_words(header + 8, 32), false};
    for (;;) {
        const std::size_t left = end - found.offset;
        const std::uint8_t* extension = frame.data() + found.offset;
        std::size_t extension_bytes;
        switch (found.protocol) {
            case IPPROTO_HOPOPTS:
            case IPPROTO_DSTOPTS:
            case IPPROTO_ROUTING:
                if (left < 8) return false;
                extension_bytes = (extension[1] + 1u) * 8u;
                if (found.protocol == IPPROTO_ROUTING && extension[3] != 0) found.routed = true;
                break;
            case IPPROTO_AH:
                if (left < 8) return false;
                extension_bytes = (extension[1] + 2u) * 4u;
                break;
            case IPPROTO_FRAGMENT:
                if (left < 8 || (read_be16(extension + 2) & 0xfff9) != 0) return false;
                extension_bytes = 8;
                break;
            default:
                found.length = left;
                return true;
        }
        if (extension_bytes > left) return false;
        found.protocol = extension[0];
        found.offset += extension_bytes;
    }
}

bool find_transport(std::span<const std::uint8_t> frame, Transport& found) noexcept {
    std::size_t at = 14;
    if (frame.size() < at) return false;
    std::uint16_t ether_type = read_be16(&frame[12]);
    while (ether_type == ETHERTYPE_VLAN || ether_type == ethertype_8021ad) {
        if (frame.size() < at + 4) return false;
        ether_type = read_be16(&frame[at + 2]);
        at += 4;
    }
    if (ether_type == ETHERTYPE_IP) return find_in_ipv4(frame, at, found);
    if (ether_type == ETHERTYPE_IPV6) return find_in_ipv6(frame, at, found);
    return false;
}

}  // namespace

bool complete_checksum(std::span<std::uint8_t> frame) noexcept {
    Transport transport;
    if (!find_transport(frame, transport)) return false;
    std::size_t field_offset;
    if (transport.protocol == IPPROTO_TCP && transport.length >= 20)
        field_offset = 16;
    else if (transport.protocol == IPPROTO_UDP && transport.length >= 8)
        field_offset = 6;
    else
        return false;

    std::uint8_t* const start = frame.data() + transport.offset;
    std::uint16_t field;
    std::memcpy(&field, start + field_offset, sizeof field);
    // A tunnel's outer header may have no checksum, or a whole one, while the inner one is to be completed.
    const std::uint64_t pseudo_header =
        transport.addresses_sum + htonl(static_cast<std::uint32_t>(transport.length)) + htons(transport.protocol);
    if (!transport.routed && field != fold(pseudo_header)) return false;

    // The field's own value brings the pseudo-header into the sum.
    field = static_cast<std::uint16_t>(~fold(sum_words(start, transport.length)));
    if (field == 0 && transport.protocol == IPPROTO_UDP) field = 0xffff;  // 0 says: no checksum (RFC 768)
    std::memcpy(start + field_offset, &field, sizeof field);
    return true;
}

}  // namespace pktverbs::soft
