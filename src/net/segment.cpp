// SPDX-License-Identifier: Apache-2.0
#include "net/segment.hpp"

#include "net/frame_sizes.hpp"

namespace pktverbs {
namespace {

constexpr std::uint8_t tcp_fin = 0x01;
constexpr std::uint8_t tcp_psh = 0x08;
constexpr std::uint8_t tcp_cwr = 0x80;

std::uint32_t read_be(const std::uint8_t* at, std::size_t bytes) noexcept {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | at[i];
    return value;
}

void write_be(std::uint8_t* at, std::size_t bytes, std::size_t value) noexcept {
    for (; bytes > 0; value >>= 8) at[--bytes] = static_cast<std::uint8_t>(value);
}

}  // namespace

FrameHeaders find_segment_headers(std::span<const std::uint8_t> header) noexcept {
    FrameHeaders found = find_headers(header, header.size(), net::Lengths::of_frame);
    const bool ends_there =
        found.is_tcp() ? (header[found.offset + 12] >> 4) * 4u == found.length : found.is_udp() && found.length == 8;
    // With a routing header, the checksum covers another destination than the header's.
    if (!ends_there || found.routed) found.protocol = 0;
    return found;
}

void write_segment_header(std::span<std::uint8_t> header, const FrameHeaders& headers,
                          const Segment& segment) noexcept {
    std::uint8_t* const ip = &header[headers.ip_offset];
    const std::size_t packet_bytes = header.size() - headers.ip_offset + segment.bytes;
    if (headers.ip == FrameHeaders::Ip::v4) {
        write_be(ip + 2, 2, packet_bytes);
        write_be(ip + 4, 2, read_be(ip + 4, 2) + segment.index);
    } else {
        write_be(ip + 4, 2, packet_bytes - ipv6_bytes);
    }
    std::uint8_t* const transport = &header[headers.offset];
    if (headers.protocol == net::ip_protocol::udp) {
        write_be(transport + 4, 2, 8 + std::size_t{segment.bytes});
        return;
    }
    write_be(transport + 4, 4, read_be(transport + 4, 4) + segment.index * segment.mss);
    std::uint8_t& flags = transport[13];
    if (!segment.last) flags = static_cast<std::uint8_t>(flags & ~(tcp_fin | tcp_psh));
    if (segment.index != 0) flags = static_cast<std::uint8_t>(flags & ~tcp_cwr);
}

}  // namespace pktverbs
