// SPDX-License-Identifier: Apache-2.0
// Segment: the headers of the frames into which one large send is split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/frame_headers.hpp"

namespace pktverbs {

struct Segment {
    std::uint32_t index = 0;
    std::uint32_t mss = 0;    ///< payload bytes of every segment but the last
    std::uint32_t bytes = 0;  ///< payload bytes of this segment
    bool last = false;

    /// Whether IP's length fields can hold the length of a packet with this much payload after these headers.
    static bool fits(std::size_t header_bytes, std::size_t ip_offset, std::size_t payload_bytes) noexcept {
        return header_bytes - ip_offset + payload_bytes <= 65535;
    }
    /// The number of segments of a payload; at least 1.
    static std::uint32_t count(std::uint32_t payload_bytes, std::uint32_t mss) noexcept {
        return payload_bytes == 0 ? 1 : (payload_bytes - 1) / mss + 1;
    }
    static Segment at(std::uint32_t index, std::uint32_t payload_bytes, std::uint32_t mss) noexcept {
        const bool last = index + 1 >= count(payload_bytes, mss);
        return {index, mss, last ? payload_bytes - index * mss : mss, last};
    }
};

/// The headers of a frame without payload, for making segments: Ethernet, IPv4 or IPv6 without a routing header that
/// has segments left, and TCP or UDP, which must end where `header` ends. Otherwise the result's protocol is 0. The
/// length fields may have any value.
FrameHeaders find_segment_headers(std::span<const std::uint8_t> header) noexcept;

/// Turns a copy of such a header into one segment's, except for the checksums: sets lengths; increases IPv4's
/// identification and TCP's sequence number; leaves TCP's FIN and PSH to the last segment, CWR to the first (RFC 3168,
/// 6.1.2; the kernel's tcp_gso_segment()).
void write_segment_header(std::span<std::uint8_t> header, const FrameHeaders& headers, const Segment& segment) noexcept;

}  // namespace pktverbs
