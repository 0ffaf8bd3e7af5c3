// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/net/frame_template.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "frames.hpp"

namespace pktverbs::net::test {
namespace {

using Frame = std::vector<std::uint8_t>;

TEST(FrameTemplate, HasItsBytesInPlaceForUdp) {
    const Ipv4 ip{.src = ipv4_a, .dst = Ipv4Address{"239.2.1.150"}, .ttl = 1};
    const FrameTemplate headers{ethernet, ip, Udp{.src_port = 0x1bec, .dst_port = 0x1bed, .checksum = false}};
    Frame frame(44);
    ASSERT_EQ(headers.write(frame, 2), 44U);
    EXPECT_EQ(frame, (Frame{2,    0,    0,    0,    0, 0x0b, 2,   0, 0,    0,   0, 0x0a,  //
                            8,    0,    0x45, 0,    0, 30,   0,   0, 0x40, 0,   1, 17,    //
                            0xc7, 0x35, 192,  0,    2, 1,    239, 2, 1,    150,           //
                            0x1b, 0xec, 0x1b, 0xed, 0, 10,   0,   0, 0,    0}));
}

TEST(FrameTemplate, HasItsBytesInPlaceForArp) {
    const FrameTemplate headers{ethernet, arp};
    EXPECT_EQ(frame_of(headers, 0), (Frame{2, 0, 0, 0, 0, 0x0b, 2,   0, 0, 0, 0, 0x0a, 8, 6,  //
                                           0, 1, 8, 0, 6, 4,    0,   2,                       //
                                           2, 0, 0, 0, 0, 0x0a, 192, 0, 2, 1,                 //
                                           2, 0, 0, 0, 0, 0x0b, 192, 0, 2, 2}));
    Frame buffer(100);
    EXPECT_EQ(headers.write(buffer, 1), 0U);
}

TEST(FrameTemplate, PutsTagsInTheirOrder) {
    EXPECT_EQ(frame_of(FrameTemplate{twice}, 1), (Frame{2,    0,    0,    0,    0,    0x0b, 2, 0, 0, 0, 0, 0x0a,  //
                                                        0x88, 0xa8, 0xef, 0xff, 0x81, 0x00, 0, 7, 0, 0, 1}));
}

TEST(FrameTemplate, IsMadeAtCompileTime) {
    static constexpr FrameTemplate headers{tagged, ipv6, tcp};
    static_assert(headers.header_bytes() == 14 + 4 + 40 + 20);
    static_assert([] {
        std::array<std::uint8_t, 100> buffer{};
        const auto bytes = headers.write(buffer, 10);
        return Headers{Bytes{buffer}.first(bytes)}.transport_checksum() == ChecksumVerdict::right;
    }());
}

void expect_layers_of(const Headers<const std::uint8_t>& found) {
    EXPECT_FALSE(found.is_malformed());
    EXPECT_EQ(found.ethernet().dst(), mac_b);
    EXPECT_EQ(found.ethernet().src(), mac_a);
    if (const auto ip = found.ipv4()) {
        EXPECT_TRUE(ip.checksum_is_right());
        EXPECT_EQ(ip.identification(), 77);
        EXPECT_EQ(ip.ttl(), 3);
        EXPECT_EQ(ip.tos(), 9);
        EXPECT_TRUE(ip.dont_fragment());
        EXPECT_EQ(ip.src(), ipv4_a);
        EXPECT_EQ(ip.dst(), ipv4_b);
    } else {
        ASSERT_TRUE(found.ipv6());
        EXPECT_EQ(found.ipv6().traffic_class(), 0xa5);
        EXPECT_EQ(found.ipv6().flow_label(), 0x12345U);
        EXPECT_EQ(found.ipv6().hop_limit(), 5);
        EXPECT_EQ(found.ipv6().src(), ipv6_a);
        EXPECT_EQ(found.ipv6().dst(), ipv6_b);
    }
    EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::right);
    if (const auto datagram = found.udp()) {
        EXPECT_EQ(datagram.src_port(), 1000);
        EXPECT_EQ(datagram.dst_port(), 7148);
    } else if (const auto segment = found.tcp()) {
        EXPECT_EQ(segment.dst_port(), 80);
        EXPECT_EQ(segment.sequence(), 0x10203U);
        EXPECT_EQ(segment.acknowledgment(), 0x01020304U);
        EXPECT_TRUE(segment.has(Tcp::ack));
        EXPECT_FALSE(segment.has(Tcp::syn));
        EXPECT_EQ(segment.window(), 9);
    } else {
        ASSERT_TRUE(found.icmp() || found.icmpv6());
        EXPECT_TRUE(found.icmp() ? found.icmp().is_echo_request() : found.icmpv6().is_echo_request());
        EXPECT_EQ(found.icmp() ? found.icmp().identifier() : found.icmpv6().identifier(), 0x1234);
        EXPECT_EQ(found.icmp() ? found.icmp().sequence() : found.icmpv6().sequence(), 0x0203);
    }
}

TEST(FrameTemplate, IsReadAsWhatItWasMadeOf) {
    for (const auto& [name, headers] : transport_kinds())
        for (const std::size_t payload_bytes : {0U, 1U, 2U, 17U, 1472U, 8972U}) {
            SCOPED_TRACE(name + " " + std::to_string(payload_bytes));
            const auto frame = frame_of(headers, payload_bytes, {.identification = 77, .sequence = 0x10203});
            ASSERT_EQ(frame.size(), headers.header_bytes() + payload_bytes);
            const Headers found{frame};
            expect_layers_of(found);
            EXPECT_TRUE(std::ranges::equal(found.payload(), ConstBytes{frame}.last(payload_bytes)));
        }
}

TEST(FrameTemplate, TakesThePayloadsSumFromItsCaller) {
    for (const auto& [name, headers] : transport_kinds()) {
        const auto right = frame_of(headers, 33);
        const auto sum = InternetSum{}.add(ConstBytes{right}.last(33));
        auto stamped = right;
        std::fill_n(stamped.begin(), headers.header_bytes(), std::uint8_t{0xee});
        EXPECT_EQ(headers.write(stamped, 33, {.payload_sum = sum}), right.size());
        EXPECT_EQ(stamped, right) << name;
    }
}

TEST(FrameTemplate, AddsToItsIdentification) {
    auto ip = ipv4;
    ip.identification = 0xffff;
    const auto first = frame_of(FrameTemplate{ethernet, ip}, 4);
    EXPECT_EQ(Headers{first}.ipv4().identification(), 0xffff);
    const auto third = frame_of(FrameTemplate{ethernet, ip}, 4, {.identification = 2});
    EXPECT_EQ(Headers{third}.ipv4().identification(), 1);
    EXPECT_TRUE(Headers{third}.ipv4().checksum_is_right());
}

TEST(FrameTemplate, LeavesOutAChecksumThatIsNotWanted) {
    const auto datagram = frame_of(FrameTemplate{ethernet, ipv4, Udp{.checksum = false}}, 5);
    EXPECT_EQ(Headers{datagram}.udp().checksum(), 0);
    EXPECT_EQ(Headers{datagram}.transport_checksum(), ChecksumVerdict::none);
    const auto segment = frame_of(FrameTemplate{ethernet, ipv4, Tcp{.checksum = false}}, 5);
    EXPECT_EQ(Headers{segment}.tcp().checksum(), 0);
}

TEST(FrameTemplate, WritesAUdpChecksumOfZeroAsAllOnes) {
    const FrameTemplate headers{ethernet, ipv4, udp};
    auto frame = frame_of(headers, 2);
    // A payload that brings the sum to ffff: the checksum of the frame with zeros in its place.
    store(&frame[42], std::uint16_t{0});
    headers.write(frame, 2);
    store(&frame[42], Headers{frame}.udp().checksum());
    headers.write(frame, 2);
    EXPECT_EQ(Headers{frame}.udp().checksum(), 0xffff);
    EXPECT_EQ(Headers{frame}.transport_checksum(), ChecksumVerdict::right);
}

TEST(FrameTemplate, WritesNothingToABufferThatIsTooSmall) {
    for (const auto& [name, headers] : transport_kinds()) {
        const std::size_t whole = headers.frame_bytes(7);
        for (std::size_t bytes = 0; bytes < whole; ++bytes) {
            Frame buffer(bytes, 0xee);
            EXPECT_EQ(headers.write(buffer, 7), 0U) << name << ' ' << bytes;
            EXPECT_EQ(std::ranges::count(buffer, 0xee), static_cast<std::ptrdiff_t>(bytes));
        }
        Frame buffer(whole);
        EXPECT_EQ(headers.write(buffer, 7), whole) << name;
        EXPECT_EQ(headers.write(buffer, SIZE_MAX), 0U) << name;
    }
}

TEST(FrameTemplate, TakesAsMuchAsItsLengthFieldsCanSay) {
    Frame buffer(70000);
    for (const auto& [name, headers] : transport_kinds()) {
        const std::size_t most = headers.max_payload_bytes();
        const bool over_ipv4 = name.find("ipv4") != name.npos;
        const std::size_t transport = name.ends_with("tcp") ? 20 : 8;
        EXPECT_EQ(most, 65535 - transport - (over_ipv4 ? 20 : 0)) << name;
        EXPECT_EQ(headers.write(buffer, most + 1), 0U) << name;
        const std::size_t bytes = headers.write(buffer, most);
        ASSERT_EQ(bytes, headers.frame_bytes(most)) << name;
        const Headers found{Bytes{buffer}.first(bytes)};
        EXPECT_EQ(found.payload().size(), most) << name;
        EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::right) << name;
    }
}

TEST(FrameTemplate, CarriesAnyProtocol) {
    auto ip = ipv4;
    ip.protocol = 253;  // for experiments (RFC 3692)
    const auto over_ipv4 = frame_of(FrameTemplate{ethernet, ip}, 9);
    EXPECT_EQ(Headers{over_ipv4}.protocol(), 253);
    EXPECT_EQ(Headers{over_ipv4}.payload().size(), 9U);
    EXPECT_TRUE(Headers{over_ipv4}.ipv4().checksum_is_right());
    auto ip6 = ipv6;
    ip6.next_header = 253;
    const auto over_ipv6 = frame_of(FrameTemplate{ethernet, ip6}, 9);
    EXPECT_EQ(Headers{over_ipv6}.protocol(), 253);
    auto below = ethernet;
    below.type = 0x88b5;  // for experiments (IEEE 802)
    const auto alone = frame_of(FrameTemplate{below}, 9);
    EXPECT_EQ(Headers{alone}.ether_type(), 0x88b5);
}

}  // namespace
}  // namespace pktverbs::net::test
