// SPDX-License-Identifier: Apache-2.0
#include "net/internet_checksum.hpp"

#include <algorithm>

namespace pktverbs {

void add_pseudo_header(InternetSum& sum, ByteSpan head, const FrameHeaders& headers, std::size_t length) noexcept {
    const bool v4 = headers.ip == FrameHeaders::Ip::v4;
    sum.add(head.subspan(headers.ip_offset + (v4 ? 12 : 8), v4 ? 8 : 32));
    sum.add(static_cast<std::uint32_t>(length)).add(std::uint16_t{headers.protocol});
}

namespace {

constexpr std::size_t ipv4_field = 10;
constexpr std::size_t tcp_field = 16;
constexpr std::size_t udp_field = 6;

ByteSpan ipv4_header(ByteSpan head, const FrameHeaders& headers) noexcept {
    return head.subspan(headers.ip_offset, (head[headers.ip_offset] & 0xfu) * 4u);
}

std::uint16_t ipv4_sum(ByteSpan head, const FrameHeaders& headers) noexcept {
    InternetSum sum;
    sum.add(ipv4_header(head, headers));
    return sum.folded();
}

std::size_t bytes_in(ByteSpan head, std::span<const ByteSpan> rest) noexcept {
    std::size_t bytes = head.size();
    for (const ByteSpan piece : rest) bytes += piece.size();
    return bytes;
}

bool checksummed(const FrameHeaders& headers) noexcept {
    return !headers.routed && (headers.is_tcp() || headers.is_udp());
}

std::size_t field_of(const FrameHeaders& headers) noexcept {
    return headers.offset + (headers.is_tcp() ? tcp_field : udp_field);
}

/// The sum over the transport, which a correct checksum field makes 0xffff.
std::uint16_t transport_sum(ByteSpan head, std::span<const ByteSpan> rest, const FrameHeaders& headers) noexcept {
    std::size_t left = headers.transport;
    InternetSum sum;
    add_pseudo_header(sum, head, headers, left);
    const auto add = [&](ByteSpan bytes) {
        sum.add(bytes.first(std::min(left, bytes.size())));
        left -= std::min(left, bytes.size());
    };
    add(head.subspan(headers.offset));
    for (const ByteSpan piece : rest) add(piece);
    return sum.folded();
}

}  // namespace

bool fill_checksums(std::span<std::uint8_t> head, std::span<const ByteSpan> rest) noexcept {
    const FrameHeaders headers = find_headers(head, bytes_in(head, rest));
    if (headers.ip == FrameHeaders::Ip::v4) {
        std::uint8_t* const field = &head[headers.ip_offset + ipv4_field];
        net::store(field, std::uint16_t{0});
        net::store(field, static_cast<std::uint16_t>(~ipv4_sum(head, headers)));
    }
    if (!checksummed(headers)) return false;
    std::uint8_t* const field = &head[field_of(headers)];
    net::store(field, std::uint16_t{0});
    const auto checksum = static_cast<std::uint16_t>(~transport_sum(head, rest, headers));
    net::store(field, headers.is_udp() ? net::udp_checksum(checksum) : checksum);
    return true;
}

bool checksums_right(ByteSpan head, std::span<const ByteSpan> rest) noexcept {
    const FrameHeaders headers = find_headers(head, bytes_in(head, rest));
    if (!checksummed(headers)) return false;
    if (headers.ip == FrameHeaders::Ip::v4 && ipv4_sum(head, headers) != 0xffff) return false;
    if (headers.is_udp() && net::load<std::uint16_t>(&head[field_of(headers)]) == 0) return false;
    return transport_sum(head, rest, headers) == 0xffff;
}

}  // namespace pktverbs
