// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include <arpa/inet.h>

#include "check.h"

struct udp_key unicast_key(const uint8_t src_mac[6], const uint8_t dst_mac[6], uint16_t dst_port) {
    struct udp_key key = {
        .src_ip = htonl(0x0a090001), .dst_ip = htonl(0x0a090002), .src_port = 7000, .dst_port = dst_port};
    memcpy(key.src_mac, src_mac, 6);
    memcpy(key.dst_mac, dst_mac, 6);
    return key;
}

struct udp_key group_key(const uint8_t src_mac[6], uint16_t dst_port) {
    static const uint8_t group_mac[6] = {0x01, 0x00, 0x5e, 0x09, 0x00, 0x01};
    struct udp_key key = unicast_key(src_mac, group_mac, dst_port);
    key.dst_ip = htonl(0xef090001);
    return key;
}

static void put16(uint8_t* at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static size_t build_headers(uint8_t* frame, const struct udp_key* key, size_t payload_bytes) {
    memset(frame, 0, frame_header_bytes);
    memcpy(frame, key->dst_mac, 6);
    memcpy(frame + 6, key->src_mac, 6);
    put16(frame + 12, 0x0800);

    uint8_t* const ip = frame + 14;
    ip[0] = 0x45;
    put16(ip + 2, 28 + payload_bytes);
    put16(ip + 6, 0x4000);  // don't fragment
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, &key->src_ip, 4);
    memcpy(ip + 16, &key->dst_ip, 4);
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2) sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum & 0xffff);

    put16(frame + 34, key->src_port);
    put16(frame + 36, key->dst_port);
    put16(frame + 38, 8 + payload_bytes);  // and no checksum, as IPv4 allows
    return frame_header_bytes;
}

static void build_payload(uint8_t* payload, uint32_t number, size_t payload_bytes) {
    put16(payload, number >> 16);
    put16(payload + 2, number);
    for (size_t i = 4; i < payload_bytes; ++i) payload[i] = (uint8_t)(number + i);
}

size_t build_frame(uint8_t* frame, const struct udp_key* key, uint32_t number, size_t payload_bytes) {
    const size_t headers = build_headers(frame, key, payload_bytes);
    build_payload(frame + headers, number, payload_bytes);
    return headers + payload_bytes;
}

void check_headers(const uint8_t* headers, const struct udp_key* key, size_t payload_bytes) {
    uint8_t expected[frame_header_bytes];
    build_headers(expected, key, payload_bytes);
    CHECK(memcmp(headers, expected, sizeof expected) == 0);
}

void check_payload(const uint8_t* payload, uint32_t number, size_t payload_bytes) {
    uint8_t expected[frame_max_bytes];
    build_payload(expected, number, payload_bytes);
    if (memcmp(payload, expected, payload_bytes) == 0) return;
    fprintf(stderr, "payload of %zu bytes: number %u instead of %u, or other bytes\n", payload_bytes,
            (unsigned)(payload[0] << 24 | payload[1] << 16 | payload[2] << 8 | payload[3]), number);
    exit(1);
}

void check_frame(const uint8_t* frame, size_t frame_bytes, const struct udp_key* key, uint32_t number,
                 size_t payload_bytes) {
    CHECK_EQUAL(frame_bytes, frame_header_bytes + payload_bytes);
    check_headers(frame, key, payload_bytes);
    check_payload(frame + frame_header_bytes, number, payload_bytes);
}
