// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/net/headers.hpp>

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstdint>
#include <vector>

#include "frames.hpp"

namespace pktverbs::net::test {
namespace {

using Frame = std::vector<std::uint8_t>;

/// An IPv6 frame: these extension headers, the first of type `next`, and then `rest`.
Frame extended(std::uint8_t next, const Frame& extensions, const Frame& rest) {
    auto ip = ipv6;
    ip.next_header = next;
    const FrameTemplate headers{ethernet, ip};
    Frame frame(headers.header_bytes());
    frame.insert(frame.end(), extensions.begin(), extensions.end());
    frame.insert(frame.end(), rest.begin(), rest.end());
    headers.write(frame, extensions.size() + rest.size());
    return frame;
}

/// 12 bytes with a correct checksum for their place after an IPv6 header.
Frame datagram() {
    const auto frame = frame_of(FrameTemplate{ethernet, ipv6, udp}, 4);
    return {frame.end() - 12, frame.end()};
}

TEST(Headers, OfNothingAreNone) {
    EXPECT_FALSE(Headers<>{}.ethernet());
    const Headers found{ConstBytes{}};
    EXPECT_FALSE(found.ethernet());
    EXPECT_FALSE(found.vlan());
    EXPECT_FALSE(found.arp());
    EXPECT_FALSE(found.ipv4());
    EXPECT_FALSE(found.ipv6());
    EXPECT_FALSE(found.udp());
    EXPECT_FALSE(found.tcp());
    EXPECT_FALSE(found.icmp());
    EXPECT_FALSE(found.icmpv6());
    EXPECT_TRUE(found.payload().empty());
    EXPECT_TRUE(found.is_malformed());
    EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::none);
}

TEST(Headers, FindEveryLayer) {
    const auto frame = frame_of(FrameTemplate{twice, ipv4, udp}, 6);
    const Headers found{frame};
    EXPECT_EQ(found.ethernet().payload().size(), frame.size() - 14);
    EXPECT_EQ(found.ethernet().type(), ether_type::service_vlan);
    ASSERT_EQ(found.vlan_count(), 2U);
    EXPECT_EQ(found.vlan(0).vlan(), (Vlan{4095, 7}));
    EXPECT_EQ(found.vlan(1).vlan(), (Vlan{7}));
    EXPECT_EQ(found.vlan(1).type(), ether_type::ipv4);
    EXPECT_FALSE(found.vlan(2));
    EXPECT_FALSE(found.vlan(SIZE_MAX));
    EXPECT_EQ(found.ether_type(), ether_type::ipv4);
    EXPECT_EQ(found.ipv4().packet().data(), frame.data() + 22);
    EXPECT_EQ(found.protocol(), ip_protocol::udp);
    EXPECT_EQ(found.udp().packet().data(), frame.data() + 42);
    EXPECT_EQ(found.payload().data(), frame.data() + 50);
    EXPECT_EQ(found.payload().size(), 6U);
    EXPECT_FALSE(found.ipv6());
    EXPECT_FALSE(found.arp());
    EXPECT_FALSE(found.tcp());
    EXPECT_FALSE(found.icmp());
    EXPECT_FALSE(found.icmpv6());
}

TEST(Headers, LeaveOutPadding) {
    for (const auto& [name, headers] : transport_kinds()) {
        auto frame = frame_of(headers, 1);
        frame.resize(frame.size() + 30, 0xee);
        EXPECT_EQ(Headers{frame}.payload().size(), 1U) << name;
        EXPECT_EQ(Headers{frame}.transport_checksum(), ChecksumVerdict::right) << name;
    }
    auto frame = frame_of(FrameTemplate{ethernet, arp}, 0);
    frame.resize(60);
    EXPECT_EQ(Headers{frame}.arp().target_ip(), ipv4_b);
    EXPECT_TRUE(Headers{frame}.payload().empty());
}

TEST(Headers, OfAFrameThatWasCutShortEndBeforeTheCut) {
    for (const auto& [name, headers] : transport_kinds()) {
        const auto whole = frame_of(headers, 5);
        for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
            const Headers found{ConstBytes{whole}.first(bytes)};
            EXPECT_EQ(static_cast<bool>(found.ethernet()), bytes >= 14);
            EXPECT_FALSE(found.ipv4() || found.ipv6()) << name << ' ' << bytes;
            EXPECT_TRUE(found.is_malformed()) << name << ' ' << bytes;
            EXPECT_EQ(found.payload().data() + found.payload().size(), whole.data() + bytes) << name << ' ' << bytes;
        }
    }
}

TEST(Headers, AreMalformedIfTheTransportLies) {
    auto frame = frame_of(FrameTemplate{ethernet, ipv4, udp}, 4);
    store(&frame[14 + 20 + 4], std::uint16_t{13});
    const Headers found{frame};
    EXPECT_TRUE(found.is_malformed());
    EXPECT_TRUE(found.ipv4());
    EXPECT_FALSE(found.udp());
    EXPECT_EQ(found.payload().size(), 12U);  // IPv4's
}

TEST(Headers, TakeWhatTheyDoNotKnowForPayload) {
    auto below = ethernet;
    below.type = 0x88cc;  // LLDP
    const auto lldp = frame_of(FrameTemplate{below}, 9);
    EXPECT_FALSE(Headers{lldp}.is_malformed());
    EXPECT_EQ(Headers{lldp}.payload().size(), 9U);
    auto ip = ipv4;
    ip.protocol = IPPROTO_GRE;
    const auto gre = frame_of(FrameTemplate{ethernet, ip}, 9);
    EXPECT_FALSE(Headers{gre}.is_malformed());
    EXPECT_EQ(Headers{gre}.payload().size(), 9U);
    ip.protocol = IPPROTO_ICMPV6;  // not over IPv4
    const auto mixed = frame_of(FrameTemplate{ethernet, ip}, 9);
    EXPECT_FALSE(Headers{mixed}.icmpv6());
    EXPECT_FALSE(Headers{mixed}.is_malformed());
}

TEST(Headers, EndWhereAnEthernetLengthSays) {
    for (const Ethernet& below : {ethernet, tagged}) {
        auto llc = below;
        llc.type = 38;
        auto frame = frame_of(FrameTemplate{llc}, 46);
        const Headers found{frame};
        EXPECT_EQ(found.payload().size(), 38U) << "the rest is padding";
        EXPECT_EQ(found.ether_type(), 0);
        EXPECT_FALSE(found.is_malformed());
        const auto last = found.vlan() ? found.vlan().payload() : found.ethernet().payload();
        EXPECT_EQ(last.size(), 38U);
        frame.resize(frame.size() - 9);
        EXPECT_TRUE(Headers{frame}.is_malformed());
        EXPECT_TRUE(Headers{frame}.ethernet());
        EXPECT_EQ(Headers{frame}.payload().size(), 37U);
    }
    auto typed = ethernet;
    typed.type = 1501;  // by the standard neither; taken for a type
    const auto frame = frame_of(FrameTemplate{typed}, 46);
    EXPECT_EQ(Headers{frame}.ether_type(), 1501);
}

TEST(Headers, AreNotMalformedForArpOfAnotherKind) {
    auto frame = frame_of(FrameTemplate{ethernet, arp}, 0);
    frame[14 + 4] = 8;  // EUI-64 addresses
    frame.resize(60, 0xee);
    EXPECT_FALSE(Headers{frame}.arp());
    EXPECT_FALSE(Headers{frame}.is_malformed());
    EXPECT_EQ(Headers{frame}.payload().size(), 8U + 2 * 8 + 2 * 4);
    frame.resize(14 + 31);
    EXPECT_TRUE(Headers{frame}.is_malformed());
    frame[14 + 4] = 0xff;
    EXPECT_TRUE(Headers{frame}.is_malformed());
}

TEST(Headers, HaveNoTypeBehindATagThatIsCutShort) {
    const Frame frame{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0, 0, 5, 0x81, 0, 0};
    EXPECT_EQ(Headers{frame}.vlan_count(), 1U);
    EXPECT_EQ(Headers{frame}.ether_type(), 0);
    EXPECT_TRUE(Headers{frame}.is_malformed());
}

TEST(Headers, OfMoreThanALengthFieldCanSayReachToTheFramesEnd) {
    constexpr std::size_t payload = 0x10000;
    for (const bool is_ipv4 : {true, false}) {
        Frame frame =
            is_ipv4 ? frame_of(FrameTemplate{ethernet, ipv4, udp}, 0) : frame_of(FrameTemplate{ethernet, ipv6, udp}, 0);
        const std::size_t udp_at = frame.size() - 8;
        frame.resize(frame.size() + payload);
        store(&frame[is_ipv4 ? 16 : 18], std::uint16_t{0});
        store(&frame[udp_at + 4], std::uint16_t{0});
        EXPECT_EQ(Headers{frame}.udp().payload().size(), payload);
        EXPECT_FALSE(Headers{frame}.is_malformed());
        frame.resize(0x10000);  // not too long for the field
        EXPECT_FALSE(Headers{frame}.udp());
        EXPECT_TRUE(Headers{frame}.is_malformed());
    }
    // A payload length of 0 means 0 bytes.
    auto none = ipv6;
    none.next_header = 59;
    auto frame = frame_of(FrameTemplate{ethernet, none}, 0);
    frame.resize(60);
    EXPECT_TRUE(Headers{frame}.payload().empty());
    EXPECT_FALSE(Headers{frame}.is_malformed());
}

TEST(Headers, ReadEightTagsAndNoMore) {
    Frame frame(12);
    for (std::uint8_t i = 0; i < 9; ++i) frame.insert(frame.end(), {0x81, 0, 0, i});
    frame.insert(frame.end(), {8, 0});
    const Headers found{frame};
    EXPECT_EQ(found.vlan_count(), 8U);
    EXPECT_EQ(found.vlan(7).id(), 7);
    EXPECT_EQ(found.ether_type(), ether_type::vlan);
    EXPECT_FALSE(found.ipv4());
    EXPECT_FALSE(found.is_malformed());
}

TEST(Headers, OfAFragmentHaveNoTransport) {
    for (const unsigned place : {0x2000U, 0x2001U, 0x0001U}) {
        auto frame = frame_of(FrameTemplate{ethernet, ipv4, udp}, 4);
        store(&frame[14 + 6], static_cast<std::uint16_t>(place));
        const Headers found{frame};
        EXPECT_TRUE(found.is_fragment());
        EXPECT_FALSE(found.udp());
        EXPECT_FALSE(found.is_malformed());
        EXPECT_EQ(found.protocol(), ip_protocol::udp);
        EXPECT_EQ(found.payload().size(), 12U);
        EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::none);
    }
}

TEST(Headers, SkipExtensionHeaders) {
    // Hop-by-hop options of 8 bytes, destination options of 16, authentication of 12, and the header of an atomic
    // fragment.
    const Frame extensions{IPPROTO_DSTOPTS,  0, 1, 4,  0, 0, 0, 0,                          //
                           IPPROTO_AH,       1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                           IPPROTO_FRAGMENT, 1, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,              //
                           IPPROTO_UDP,      0, 0, 0,  0, 0, 0, 9};
    const auto frame = extended(IPPROTO_HOPOPTS, extensions, datagram());
    const Headers found{frame};
    EXPECT_FALSE(found.is_malformed());
    EXPECT_FALSE(found.is_fragment());
    EXPECT_EQ(found.protocol(), ip_protocol::udp);
    ASSERT_TRUE(found.udp());
    EXPECT_EQ(found.udp().dst_port(), 7148);
    EXPECT_EQ(found.payload().size(), 4U);
    EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::right);
    for (std::size_t bytes = 14 + 40; bytes < frame.size(); ++bytes) {
        // As if the packet ended there.
        Frame cut{frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(bytes)};
        store(&cut[14 + 4], static_cast<std::uint16_t>(bytes - 54));
        EXPECT_TRUE(Headers{cut}.ipv6());
        EXPECT_TRUE(Headers{cut}.is_malformed()) << bytes;
        EXPECT_FALSE(Headers{cut}.udp()) << bytes;
    }
}

TEST(Headers, StopAtAnExtensionHeaderThatLies) {
    const auto frame = extended(IPPROTO_HOPOPTS, {IPPROTO_UDP, 2, 1, 4, 0, 0, 0, 0}, datagram());
    const Headers found{frame};
    EXPECT_TRUE(found.is_malformed());
    EXPECT_EQ(found.protocol(), 0);
    EXPECT_FALSE(found.udp());
}

TEST(Headers, StopAfterTooManyExtensionHeaders) {
    Frame chain;
    for (int i = 0; i < 15; ++i) chain.insert(chain.end(), {IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0});
    chain.insert(chain.end(), {IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0});
    const auto sixteen = extended(IPPROTO_DSTOPTS, chain, datagram());
    EXPECT_TRUE(Headers{sixteen}.udp());
    chain.insert(chain.begin(), {IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0});
    const auto more = extended(IPPROTO_DSTOPTS, chain, datagram());
    EXPECT_FALSE(Headers{more}.udp());
    EXPECT_TRUE(Headers{more}.is_malformed());
}

TEST(Headers, OfAnIpv6FragmentHaveNoTransport) {
    for (const std::uint8_t place : {std::uint8_t{1}, std::uint8_t{9}, std::uint8_t{8}}) {
        const auto frame = extended(IPPROTO_FRAGMENT, {IPPROTO_UDP, 0, 0, place, 0, 0, 0, 9}, datagram());
        const Headers found{frame};
        EXPECT_TRUE(found.is_fragment());
        EXPECT_FALSE(found.is_malformed());
        EXPECT_FALSE(found.udp());
        EXPECT_EQ(found.protocol(), ip_protocol::udp);
        EXPECT_EQ(found.payload().size(), 12U);
    }
    // A later fragment whose first header is an extension header: its contents are not that header.
    const auto later = extended(IPPROTO_FRAGMENT, {IPPROTO_DSTOPTS, 0, 0, 8, 0, 0, 0, 9}, datagram());
    EXPECT_TRUE(Headers{later}.is_fragment());
    EXPECT_FALSE(Headers{later}.is_malformed());
    EXPECT_EQ(Headers{later}.protocol(), 0);
    EXPECT_EQ(Headers{later}.payload().size(), 12U);
}

TEST(Headers, DoNotVerifyWhatARoutingHeaderHides) {
    Frame routing(24);
    routing[0] = IPPROTO_UDP;
    routing[1] = 2;
    routing[2] = 4;  // segment routing
    const auto arrived = extended(IPPROTO_ROUTING, routing, datagram());
    EXPECT_EQ(Headers{arrived}.transport_checksum(), ChecksumVerdict::right);
    routing[3] = 1;  // one segment left
    const auto under_way = extended(IPPROTO_ROUTING, routing, datagram());
    EXPECT_TRUE(Headers{under_way}.udp());
    EXPECT_EQ(Headers{under_way}.transport_checksum(), ChecksumVerdict::none);
}

TEST(Headers, SeeEveryFlippedBitUnderAChecksum) {
    for (const auto& [name, headers] : transport_kinds()) {
        const auto right = frame_of(headers, 5);
        const std::size_t transport_at = headers.header_bytes() - (name.ends_with("tcp") ? 20 : 8);
        for (std::size_t bit = 8 * transport_at; bit < 8 * right.size(); ++bit) {
            auto frame = right;
            frame[bit / 8] = static_cast<std::uint8_t>(frame[bit / 8] ^ 1 << bit % 8);
            const Headers found{frame};
            EXPECT_TRUE(found.is_malformed() || found.transport_checksum() == ChecksumVerdict::wrong)
                << name << ' ' << bit;
        }
    }
}

TEST(Headers, FillChecksumsAfterAChange) {
    for (const auto& [name, headers] : transport_kinds()) {
        auto frame = frame_of(headers, 5);
        const Headers found{frame};
        if (const auto ip = found.ipv4()) ip.set_dst(Ipv4Address{"10.1.2.3"});
        if (const auto ip = found.ipv6()) ip.set_dst(Ipv6Address{"fe80::9"});
        found.payload()[0] = 0x77;
        EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::wrong) << name;
        found.fill_checksums();
        EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::right) << name;
        EXPECT_TRUE(!found.ipv4() || found.ipv4().checksum_is_right()) << name;
    }
}

TEST(Headers, LeaveAMissingUdpChecksumMissing) {
    auto frame = frame_of(FrameTemplate{ethernet, ipv4, Udp{.checksum = false}}, 5);
    Headers{frame}.fill_checksums();
    EXPECT_EQ(Headers{frame}.udp().checksum(), 0);
}

}  // namespace
}  // namespace pktverbs::net::test
