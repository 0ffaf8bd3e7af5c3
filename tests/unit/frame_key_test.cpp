// SPDX-License-Identifier: Apache-2.0
// FrameKey: the fields taken from complete, truncated and malformed frames.
#include "soft/steering/frame_key.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <vector>

namespace {

using pktverbs::soft::FrameKey;
using pktverbs::soft::parse_frame;
using Bytes = std::vector<std::uint8_t>;

Bytes join(std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

const Bytes macs{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const Bytes ipv4_type{0x08, 0x00};
const Bytes ipv6_type{0x86, 0xdd};
const Bytes ports{0x10, 0x20, 0x30, 0x40, 0, 8, 0, 0};  // and the rest of a UDP header
const Bytes tcp_ports{0x10, 0x20, 0x30, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0};

const std::uint8_t hop_by_hop = 0, routing = 43, fragment = 44, authentication = 51, no_next = 59, destination = 60;

Bytes ipv4(std::uint8_t protocol, std::uint16_t place = 0x4000) {
    return {0x45,
            0x28,
            0,
            28,
            0,
            0,
            static_cast<std::uint8_t>(place >> 8),
            static_cast<std::uint8_t>(place),
            64,
            protocol,
            0,
            0,
            10,
            0,
            0,
            1,
            10,
            0,
            0,
            2};
}

Bytes ipv6(std::uint8_t next) {
    Bytes header{0x6a, 0xb1, 0x23, 0x45, 0, 8, next, 63};
    for (std::uint8_t i = 0; i < 32; ++i) header.push_back(static_cast<std::uint8_t>(0x80 + i));
    return header;
}

/// Sets IP's length to everything after the Ethernet header, which has no tags.
Bytes sized(Bytes frame) {
    const bool is_ipv4 = frame[12] == 8;
    const std::size_t length = frame.size() - (is_ipv4 ? 14 : 54);
    const std::size_t at = is_ipv4 ? 16 : 18;
    frame[at] = static_cast<std::uint8_t>(length >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(length);
    return frame;
}
Bytes ipv4_frame(std::initializer_list<Bytes> after_ethernet) {
    return sized(join({macs, ipv4_type, join(after_ethernet)}));
}
Bytes ipv6_frame(std::initializer_list<Bytes> after_ethernet) {
    return sized(join({macs, ipv6_type, join(after_ethernet)}));
}

/// Parsed from a block of its own size, so that the address sanitizer sees a read past it.
FrameKey parse(const Bytes& frame, std::size_t size) {
    const auto block = std::make_unique<std::uint8_t[]>(size);
    std::copy_n(frame.begin(), size, block.get());
    return parse_frame({block.get(), size});
}
FrameKey parse(const Bytes& frame) { return parse(frame, frame.size()); }

template <std::size_t size>
Bytes bytes(const std::uint8_t (&field)[size]) {
    return {field, field + size};
}

void expect_ports(const FrameKey& key) {
    EXPECT_TRUE(key.flags & FrameKey::has_ports);
    EXPECT_EQ(ntohs(key.src_port), 0x1020);
    EXPECT_EQ(ntohs(key.dst_port), 0x3040);
}

void expect_no_ports(const FrameKey& key) {
    EXPECT_FALSE(key.flags & FrameKey::has_ports);
    EXPECT_EQ(key.src_port, 0);
    EXPECT_EQ(key.dst_port, 0);
}

TEST(FrameKey, IsEmptyWithoutAWholeEthernetHeader) {
    const Bytes frame = join({macs, ipv4_type});
    for (std::size_t size = 0; size < 14; ++size) EXPECT_EQ(parse(frame, size), FrameKey{}) << size;
    EXPECT_EQ(parse_frame({}), FrameKey{});
}

TEST(FrameKey, HoldsTheEthernetHeader) {
    const FrameKey key = parse(join({macs, {0x08, 0x06}}));
    EXPECT_EQ(bytes(key.dst_mac), (Bytes{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(bytes(key.src_mac), (Bytes{7, 8, 9, 10, 11, 12}));
    EXPECT_EQ(ntohs(key.ether_type), 0x0806);
    EXPECT_EQ(key.vlan_tci, 0);
    EXPECT_EQ(key.flags, 0);
}

TEST(FrameKey, HoldsAnUdpPacketOverIpv4) {
    const FrameKey key = parse(ipv4_frame({ipv4(17), ports}));
    EXPECT_EQ(ntohs(key.ether_type), 0x0800);
    EXPECT_EQ(key.flags, FrameKey::is_ipv4 | FrameKey::has_ports);
    EXPECT_EQ(bytes(key.src_ip), (Bytes{10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(bytes(key.dst_ip), (Bytes{10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(key.protocol, 17);
    EXPECT_EQ(key.tos, 0x28);
    EXPECT_EQ(key.ttl, 64);
    EXPECT_EQ(key.flow_label, 0U);
    EXPECT_EQ(bytes(key.reserved), (Bytes{0, 0, 0, 0}));
    expect_ports(key);
}

TEST(FrameKey, HoldsPortsOfTcpAndUdpOnly) {
    expect_ports(parse(ipv4_frame({ipv4(6), tcp_ports})));
    for (const std::uint8_t protocol : Bytes{1, 2, 58, 132, 136}) {
        const FrameKey key = parse(ipv4_frame({ipv4(protocol), ports}));
        EXPECT_EQ(key.protocol, protocol);
        expect_no_ports(key);
    }
}

TEST(FrameKey, FindsPortsBehindIpv4Options) {
    Bytes header = ipv4(17);
    header[0] = 0x46;
    expect_ports(parse(ipv4_frame({header, {1, 1, 1, 1}, ports})));
}

TEST(FrameKey, KnowsFragments) {
    const auto is_fragment = [](const FrameKey& key) { return (key.flags & FrameKey::is_fragment) != 0; };
    for (const std::uint16_t of_several : std::initializer_list<std::uint16_t>{0x2000, 0x2001, 0x0001, 0x1000})
        EXPECT_TRUE(is_fragment(parse(ipv4_frame({ipv4(17, of_several), ports})))) << of_several;
    for (const std::uint16_t whole : std::initializer_list<std::uint16_t>{0, 0x4000, 0x8000})
        EXPECT_FALSE(is_fragment(parse(ipv4_frame({ipv4(17, whole), ports})))) << whole;
}

TEST(FrameKey, HasNoPortsInAFragment) {
    expect_no_ports(parse(ipv4_frame({ipv4(17, 0x0001), ports})));
    expect_no_ports(parse(ipv4_frame({ipv4(17, 0x1000), ports})));
    expect_no_ports(parse(ipv4_frame({ipv4(17, 0x2001), ports})));
    expect_no_ports(parse(ipv4_frame({ipv4(17, 0x2000), ports})));  // the first of several: as on NICs
    EXPECT_EQ(parse(ipv4_frame({ipv4(17, 0x0001), ports})).protocol, 17);
}

TEST(FrameKey, LeavesOutAMalformedIpv4Header) {
    for (const std::uint8_t first : Bytes{0x55, 0x44, 0x40, 0x05, 0x4f}) {
        Bytes header = ipv4(17);
        header[0] = first;
        const FrameKey key = parse(ipv4_frame({header, ports}));
        EXPECT_EQ(key.flags, 0) << int{first};
        EXPECT_EQ(key.protocol, 0);
        EXPECT_EQ(bytes(key.src_ip), Bytes(16));
        EXPECT_EQ(ntohs(key.ether_type), 0x0800);
    }
}

TEST(FrameKey, HoldsTheWholeHeadersOfAnIpv4PacketThatIsCutShort) {
    const Bytes frame = ipv4_frame({ipv4(17), ports});
    for (std::size_t size = 14; size <= frame.size(); ++size) {
        const FrameKey key = parse(frame, size);
        EXPECT_EQ(ntohs(key.ether_type), 0x0800);
        EXPECT_EQ((key.flags & FrameKey::is_ipv4) != 0, size >= 14 + 20) << size;
        EXPECT_EQ((key.flags & FrameKey::has_ports) != 0, size >= 14 + 20 + 8) << size;
        EXPECT_EQ(key.protocol, size >= 14 + 20 ? 17 : 0) << size;
    }
}

TEST(FrameKey, TakesNoPaddingForPorts) {
    Bytes frame = ipv4_frame({ipv4(17), ports});
    frame[17] = 20;  // says that nothing follows it
    EXPECT_EQ(parse(frame).flags, FrameKey::is_ipv4);
    expect_no_ports(parse(frame));
    frame[17] = 27;  // a byte too few for UDP
    expect_no_ports(parse(frame));
    frame = ipv6_frame({ipv6(17), ports});
    frame[19] = 7;
    EXPECT_EQ(parse(frame).flags, FrameKey::is_ipv6);
    frame = ipv6_frame({ipv6(destination), {17, 0}, Bytes(6), ports});
    frame[19] = 7;  // nor for an extension header
    EXPECT_EQ(parse(frame).protocol, 0);
    frame = ipv4_frame({ipv4(17), ports});
    frame.resize(60);
    expect_ports(parse(frame));
}

TEST(FrameKey, EndsWithItsFrameWhereALengthCannotBe) {
    for (const int total : {0, 1, 19, 29, 255}) {
        Bytes frame = ipv4_frame({ipv4(17), ports});
        frame[17] = static_cast<std::uint8_t>(total);
        expect_ports(parse(frame));
    }
    for (const int payload : {9, 48, 255}) {  // 48: with IPv6's own header
        Bytes frame = ipv6_frame({ipv6(17), ports});
        frame[19] = static_cast<std::uint8_t>(payload);
        expect_ports(parse(frame));
    }
}

TEST(FrameKey, LooksAtNoLengthOfTcpAndUdp) {
    for (const int length : {0, 7, 9, 255}) {
        Bytes datagram = ports;
        datagram[5] = static_cast<std::uint8_t>(length);
        expect_ports(parse(ipv4_frame({ipv4(17), datagram})));
        expect_ports(parse(ipv6_frame({ipv6(17), datagram})));
    }
    for (const int words : {0, 4, 6, 15}) {
        Bytes segment = tcp_ports;
        segment[12] = static_cast<std::uint8_t>(words << 4);
        expect_ports(parse(ipv4_frame({ipv4(6), segment})));
        expect_ports(parse(ipv6_frame({ipv6(6), segment})));
    }
    Bytes datagram = join({ports, {1, 2, 3}});  // three bytes that belong to IP and not to UDP
    expect_ports(parse(ipv4_frame({ipv4(17), datagram})));
}

TEST(FrameKey, EndsWithItsFrameWhereItIsTooLongForALengthField) {
    const Bytes large(0x10000, 0);
    Bytes datagram = join({ports, large});
    datagram[5] = 0;
    Bytes frame = ipv6_frame({ipv6(17), datagram});
    frame[18] = frame[19] = 0;  // RFC 2675
    expect_ports(parse(frame));
    frame = ipv4_frame({ipv4(17), datagram});
    frame[16] = frame[17] = 0;  // Linux's BIG TCP
    expect_ports(parse(frame));
    // An empty packet is one.
    frame = ipv6_frame({ipv6(no_next), {}});
    EXPECT_EQ(parse(frame).flags, FrameKey::is_ipv6);
}

TEST(FrameKey, HoldsNoTypeWhereALengthStands) {
    for (const int length : {0, 38, 1500}) {
        const auto high = static_cast<std::uint8_t>(length >> 8);
        const auto low = static_cast<std::uint8_t>(length);
        EXPECT_EQ(parse(join({macs, {high, low}, Bytes(46)})).ether_type, 0) << length;
        EXPECT_EQ(parse(join({macs, {0x81, 0, 0, 5, high, low}, Bytes(46)})).ether_type, 0) << length;
    }
    EXPECT_EQ(ntohs(parse(join({macs, {0x05, 0xdd}})).ether_type), 1501);
}

TEST(FrameKey, HoldsTheOutermostTagAndTheInnermostType) {
    const FrameKey key =
        parse(join({macs, {0x88, 0xa8, 0x61, 0x23, 0x81, 0x00, 0x00, 0x07}, ipv4_type, ipv4(17), ports}));
    EXPECT_EQ(ntohs(key.vlan_tci), 0x6123);
    EXPECT_EQ(ntohs(key.ether_type), 0x0800);
    EXPECT_EQ(key.flags, FrameKey::has_vlan | FrameKey::is_ipv4 | FrameKey::has_ports);
    expect_ports(key);
}

TEST(FrameKey, DistinguishesATagOfZeroFromNone) {
    const FrameKey key = parse(join({macs, {0x81, 0x00, 0, 0, 0x08, 0x06}}));
    EXPECT_EQ(key.flags, FrameKey::has_vlan);
    EXPECT_EQ(key.vlan_tci, 0);
    EXPECT_EQ(ntohs(key.ether_type), 0x0806);
}

TEST(FrameKey, LooksBehindEightTagsAtMost) {
    const auto tagged = [](int tags) {
        Bytes frame = macs;
        for (std::uint8_t i = 1; i <= tags; ++i) frame = join({frame, {0x81, 0x00, 0x00, i}});
        return parse(join({frame, ipv4_type, ipv4(17), ports}));
    };
    EXPECT_EQ(ntohs(tagged(8).vlan_tci), 1);
    EXPECT_EQ(ntohs(tagged(8).ether_type), 0x0800);
    expect_ports(tagged(8));
    EXPECT_EQ(ntohs(tagged(9).vlan_tci), 1);
    EXPECT_EQ(ntohs(tagged(9).ether_type), 0x8100);
    EXPECT_EQ(tagged(9).flags, FrameKey::has_vlan);
}

TEST(FrameKey, LeavesOutATagThatIsCutShort) {
    const Bytes frame = join({macs, {0x81, 0x00, 0x00, 0x05, 0x81, 0x00, 0x00, 0x06}, ipv4_type});
    for (const std::size_t size : {14U, 15U, 16U, 17U}) {
        EXPECT_EQ(parse(frame, size).flags, 0) << size;
        EXPECT_EQ(parse(frame, size).vlan_tci, 0) << size;
        EXPECT_EQ(parse(frame, size).ether_type, 0) << size;
        EXPECT_EQ(bytes(parse(frame, size).src_mac), (Bytes{7, 8, 9, 10, 11, 12})) << size;
    }
    for (const std::size_t size : {18U, 19U, 20U, 21U}) {
        EXPECT_EQ(parse(frame, size).flags, FrameKey::has_vlan) << size;
        EXPECT_EQ(ntohs(parse(frame, size).vlan_tci), 5) << size;
        EXPECT_EQ(parse(frame, size).ether_type, 0) << size;
    }
}

TEST(FrameKey, HoldsAnUdpPacketOverIpv6) {
    const FrameKey key = parse(ipv6_frame({ipv6(17), ports}));
    EXPECT_EQ(key.flags, FrameKey::is_ipv6 | FrameKey::has_ports);
    EXPECT_EQ(key.tos, 0xab);
    EXPECT_EQ(ntohl(key.flow_label), 0x12345U);
    EXPECT_EQ(key.protocol, 17);
    EXPECT_EQ(key.ttl, 63);
    EXPECT_EQ(key.src_ip[0], 0x80);
    EXPECT_EQ(key.src_ip[15], 0x8f);
    EXPECT_EQ(key.dst_ip[0], 0x90);
    EXPECT_EQ(key.dst_ip[15], 0x9f);
    expect_ports(key);
}

TEST(FrameKey, LeavesOutAMalformedIpv6Header) {
    Bytes header = ipv6(17);
    header[0] = 0x4a;
    const FrameKey key = parse(ipv6_frame({header, ports}));
    EXPECT_EQ(key.flags, 0);
    EXPECT_EQ(key.protocol, 0);
    EXPECT_EQ(bytes(key.src_ip), Bytes(16));
}

TEST(FrameKey, HoldsTheWholeHeadersOfAnIpv6PacketThatIsCutShort) {
    const Bytes frame = ipv6_frame({ipv6(17), ports});
    for (std::size_t size = 14; size <= frame.size(); ++size) {
        const FrameKey key = parse(frame, size);
        EXPECT_EQ((key.flags & FrameKey::is_ipv6) != 0, size >= 14 + 40) << size;
        EXPECT_EQ((key.flags & FrameKey::has_ports) != 0, size >= 14 + 40 + 8) << size;
        EXPECT_EQ(key.protocol, size >= 14 + 40 ? 17 : 0) << size;
    }
}

TEST(FrameKey, KnowsFragmentsOfIpv6) {
    const auto is_fragment = [](std::uint8_t high, std::uint8_t low) {
        const FrameKey key = parse(ipv6_frame({ipv6(fragment), {17, 0, high, low, 0, 0, 0, 0}, ports}));
        return (key.flags & FrameKey::is_fragment) != 0;
    };
    EXPECT_TRUE(is_fragment(0, 1));   // the first of several
    EXPECT_TRUE(is_fragment(0, 8));   // the last
    EXPECT_TRUE(is_fragment(1, 1));   // between
    EXPECT_FALSE(is_fragment(0, 0));  // alone
    EXPECT_FALSE(is_fragment(0, 6));  // reserved bits
    EXPECT_FALSE((parse(ipv6_frame({ipv6(17), ports})).flags & FrameKey::is_fragment) != 0);
}

TEST(FrameKey, WalksEachExtensionHeader) {
    for (const std::uint8_t type : {hop_by_hop, routing, destination}) {
        const FrameKey key = parse(ipv6_frame({ipv6(type), {17, 1}, Bytes(14), ports}));
        EXPECT_EQ(key.protocol, 17) << int{type};
        expect_ports(key);
    }
    expect_ports(parse(ipv6_frame({ipv6(authentication), {17, 4}, Bytes(22), ports})));
    expect_ports(parse(ipv6_frame({ipv6(fragment), {17, 9, 0, 0, 0, 0, 0, 1}, ports})));  // alone: RFC 6946
    expect_no_ports(parse(ipv6_frame({ipv6(fragment), {17, 9, 0, 1, 0, 0, 0, 1}, ports})));
}

TEST(FrameKey, WalksAChainOfExtensionHeaders) {
    const FrameKey key = parse(ipv6_frame({ipv6(hop_by_hop),
                                           {destination, 0},
                                           Bytes(6),
                                           {routing, 0},
                                           Bytes(6),
                                           {fragment, 0},
                                           Bytes(6),
                                           {authentication, 0},
                                           Bytes(6),
                                           {6, 1},
                                           Bytes(10),
                                           tcp_ports}));
    EXPECT_EQ(key.protocol, 6);
    expect_ports(key);
}

TEST(FrameKey, WalksSixteenExtensionHeadersAtMost) {
    const auto chain = [](int headers) {
        Bytes frame = ipv6_frame({ipv6(destination)});
        for (int i = 1; i < headers; ++i) frame = join({frame, {destination, 0}, Bytes(6)});
        return parse(sized(join({frame, {17, 0}, Bytes(6), ports})));
    };
    EXPECT_EQ(chain(16).protocol, 17);
    expect_ports(chain(16));
    EXPECT_EQ(chain(17).protocol, 0);
    EXPECT_EQ(chain(17).flags, FrameKey::is_ipv6);
    Bytes frame = ipv6_frame({ipv6(destination)});
    for (int i = 1; i < 16; ++i) frame = join({frame, {destination, 0}, Bytes(6)});
    const FrameKey key = parse(sized(join({frame, {fragment, 0}, Bytes(6), {17, 0, 0, 1, 0, 0, 0, 1}, ports})));
    EXPECT_EQ(key.flags, FrameKey::is_ipv6) << "the seventeenth, a fragment's, is not looked at";
}

TEST(FrameKey, HasTheProtocolButNoPortsInALaterIpv6Fragment) {
    const FrameKey key = parse(ipv6_frame({ipv6(fragment), {17, 0, 0, 8, 0, 0, 0, 1}, ports}));
    EXPECT_EQ(key.protocol, 17);
    expect_no_ports(key);
    // The next extension header would be in another fragment.
    EXPECT_EQ(
        parse(ipv6_frame({ipv6(fragment), {destination, 0, 0, 8, 0, 0, 0, 1}, {17, 0}, Bytes(6), ports})).protocol, 0);
}

TEST(FrameKey, StopsWhereThereIsNoNextHeader) {
    const FrameKey key = parse(ipv6_frame({ipv6(no_next), {17, 0}, Bytes(6), ports}));
    EXPECT_EQ(key.protocol, no_next);
    EXPECT_EQ(key.flags, FrameKey::is_ipv6);
}

TEST(FrameKey, HasNoProtocolWhereAnExtensionHeaderIsCutShort) {
    const Bytes whole = ipv6_frame({ipv6(hop_by_hop), {17, 1}, Bytes(14), ports});
    for (std::size_t size = 54; size < 70; ++size) {
        const Bytes frame = sized({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
        EXPECT_EQ(parse(frame).protocol, 0) << size;
        EXPECT_EQ(parse(frame).flags, FrameKey::is_ipv6) << size;
        EXPECT_EQ(parse(frame).dst_ip[0], 0x90) << size;
    }
    expect_ports(parse(whole));
    const Bytes frame = sized({whole.begin(), whole.begin() + 77});
    EXPECT_EQ(parse(frame).protocol, 17);
    expect_no_ports(parse(frame));
}

}  // namespace
