// SPDX-License-Identifier: Apache-2.0
// Toeplitz: the hash of receive-side scaling, checked by the published vectors: Microsoft, "Verifying the RSS Hash
// Calculation" (learn.microsoft.com/windows-hardware/drivers/network/verifying-the-rss-hash-calculation).
#include <gtest/gtest.h>

#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "soft/steering/receive_hash.hpp"
#include "soft/steering/toeplitz.hpp"

namespace pktverbs::soft {
namespace {

std::array<std::uint8_t, 40> key{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                                 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                                 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

struct Vector {
    int family;
    const char* destination;
    std::uint16_t destination_port;
    const char* source;
    std::uint16_t source_port;
    std::uint32_t addresses_only;
    std::uint32_t with_ports;
};

constexpr Vector vectors[] = {
    {AF_INET, "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178},
    {AF_INET, "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea},
    {AF_INET, "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a},
    {AF_INET, "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f},
    {AF_INET, "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2},
    {AF_INET6, "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d},
    {AF_INET6, "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf},
    {AF_INET6, "fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985, 0x02d1feef},
};

FrameKey frame_key(const Vector& vector, std::uint8_t protocol = 6) {
    FrameKey made{};
    inet_pton(vector.family, vector.source, made.src_ip);
    inet_pton(vector.family, vector.destination, made.dst_ip);
    made.src_port = htons(vector.source_port);
    made.dst_port = htons(vector.destination_port);
    made.protocol = protocol;
    made.flags = static_cast<std::uint8_t>((vector.family == AF_INET ? FrameKey::is_ipv4 : FrameKey::is_ipv6) |
                                           FrameKey::has_ports);
    return made;
}

ibv_rx_hash_conf conf(std::uint64_t fields) {
    return {IBV_RX_HASH_FUNC_TOEPLITZ, static_cast<std::uint8_t>(key.size()), key.data(), fields};
}

std::uint64_t addresses(const Vector& vector) {
    return vector.family == AF_INET ? IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4
                                    : IBV_RX_HASH_SRC_IPV6 | IBV_RX_HASH_DST_IPV6;
}

constexpr std::uint64_t tcp_ports = IBV_RX_HASH_SRC_PORT_TCP | IBV_RX_HASH_DST_PORT_TCP;
constexpr std::uint64_t udp_ports = IBV_RX_HASH_SRC_PORT_UDP | IBV_RX_HASH_DST_PORT_UDP;

TEST(Toeplitz, HashesAsPublished) {
    const Toeplitz toeplitz{key};
    for (const Vector& vector : vectors) {
        const FrameKey from = frame_key(vector);
        const std::size_t bytes = vector.family == AF_INET ? 4 : 16;
        std::vector<std::uint8_t> input(from.src_ip, from.src_ip + bytes);
        input.insert(input.end(), from.dst_ip, from.dst_ip + bytes);
        EXPECT_EQ(toeplitz.hash(input), vector.addresses_only) << vector.source;
        for (const std::uint16_t port : {vector.source_port, vector.destination_port}) {
            input.push_back(static_cast<std::uint8_t>(port >> 8));
            input.push_back(static_cast<std::uint8_t>(port));
        }
        EXPECT_EQ(toeplitz.hash(input), vector.with_ports) << vector.source;
    }
}

TEST(Toeplitz, UsesTheKeyToItsLastBit) {
    std::vector<std::uint8_t> input(Toeplitz::max_input);
    input.back() = 1;
    // The last bit's window begins one bit before the last 31.
    EXPECT_EQ(Toeplitz{key}.hash(input), 0xbeac01fa >> 1 | (key[35] & 1U) << 31);
}

TEST(Toeplitz, GivesZeroOfNothing) { EXPECT_EQ(Toeplitz{key}.hash({}), 0U); }

TEST(ReceiveHash, HashesAsPublished) {
    for (const Vector& vector : vectors) {
        EXPECT_EQ(ReceiveHash{conf(addresses(vector))}.of(frame_key(vector)), vector.addresses_only);
        EXPECT_EQ(ReceiveHash{conf(addresses(vector) | tcp_ports)}.of(frame_key(vector, 6)), vector.with_ports);
        EXPECT_EQ(ReceiveHash{conf(addresses(vector) | udp_ports)}.of(frame_key(vector, 17)), vector.with_ports);
    }
}

TEST(ReceiveHash, IsZeroWithoutTheFields) {
    const Vector& ipv4 = vectors[0];
    const Vector& ipv6 = vectors[5];
    EXPECT_EQ(ReceiveHash{conf(addresses(ipv4))}.of(frame_key(ipv6)), 0U);
    EXPECT_EQ(ReceiveHash{conf(addresses(ipv6))}.of(frame_key(ipv4)), 0U);
    EXPECT_EQ(ReceiveHash{conf(addresses(ipv4) | tcp_ports)}.of(frame_key(ipv4, 17)), 0U);
    EXPECT_EQ(ReceiveHash{conf(addresses(ipv4) | udp_ports)}.of(frame_key(ipv4, 6)), 0U);
    EXPECT_EQ(ReceiveHash{conf(0)}.of(frame_key(ipv4)), 0U);
}

TEST(ReceiveHash, SeesNoPortsInAFragment) {
    const Vector& vector = vectors[0];
    FrameKey fragment = frame_key(vector, 17);
    fragment.flags = FrameKey::is_ipv4 | FrameKey::is_fragment;
    fragment.src_port = fragment.dst_port = 0;
    EXPECT_EQ(ReceiveHash{conf(addresses(vector) | udp_ports)}.of(fragment), 0U);
    EXPECT_EQ(ReceiveHash{conf(addresses(vector))}.of(fragment), vector.addresses_only);
}

TEST(ReceiveHash, TakesSingleFieldsInOrder) {
    const Vector& vector = vectors[0];
    const FrameKey from = frame_key(vector, 17);
    const Toeplitz toeplitz{key};
    const auto of = [&](std::uint64_t fields) { return ReceiveHash{conf(fields)}.of(from); };
    const auto bytes = [&](const void* at, std::size_t count) {
        return toeplitz.hash({static_cast<const std::uint8_t*>(at), count});
    };
    EXPECT_EQ(of(IBV_RX_HASH_SRC_IPV4), bytes(from.src_ip, 4));
    EXPECT_EQ(of(IBV_RX_HASH_DST_IPV4), bytes(from.dst_ip, 4));
    EXPECT_EQ(of(IBV_RX_HASH_SRC_PORT_UDP), bytes(&from.src_port, 2));
    EXPECT_EQ(of(IBV_RX_HASH_DST_PORT_UDP), bytes(&from.dst_port, 2));
    EXPECT_EQ(of(udp_ports), bytes(&from.src_port, 4));
}

TEST(ReceiveHash, RefusesWhatMlx5Refuses) {
    constexpr std::uint64_t ipv4 = IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_IPV4;
    const auto check = [](ibv_rx_hash_conf asked, std::uint32_t size = 4) { return ReceiveHash::check(asked, size); };
    EXPECT_EQ(check(conf(ipv4)), 0);
    EXPECT_EQ(check(conf(IBV_RX_HASH_SRC_IPV4 | IBV_RX_HASH_DST_PORT_TCP)), 0);
    EXPECT_EQ(check(conf(udp_ports)), 0);
    EXPECT_EQ(check(conf(ipv4 | IBV_RX_HASH_DST_IPV6)), EINVAL);
    EXPECT_EQ(check(conf(tcp_ports | IBV_RX_HASH_SRC_PORT_UDP)), EINVAL);
    EXPECT_EQ(check(conf(0)), EINVAL);
    EXPECT_EQ(check(conf(0), 1), 0);
    EXPECT_EQ(check(conf(ipv4 | IBV_RX_HASH_INNER)), EOPNOTSUPP);
    EXPECT_EQ(check(conf(ipv4 | IBV_RX_HASH_IPSEC_SPI)), EOPNOTSUPP);
    auto wrong = conf(ipv4);
    wrong.rx_hash_function = 2;
    EXPECT_EQ(check(wrong), EOPNOTSUPP);
    wrong = conf(ipv4);
    wrong.rx_hash_key_len = 39;
    EXPECT_EQ(check(wrong), EINVAL);
    wrong = conf(ipv4);
    wrong.rx_hash_key = nullptr;
    EXPECT_EQ(check(wrong), EINVAL);
}

}  // namespace
}  // namespace pktverbs::soft
