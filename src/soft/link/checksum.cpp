// SPDX-License-Identifier: Apache-2.0
#include "soft/link/checksum.hpp"

#include <algorithm>
#include <array>

#include "base/crc32.hpp"
#include "net/internet_checksum.hpp"

namespace pktverbs::soft {

namespace {

constexpr std::uint8_t protocol_gre = 47;
constexpr std::uint8_t protocol_sctp = 132;
constexpr std::size_t udp_field = 6;
constexpr std::size_t gre_field = 4;
constexpr std::uint8_t gre_has_checksum = 0x80;  // of the first byte (RFC 2784)
constexpr std::size_t sctp_field = 8;

/// The field's own value brings the pseudo-header into the sum. Never 0, which would be none to UDP and is the other
/// zero to all others: as the kernel does (skb_checksum_help() in net/core/dev.c).
void write_sum(std::span<std::uint8_t> segment, std::size_t field) noexcept {
    if (segment.size() < field + 2) return;
    InternetSum sum;
    sum.add(ByteSpan{segment});
    net::store(segment.data() + field, net::udp_checksum(sum.checksum()));
}

/// SCTP is left to NICs in the same way, and nothing in the offsets tells that its checksum is none of sums
/// (csum_not_inet: skb_crc32c_csum_help() in net/core/dev.c).
void write_crc(std::span<std::uint8_t> segment) noexcept {
    if (segment.size() < sctp_field + 4) return;
    const auto field = segment.subspan(sctp_field, 4);
    std::ranges::fill(field, std::uint8_t{0});
    std::ranges::copy(crc32<crc32c_polynomial>(segment), field.begin());
}

}  // namespace

bool finish_checksum(std::span<std::uint8_t> frame, const UnfinishedChecksum& left) noexcept {
    const FrameHeaders outer = find_headers(frame, frame.size());
    const std::size_t end = outer.protocol != 0 ? outer.offset + outer.length : frame.size();
    if (left.start > end || left.offset + 2 > end - left.start) return false;
    const auto segment = frame.subspan(left.start, end - left.start);
    const bool is_outer = left.start == outer.offset;
    if (is_outer && outer.protocol == protocol_sctp) {
        write_crc(segment);
        return false;
    }
    write_sum(segment, left.offset);

    const bool in_tunnel = outer.protocol != 0 && left.start > outer.offset;
    const auto around = in_tunnel ? frame.subspan(outer.offset, end - outer.offset) : std::span<std::uint8_t>{};
    const bool in_udp = in_tunnel && outer.is_udp() && net::load<std::uint16_t>(&around[udp_field]) != 0;
    if (in_tunnel && left.segmented) {
        // The pseudo-header's sum stands in UDP's field, nothing in GRE's (udp_set_csum(), gre_build_header()).
        if (in_udp) write_sum(around, udp_field);
        if (outer.protocol == protocol_gre && (around[0] & gre_has_checksum) != 0) write_sum(around, gre_field);
    }
    return in_udp || (is_outer && (outer.is_tcp() || outer.is_udp()));
}

}  // namespace pktverbs::soft
