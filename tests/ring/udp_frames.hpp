// SPDX-License-Identifier: Apache-2.0
// udp_frames: datagrams after headers of every kind that may precede a UDP payload, and some that may not.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pktverbs::testing {

using UdpFrame = std::vector<std::uint8_t>;

struct UdpShape {
    std::string name{};
    std::vector<std::uint16_t> tags{};  ///< EtherTypes of VLAN tags, the outermost first
    std::uint32_t ip_option_bytes = 0;  ///< IPv4: 0 to 40, a multiple of 4
    bool ipv6 = false;
    std::uint32_t extension_headers = 0;  ///< IPv6: destination options, 8 bytes each
    std::uint16_t fragment = 0;           ///< IPv4's flags and offset; for IPv6, not 0: a fragment header
    std::uint8_t protocol = 17;
    std::uint32_t padding = 0;  ///< after the datagram
};

/// Frames with a payload to find.
inline std::vector<UdpShape> udp_shapes() {
    return {{.name = "plain"},
            {.name = "padded", .padding = 18},
            {.name = "tagged", .tags = {0x8100}},
            {.name = "qinq", .tags = {0x88a8, 0x8100}},
            {.name = "three_tags", .tags = {0x88a8, 0x8100, 0x8100}},
            {.name = "options", .ip_option_bytes = 4},
            {.name = "many_options", .ip_option_bytes = 40},
            {.name = "tagged_options", .tags = {0x8100}, .ip_option_bytes = 8},
            {.name = "ipv6", .ipv6 = true},
            {.name = "ipv6_extensions", .tags = {0x8100}, .ipv6 = true, .extension_headers = 3},
            {.name = "ipv6_long_extensions", .ipv6 = true, .extension_headers = 15}};
}
/// Frames without one: fragments of datagrams, also the first and the last, and another protocol.
inline std::vector<UdpShape> shapes_without_udp() {
    return {{.name = "first_fragment", .fragment = 0x2000},
            {.name = "later_fragment", .fragment = 0x2010},
            {.name = "last_fragment", .fragment = 0x0010},
            {.name = "tagged_fragment", .tags = {0x8100}, .fragment = 0x2000},
            {.name = "ipv6_fragment", .ipv6 = true, .fragment = 1},
            {.name = "tcp", .protocol = 6},
            {.name = "ipv6_tcp", .ipv6 = true, .protocol = 6},
            {.name = "too_many_headers", .ipv6 = true, .extension_headers = 64}};
}

inline UdpFrame udp_frame(const UdpShape& shape, const std::vector<std::uint8_t>& payload) {
    UdpFrame frame{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1};
    const auto put16 = [&](std::size_t value) {
        frame.push_back(static_cast<std::uint8_t>(value >> 8));
        frame.push_back(static_cast<std::uint8_t>(value));
    };
    const auto put = [&](std::initializer_list<std::uint8_t> bytes) { frame.insert(frame.end(), bytes); };
    for (const std::uint16_t tag : shape.tags) {
        put16(tag);
        put16(100);
    }
    const std::size_t udp_bytes = 8 + payload.size();
    if (shape.ipv6) {
        const bool fragmented = shape.fragment != 0;
        put16(0x86dd);
        put({0x60, 0, 0, 0});
        put16(udp_bytes + 8 * shape.extension_headers + (fragmented ? 8 : 0));
        constexpr std::uint8_t options = 60, fragment = 44;
        const std::uint8_t last = fragmented ? fragment : shape.protocol;
        put({shape.extension_headers != 0 ? options : last, 64});
        frame.insert(frame.end(), 32, 0x20);
        for (std::uint32_t left = shape.extension_headers; left > 0; --left)
            put({left > 1 ? options : last, 0, 1, 4, 0, 0, 0, 0});
        if (fragmented) put({shape.protocol, 0, 0, 1, 0, 0, 0, 9});
    } else {
        const std::size_t header_bytes = 20 + shape.ip_option_bytes;
        put16(0x0800);
        put({static_cast<std::uint8_t>(0x40 | header_bytes / 4), 0});
        put16(header_bytes + udp_bytes);
        put({0, 0});
        put16(shape.fragment);
        put({64, shape.protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2});
        frame.insert(frame.end(), shape.ip_option_bytes, 1);  // no operation
    }
    put16(7148);
    put16(7148);
    put16(udp_bytes);
    put16(0);
    frame.insert(frame.end(), payload.begin(), payload.end());
    frame.insert(frame.end(), shape.padding, 0xaa);
    return frame;
}

}  // namespace pktverbs::testing
