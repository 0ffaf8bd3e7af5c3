// SPDX-License-Identifier: Apache-2.0
// One header at a time: how much of it must be present, which lengths it may claim, and where its fields are, compared
// with the system's own structures.
#include <gtest/gtest.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <vector>

#include "frames.hpp"

namespace pktverbs::net::test {
namespace {

using Frame = std::vector<std::uint8_t>;

template <class View>
Frame bytes_of(const View& view) {
    return {view.packet().begin(), view.packet().end()};
}

// The bytes that a view of each layer covers.
template <class Ip, class Transport>
Frame transport_bytes(const Ip& ip, const Transport& transport, std::size_t payload_bytes) {
    const FrameTemplate headers{ethernet, ip, transport};
    const auto frame = frame_of(headers, payload_bytes);
    const std::size_t at = std::is_same_v<Ip, Ipv4> ? 34 : 54;
    return {frame.begin() + static_cast<std::ptrdiff_t>(at), frame.end()};
}
template <class Ip>
Frame network_bytes(const Ip& ip, std::size_t payload_bytes) {
    const auto frame = frame_of(FrameTemplate{ethernet, ip, udp}, payload_bytes);
    return {frame.begin() + 14, frame.end()};
}

/// The view is true with all of `whole`, and false with less, at every alignment. (ASan also checks that nothing beyond
/// is read.)
template <class View>
void expect_whole_only(const Frame& whole) {
    EXPECT_FALSE(View{});
    EXPECT_TRUE(View{}.packet().empty());
    EXPECT_TRUE(View{}.payload().empty());
    EXPECT_TRUE(View{}.header().empty());
    for (std::size_t offset = 0; offset < 4; ++offset) {
        for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
            Frame memory(offset + bytes);
            std::copy_n(whole.begin(), bytes, memory.begin() + static_cast<std::ptrdiff_t>(offset));
            const View view{ConstBytes{memory}.subspan(offset)};
            EXPECT_EQ(static_cast<bool>(view), bytes == whole.size()) << bytes << " of " << whole.size();
            EXPECT_EQ(view.packet().size(), view ? whole.size() : 0U);
        }
    }
}

TEST(EthernetView, NeedsAWholeHeader) { expect_whole_only<EthernetView<>>(frame_of(FrameTemplate{ethernet}, 0)); }
TEST(VlanView, NeedsAWholeTag) { expect_whole_only<VlanView<>>({0x20, 0x64, 8, 0}); }
TEST(ArpView, NeedsAWholeHeader) {
    const auto frame = frame_of(FrameTemplate{ethernet, arp}, 0);
    expect_whole_only<ArpView<>>(bytes_of(Headers{frame}.arp()));
}
TEST(Ipv4View, NeedsAWholePacket) {
    const auto empty = frame_of(FrameTemplate{ethernet, ipv4}, 0);
    expect_whole_only<Ipv4View<>>(bytes_of(Headers{empty}.ipv4()));
    expect_whole_only<Ipv4View<>>(network_bytes(ipv4, 5));
}
TEST(Ipv6View, NeedsAWholePacket) {
    const auto empty = frame_of(FrameTemplate{ethernet, ipv6}, 0);
    expect_whole_only<Ipv6View<>>(bytes_of(Headers{empty}.ipv6()));
    expect_whole_only<Ipv6View<>>(network_bytes(ipv6, 5));
}
TEST(UdpView, NeedsAWholeDatagram) {
    expect_whole_only<UdpView<>>(transport_bytes(ipv4, udp, 0));
    expect_whole_only<UdpView<>>(transport_bytes(ipv4, udp, 5));
}
TEST(TcpView, NeedsAWholeHeader) { expect_whole_only<TcpView<>>(transport_bytes(ipv4, tcp, 0)); }
TEST(IcmpView, NeedsAWholeHeader) { expect_whole_only<IcmpView<>>(transport_bytes(ipv4, echo, 0)); }
TEST(Icmpv6View, NeedsAWholeHeader) { expect_whole_only<Icmpv6View<>>(transport_bytes(ipv6, echo, 0)); }

TEST(Ipv4View, RefusesLengthsThatLie) {
    const auto right = network_bytes(ipv4, 20);  // 48 bytes
    Frame packet;
    const auto with = [&](std::size_t at, int value) {
        packet = right;
        packet[at] = static_cast<std::uint8_t>(value);
        return Ipv4View<>{packet};
    };
    EXPECT_TRUE(Ipv4View{right});
    for (const int version : {0, 5, 6, 15}) EXPECT_FALSE(with(0, version << 4 | 5)) << version;
    for (const int words : {0, 1, 4, 13, 15}) EXPECT_FALSE(with(0, 0x40 | words)) << words;
    for (const int words : {5, 6, 12}) EXPECT_TRUE(with(0, 0x40 | words)) << words;
    for (const int total : {0, 1, 19, 49, 255}) EXPECT_FALSE(with(3, total)) << total;
    EXPECT_FALSE(with(2, 1));
    EXPECT_EQ(with(3, 20).payload().size(), 0U);
    EXPECT_EQ(with(3, 47).payload().size(), 27U);
    EXPECT_EQ(with(0, 0x4c).options().size(), 28U);
    EXPECT_EQ(with(0, 0x4c).payload().size(), 0U);
}

TEST(Ipv4View, DistinguishesFragments) {
    auto packet = network_bytes(ipv4, 4);
    const auto with = [&](std::uint16_t value) {
        store(&packet[6], value);
        return Ipv4View<>{packet};
    };
    EXPECT_FALSE(with(0x4000).is_fragment());
    EXPECT_TRUE(with(0x4000).dont_fragment());
    EXPECT_TRUE(with(0x2000).is_fragment());
    EXPECT_TRUE(with(0x2000).more_fragments());
    EXPECT_TRUE(with(0x0001).is_fragment());
    EXPECT_FALSE(with(0x0001).more_fragments());
    EXPECT_EQ(with(0x1fff).fragment_offset(), 65528U);
}

TEST(Ipv6View, RefusesLengthsThatLie) {
    auto packet = network_bytes(ipv6, 8);
    store(&packet[4], std::uint16_t{15});
    EXPECT_EQ(Ipv6View{packet}.payload().size(), 15U);
    store(&packet[4], std::uint16_t{17});
    EXPECT_FALSE(Ipv6View{packet});
    store(&packet[4], std::uint16_t{16});
    EXPECT_TRUE(Ipv6View{packet});
    packet[0] = 0x45;
    EXPECT_FALSE(Ipv6View{packet});
}

TEST(UdpView, RefusesLengthsThatLie) {
    auto datagram = transport_bytes(ipv4, udp, 8);
    for (const unsigned length : {0U, 1U, 7U, 17U, 65535U}) {
        store(&datagram[4], static_cast<std::uint16_t>(length));
        EXPECT_FALSE(UdpView{datagram}) << length;
    }
    store(&datagram[4], std::uint16_t{9});
    EXPECT_EQ(UdpView{datagram}.payload().size(), 1U);
}

TEST(TcpView, RefusesLengthsThatLie) {
    auto segment = transport_bytes(ipv4, tcp, 8);
    for (const int words : {0, 4, 8, 15}) {
        segment[12] = static_cast<std::uint8_t>(words << 4);
        EXPECT_FALSE(TcpView{segment}) << words;
    }
    segment[12] = 0x70;
    EXPECT_EQ(TcpView{segment}.options().size(), 8U);
    EXPECT_EQ(TcpView{segment}.payload().size(), 0U);
}

TEST(ArpView, IsOnlyThatOfIpv4OnEthernet) {
    const auto frame = frame_of(FrameTemplate{ethernet, arp}, 0);
    const auto right = bytes_of(Headers{frame}.arp());
    EXPECT_TRUE(ArpView{right});
    for (std::size_t byte = 0; byte < 6; ++byte) {
        auto other = right;
        ++other[byte];
        EXPECT_FALSE(ArpView{other}) << byte;
    }
}

TEST(HeaderView, StaysInBoundsWhenTheBytesChange) {
    auto packet = network_bytes(ipv4, 4);
    const Ipv4View view{packet};
    packet[0] = 0x4f;
    store(&packet[2], std::uint16_t{65535});
    EXPECT_EQ(view.header().size(), 20U);
    EXPECT_EQ(view.payload().size(), 12U);
}

template <class View>
concept Settable = requires(View view) {
    view.set_src(ipv4_a);
};

TEST(HeaderView, HasSettersOnlyOverBytesThatMayChange) {
    static_assert(Settable<Ipv4View<std::uint8_t>>);
    static_assert(!Settable<Ipv4View<>>);
    const Frame fixed(20);
    Frame open(20);
    static_assert(std::same_as<decltype(EthernetView{fixed}), EthernetView<const std::uint8_t>>);
    static_assert(std::same_as<decltype(EthernetView{open}), EthernetView<std::uint8_t>>);
    EXPECT_EQ(EthernetView{open}.packet().data(), open.data());
}

TEST(EthernetView, HasTheFieldsOfEtherHeader) {
    auto frame = frame_of(FrameTemplate{ethernet}, 1);
    const EthernetView view{frame};
    view.set_dst(mac_a);
    view.set_src(mac_b);
    view.set_type(0x1234);
    const auto system = view.copy_as<ether_header>();
    EXPECT_EQ(std::memcmp(system.ether_dhost, mac_a.bytes().data(), 6), 0);
    EXPECT_EQ(std::memcmp(system.ether_shost, mac_b.bytes().data(), 6), 0);
    EXPECT_EQ(ntohs(system.ether_type), 0x1234);
    EXPECT_EQ(view.dst(), mac_a);
    EXPECT_EQ(view.src(), mac_b);
    EXPECT_EQ(view.type(), 0x1234);
}

TEST(VlanView, HasTheFieldsOfTheStandard) {
    Frame tag{0xb0, 0x64, 0x08, 0x00};  // 802.1Q, 9.6: priority, drop eligible, id
    const VlanView view{tag};
    EXPECT_EQ(view.priority(), 5);
    EXPECT_TRUE(view.drop_eligible());
    EXPECT_EQ(view.id(), 100);
    EXPECT_EQ(view.type(), 0x0800);
    view.set_vlan({.id = 0xfff, .priority = 1});
    view.set_type(0x86dd);
    EXPECT_EQ(tag, (Frame{0x2f, 0xff, 0x86, 0xdd}));
}

TEST(ArpView, HasTheFieldsOfEtherArp) {
    auto frame = frame_of(FrameTemplate{ethernet, Arp{}}, 0);
    const auto view = Headers{frame}.arp();
    view.set(arp);
    const auto system = view.copy_as<ether_arp>();
    EXPECT_EQ(ntohs(system.arp_op), ARPOP_REPLY);
    EXPECT_EQ(ntohs(system.arp_hrd), ARPHRD_ETHER);
    EXPECT_EQ(std::memcmp(system.arp_sha, mac_a.bytes().data(), 6), 0);
    EXPECT_EQ(std::memcmp(system.arp_spa, ipv4_a.bytes().data(), 4), 0);
    EXPECT_EQ(std::memcmp(system.arp_tha, mac_b.bytes().data(), 6), 0);
    EXPECT_EQ(std::memcmp(system.arp_tpa, ipv4_b.bytes().data(), 4), 0);
    EXPECT_EQ(view.arp().target_ip, ipv4_b);
    EXPECT_EQ(view.arp().sender_mac, mac_a);
}

TEST(Ipv4View, HasTheFieldsOfIphdr) {
    auto packet = network_bytes(ipv4, 4);
    const Ipv4View view{packet};
    view.set_tos(0x5a);
    view.set_identification(0x1234);
    view.set_ttl(99);
    view.set_src(ipv4_b);
    view.set_dst(ipv4_a);
    view.fill_checksum();
    const auto system = view.copy_as<iphdr>();
    EXPECT_EQ(system.tos, 0x5a);
    EXPECT_EQ(ntohs(system.tot_len), view.total_bytes());
    EXPECT_EQ(ntohs(system.id), 0x1234);
    EXPECT_EQ(system.ttl, 99);
    EXPECT_EQ(system.protocol, view.protocol());
    EXPECT_EQ(ntohs(system.check), view.checksum());
    EXPECT_EQ(std::memcmp(&system.saddr, ipv4_b.bytes().data(), 4), 0);
    EXPECT_EQ(std::memcmp(&system.daddr, ipv4_a.bytes().data(), 4), 0);
    EXPECT_EQ(view.src(), ipv4_b);
    EXPECT_TRUE(view.checksum_is_right());
}

TEST(Ipv6View, HasTheFieldsOfIp6Hdr) {
    auto packet = network_bytes(ipv6, 4);
    const Ipv6View view{packet};
    view.set_flow_label(0xfffff);
    view.set_traffic_class(0x5a);
    view.set_hop_limit(99);
    view.set_src(ipv6_b);
    view.set_dst(ipv6_a);
    const auto system = view.copy_as<ip6_hdr>();
    EXPECT_EQ(ntohl(system.ip6_flow), 0x65afffffU);
    EXPECT_EQ(ntohs(system.ip6_plen), view.payload_bytes());
    EXPECT_EQ(system.ip6_nxt, view.next_header());
    EXPECT_EQ(system.ip6_hlim, 99);
    EXPECT_EQ(std::memcmp(&system.ip6_src, ipv6_b.bytes().data(), 16), 0);
    EXPECT_EQ(std::memcmp(&system.ip6_dst, ipv6_a.bytes().data(), 16), 0);
    EXPECT_EQ(view.traffic_class(), 0x5a);
    EXPECT_EQ(view.flow_label(), 0xfffffU);
}

TEST(UdpView, HasTheFieldsOfUdphdr) {
    auto datagram = transport_bytes(ipv4, udp, 4);
    const UdpView view{datagram};
    view.set_src_port(1);
    view.set_dst_port(2);
    view.set_checksum(3);
    const auto system = view.copy_as<udphdr>();
    EXPECT_EQ(ntohs(system.uh_sport), 1);
    EXPECT_EQ(ntohs(system.uh_dport), 2);
    EXPECT_EQ(ntohs(system.uh_ulen), view.total_bytes());
    EXPECT_EQ(ntohs(system.uh_sum), 3);
    EXPECT_EQ(view.checksum(), 3);
}

TEST(TcpView, HasTheFieldsOfTcphdr) {
    auto segment = transport_bytes(ipv4, tcp, 4);
    const TcpView view{segment};
    view.set_src_port(1);
    view.set_dst_port(2);
    view.set_sequence(0x01020304);
    view.set_acknowledgment(0x05060708);
    view.set_flags(Tcp::syn | Tcp::ack);
    view.set_checksum(9);
    const auto system = view.copy_as<tcphdr>();
    EXPECT_EQ(ntohs(system.th_sport), 1);
    EXPECT_EQ(ntohs(system.th_dport), 2);
    EXPECT_EQ(ntohl(system.th_seq), 0x01020304U);
    EXPECT_EQ(ntohl(system.th_ack), 0x05060708U);
    EXPECT_EQ(system.th_flags, TH_SYN | TH_ACK);
    EXPECT_EQ(ntohs(system.th_win), view.window());
    EXPECT_EQ(ntohs(system.th_sum), 9);
    EXPECT_EQ(view.urgent_pointer(), 0);
}

TEST(IcmpView, HasTheFieldsOfIcmphdr) {
    auto message = transport_bytes(ipv4, Echo{.is_reply = true, .identifier = 5}, 4);
    const IcmpView view{message};
    EXPECT_TRUE(view.is_echo_reply());
    EXPECT_TRUE(view.checksum_is_right());
    view.set_sequence(6);
    EXPECT_FALSE(view.checksum_is_right());
    const auto system = view.copy_as<icmphdr>();
    EXPECT_EQ(system.type, ICMP_ECHOREPLY);
    EXPECT_EQ(ntohs(system.un.echo.id), 5);
    EXPECT_EQ(ntohs(system.un.echo.sequence), 6);
    EXPECT_EQ(ntohs(system.checksum), view.checksum());
    view.set_type(ICMP_ECHO);
    EXPECT_TRUE(view.is_echo_request());
}

TEST(Icmpv6View, HasTheFieldsOfIcmp6Hdr) {
    const auto message = transport_bytes(ipv6, Echo{.is_reply = true, .identifier = 5}, 4);
    const Icmpv6View view{message};
    EXPECT_TRUE(view.is_echo_reply());
    const auto system = view.copy_as<icmp6_hdr>();
    EXPECT_EQ(system.icmp6_type, ICMP6_ECHO_REPLY);
    EXPECT_EQ(ntohs(system.icmp6_id), view.identifier());
    EXPECT_EQ(ntohs(system.icmp6_cksum), view.checksum());
}

}  // namespace
}  // namespace pktverbs::net::test
