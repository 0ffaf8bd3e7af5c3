// SPDX-License-Identifier: Apache-2.0
// UDP/IPv4 frames with a number and a pattern, so that every byte that arrives can be checked.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { frame_header_bytes = 42, frame_max_bytes = 1514 };

/// Addresses in network order, ports in host order.
struct udp_key {
    uint8_t src_mac[6];
    uint8_t dst_mac[6];
    uint32_t src_ip;
    uint32_t dst_ip;
    uint16_t src_port;
    uint16_t dst_port;
};

/// From 10.9.0.1 port 7000 to 10.9.0.2 at this port.
struct udp_key unicast_key(const uint8_t src_mac[6], const uint8_t dst_mac[6], uint16_t dst_port);
/// The same to the group 239.9.0.1, whose MAC address follows from it (RFC 1112, section 6.4).
struct udp_key group_key(const uint8_t src_mac[6], uint16_t dst_port);

/// Writes the headers and `payload_bytes` (at least 4) of payload. Returns the frame's length.
size_t build_frame(uint8_t* frame, const struct udp_key* key, uint32_t number, size_t payload_bytes);
/// Ends the program unless these are the headers or the payload that `build_frame` makes.
void check_headers(const uint8_t* headers, const struct udp_key* key, size_t payload_bytes);
void check_payload(const uint8_t* payload, uint32_t number, size_t payload_bytes);
void check_frame(const uint8_t* frame, size_t frame_bytes, const struct udp_key* key, uint32_t number,
                 size_t payload_bytes);
