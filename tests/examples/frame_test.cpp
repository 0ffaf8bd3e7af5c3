// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "common/frame.hpp"

using namespace example;

namespace {

constexpr MacAddress mac_a{{0x02, 0, 0, 0, 0, 0x0a}};
constexpr MacAddress mac_b{{0x02, 0, 0, 0, 0, 0x0b}};
constexpr Ipv4Address ip_a{{192, 0, 2, 1}};
constexpr Ipv4Address ip_b{{192, 0, 2, 2}};

/// A whole frame with an echo request of `data_bytes`, and `padding` behind it.
std::vector<std::uint8_t> echo_frame(std::size_t data_bytes, std::size_t padding = 0) {
    std::vector<std::uint8_t> frame(Ethernet::size + Ipv4::size + Echo::size + data_bytes + padding, 0xee);
    const Bytes packet = Bytes{frame}.subspan(Ethernet::size);
    const Bytes message = packet.subspan(Ipv4::size, Echo::size + data_bytes);
    write(frame, Ethernet{mac_b, mac_a, ether_type_ipv4});
    write(packet, Ipv4{ip_a, ip_b, protocol_icmp, 64, message});
    std::iota(message.begin() + Echo::size, message.end(), std::uint8_t{1});
    write(message, Echo{Echo::request, 0x1234, 7, {}});
    return frame;
}

}  // namespace

TEST(Numbers, AreBigEndian) {
    std::array<std::uint8_t, 8> bytes{};
    store<std::uint64_t>(bytes, 0, 0x0102030405060708);
    EXPECT_EQ(bytes, (std::array<std::uint8_t, 8>{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(load<std::uint64_t>(bytes, 0), 0x0102030405060708U);
    EXPECT_EQ(load<std::uint16_t>(bytes, 1), 0x0203);
    EXPECT_EQ(load<std::uint32_t>(bytes, 4), 0x05060708U);
}

TEST(Checksum, IsThatOfTheRfc) {
    // RFC 1071, section 3: the sum is ddf2.
    EXPECT_EQ(checksum(std::array<std::uint8_t, 8>{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}), 0xffff - 0xddf2);
}

TEST(Checksum, TakesAnOddLastByteForTheFirstOfAWord) {
    EXPECT_EQ(checksum(std::array<std::uint8_t, 3>{0x01, 0x02, 0x03}), 0xffff - (0x0102 + 0x0300));
}

TEST(Checksum, OfNothingIsAllOnes) { EXPECT_EQ(checksum({}), 0xffff); }

TEST(Checksum, CarriesMoreThanOnce) { EXPECT_EQ(checksum(std::vector<std::uint8_t>(131072, 0xff)), 0); }

TEST(Ipv4Header, HasItsBytesInPlace) {
    std::array<std::uint8_t, 20> bytes{};
    write(bytes, Ipv4{ip_a, Ipv4Address{{239, 2, 1, 150}}, protocol_udp, 1, ConstBytes{bytes}});
    EXPECT_EQ(bytes, (std::array<std::uint8_t, 20>{0x45, 0, 0, 40, 0,   0, 0x40, 0,  1, 17, 0xc7, 0x2b,  //
                                                   192,  0, 2, 1,  239, 2, 1,    150}));
}

TEST(ArpPacket, HasItsBytesInPlace) {
    std::array<std::uint8_t, 28> bytes{};
    write(bytes, Arp{Arp::reply, mac_a, ip_a, mac_b, ip_b});
    EXPECT_EQ(bytes, (std::array<std::uint8_t, 28>{0, 1, 8, 0, 6, 4,    0,   2,        //
                                                   2, 0, 0, 0, 0, 0x0a, 192, 0, 2, 1,  //
                                                   2, 0, 0, 0, 0, 0x0b, 192, 0, 2, 2}));
}

TEST(ArpPacket, ReadsWhatItWrote) {
    std::vector<std::uint8_t> frame(60);
    write(frame, Ethernet{mac_b, mac_a, ether_type_arp});
    write(Bytes{frame}.subspan(Ethernet::size), Arp{Arp::request, mac_a, ip_a, {}, ip_b});
    const auto arp = read_arp(frame);
    ASSERT_TRUE(arp);
    EXPECT_EQ(arp->operation, Arp::request);
    EXPECT_EQ(arp->sender_mac, mac_a);
    EXPECT_EQ(arp->sender_ip, ip_a);
    EXPECT_EQ(arp->target_mac, MacAddress{});
    EXPECT_EQ(arp->target_ip, ip_b);
}

TEST(ArpPacket, IsNotReadFromOtherFrames) {
    std::vector<std::uint8_t> frame(42);
    write(frame, Ethernet{mac_b, mac_a, ether_type_arp});
    write(Bytes{frame}.subspan(Ethernet::size), Arp{Arp::request, mac_a, ip_a, {}, ip_b});
    EXPECT_FALSE(read_arp(ConstBytes{frame}.first(41)));
    frame[Ethernet::size + 1] = 6;  // another hardware type
    EXPECT_FALSE(read_arp(frame));
    EXPECT_FALSE(read_arp(echo_frame(56)));
}

TEST(EchoFrame, ReadsWhatItWrote) {
    for (const std::size_t data_bytes : {0U, 1U, 2U, 55U, 56U, 57U, 1472U, 8972U}) {
        const auto frame = echo_frame(data_bytes);
        const auto ethernet = read_ethernet(frame);
        ASSERT_TRUE(ethernet);
        EXPECT_EQ(ethernet->dst, mac_b);
        EXPECT_EQ(ethernet->src, mac_a);
        const auto ip = read_ipv4(frame);
        ASSERT_TRUE(ip) << data_bytes;
        EXPECT_EQ(ip->src, ip_a);
        EXPECT_EQ(ip->dst, ip_b);
        EXPECT_EQ(ip->ttl, 64);
        const auto echo = read_echo(ip->payload);
        ASSERT_TRUE(echo) << data_bytes;
        EXPECT_EQ(echo->type, Echo::request);
        EXPECT_EQ(echo->identifier, 0x1234);
        EXPECT_EQ(echo->sequence, 7);
        EXPECT_EQ(echo->data.size(), data_bytes);
    }
}

TEST(EchoFrame, IsReadWithoutItsPadding) {
    const auto frame = echo_frame(1, 17);
    EXPECT_EQ(read_echo(read_ipv4(frame)->payload)->data.size(), 1U);
}

TEST(EchoFrame, IsNotReadWhenCutShort) {
    const auto frame = echo_frame(5);
    for (std::size_t bytes = 0; bytes < frame.size(); ++bytes)
        EXPECT_FALSE(read_ipv4(ConstBytes{frame}.first(bytes))) << bytes;
}

TEST(EchoFrame, IsNotReadWithAnyBitFlippedInItsPacket) {
    const auto right = echo_frame(5);
    for (std::size_t bit = 8 * Ethernet::size; bit < 8 * right.size(); ++bit) {
        auto frame = right;
        frame[bit / 8] = static_cast<std::uint8_t>(frame[bit / 8] ^ (1 << bit % 8));
        const auto ip = read_ipv4(frame);
        EXPECT_FALSE(ip && read_echo(ip->payload)) << bit;
    }
}

TEST(Ipv4Packet, IsReadWithOptions) {
    auto frame = echo_frame(8);
    const Bytes packet = Bytes{frame}.subspan(Ethernet::size);
    packet[0] = 0x46;  // the echo header's first four bytes pass for options
    store<std::uint16_t>(packet, 10, 0);
    store(packet, 10, checksum(packet.first(24)));
    ASSERT_TRUE(read_ipv4(frame));
    EXPECT_EQ(read_ipv4(frame)->payload.size(), 12U);
}

TEST(Ipv4Packet, IsNotReadAsAFragment) {
    for (const int flags_and_offset : {0x2000, 0x0001, 0x1fff, 0x2001}) {
        auto frame = echo_frame(8);
        const Bytes packet = Bytes{frame}.subspan(Ethernet::size);
        store(packet, 6, static_cast<std::uint16_t>(flags_and_offset));
        store<std::uint16_t>(packet, 10, 0);
        store(packet, 10, checksum(packet.first(20)));
        EXPECT_FALSE(read_ipv4(frame)) << flags_and_offset;
    }
}

TEST(Ipv4Packet, IsNotReadWithALengthShorterThanItsHeader) {
    auto frame = echo_frame(8);
    const Bytes packet = Bytes{frame}.subspan(Ethernet::size);
    store<std::uint16_t>(packet, 2, 19);
    store<std::uint16_t>(packet, 10, 0);
    store(packet, 10, checksum(packet.first(20)));
    EXPECT_FALSE(read_ipv4(frame));
}

TEST(UdpPayload, IsWhatTheLengthsSay) {
    std::vector<std::uint8_t> frame(42 + 8 + 10, 0);  // 10 bytes of padding
    const Bytes packet = Bytes{frame}.subspan(Ethernet::size, 36);
    write(frame, Ethernet{mac_b, mac_a, ether_type_ipv4});
    write(packet, Ipv4{ip_a, ip_b, protocol_udp, 64, packet.subspan(Ipv4::size)});
    write(packet.subspan(Ipv4::size), Udp{7148, 7148, 8});
    EXPECT_EQ(udp_payload(frame).size(), 8U);
    EXPECT_EQ(udp_payload(frame).data(), frame.data() + 42);
    for (std::size_t bytes = 0; bytes < 50; ++bytes) EXPECT_TRUE(udp_payload(ConstBytes{frame}.first(bytes)).empty());
    frame[Ethernet::size] = 0x4f;  // options up to behind the frame's end
    EXPECT_TRUE(udp_payload(frame).empty());
}
