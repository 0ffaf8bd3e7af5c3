// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include <pktverbs/net/net.hpp>
#include "flow_sequences.hpp"
#include "sequence_option.hpp"
#include "udp_flow.hpp"

using capture::FlowSequences;
using capture::UdpFlow;
using pktverbs::Ipv4Address;
using pktverbs::SequenceField;
using pktverbs::SequenceOrigin;
namespace net = pktverbs::net;

namespace {

using Frame = std::vector<std::uint8_t>;

Frame udp_frame(std::string_view address, std::uint16_t port, const std::vector<std::uint8_t>& payload,
                const net::Ethernet& ethernet = {}) {
    Frame frame(100);
    const net::FrameTemplate headers{ethernet, net::Ipv4{.dst = Ipv4Address{address}},
                                     net::Udp{.dst_port = port, .checksum = false}};
    frame.resize(headers.write(frame, payload.size()));
    std::ranges::copy(payload, frame.end() - static_cast<std::ptrdiff_t>(payload.size()));
    return frame;
}
Frame numbered(std::string_view address, std::uint16_t port, std::uint8_t number) {
    return udp_frame(address, port, {0, 0, 0, number});
}
SequenceField field(std::uint32_t offset, std::uint32_t width) {
    return {.from = SequenceOrigin::udp_payload, .offset = offset, .width = width};
}
UdpFlow flow(std::string_view text) { return UdpFlow::parse(text).value(); }

}  // namespace

TEST(UdpFlow, IsReadAndSaid) {
    EXPECT_EQ(flow("239.1.2.3:7148"), (UdpFlow{Ipv4Address{"239.1.2.3"}, 7148}));
    EXPECT_EQ(flow("any:0"), (UdpFlow{{}, 0}));
    for (const char* text : {"10.0.0.2:65535", "any:1"}) EXPECT_EQ(flow(text).to_string(), text);
}

TEST(UdpFlow, RefusesWhatIsNoFlow) {
    for (const char* text : {"",
                             ":",
                             "any",
                             "any:",
                             "7148",
                             ":7148",
                             "10.0.0.2",
                             "10.0.0:1",
                             "10.0.0.2:65536",
                             "10.0.0.2:-1",
                             "10.0.0.2:+1",
                             "10.0.0.2: 1",
                             "10.0.0.2:1 ",
                             "10.0.0.2:1x",
                             "10.0.0.2:010",
                             "any:00",
                             "any:0x10",
                             "010.0.0.2:1",
                             "10.2:1",
                             "ff15::1:7148"})
        EXPECT_FALSE(UdpFlow::parse(text)) << text;
}

TEST(UdpFlow, MakesRulesThatHold) {
    EXPECT_EQ(flow("239.1.2.3:7").rule().to_string(), "dst_ip 239.1.2.3 udp dst_port 7");
    EXPECT_EQ(flow("10.0.0.2:7").rule().to_string(), "own_mac dst_ip 10.0.0.2 udp dst_port 7");
    for (const char* text : {"any:7", "10.0.0.2:7", "239.1.2.3:7"}) EXPECT_NO_THROW(flow(text).rule().check());
}

TEST(Sequence, IsReadFromAWord) {
    const auto expect = [](const char* text, std::uint32_t offset, std::uint32_t width, std::endian order) {
        const auto found = capture::parse_sequence(text);
        ASSERT_TRUE(found) << text;
        EXPECT_EQ(found->from, SequenceOrigin::udp_payload) << text;
        EXPECT_EQ(found->offset, offset) << text;
        EXPECT_EQ(found->width, width) << text;
        EXPECT_EQ(found->order, order) << text;
        found->check();
    };
    expect("0:8", 0, 8, std::endian::big);
    expect("4:6:big", 4, 6, std::endian::big);
    expect("65506:1:little", 65506, 1, std::endian::little);
    for (const char* text : {"", "8", ":", "0:", ":8", "0:0", "0:9", "-1:8", "65507:1", "0:8:", "0:8:middle",
                             "0:8:big:", "18446744073709551615:8", "010:8", "0:08", "00:8"})
        EXPECT_FALSE(capture::parse_sequence(text)) << text;
}

TEST(FlowSequences, CountsEachFlowByItself) {
    FlowSequences sequences{{flow("239.1.2.3:7"), flow("any:7"), flow("any:8")}, field(0, 4)};
    for (const auto number : std::initializer_list<std::uint8_t>{1, 2, 4})
        sequences.add({}, numbered("239.1.2.3", 7, number));
    for (const auto number : std::initializer_list<std::uint8_t>{7, 6, 6})
        sequences.add({}, numbered("10.0.0.2", 7, number));
    sequences.add({}, udp_frame("10.0.0.2", 8, {1, 2}));
    sequences.add({}, numbered("10.0.0.2", 9, 1));
    sequences.add({}, Frame(60));
    EXPECT_EQ(sequences.others(), 2u);

    const auto& flows = sequences.flows();
    EXPECT_EQ(flows[0].packets, 3u);
    EXPECT_EQ(flows[0].numbers.missing(), 1u);
    EXPECT_EQ(flows[1].packets, 3u);
    EXPECT_EQ(flows[1].numbers.missing(), 0u);
    EXPECT_EQ(flows[1].numbers.reordered(), 1u);
    EXPECT_EQ(flows[1].numbers.duplicated(), 1u);
    EXPECT_EQ(flows[2].packets, 1u);
    EXPECT_EQ(flows[2].without_number, 1u);
    EXPECT_EQ(sequences.missing(), 1u);
}

TEST(FlowSequences, FollowsNumbersPastTheirEnd) {
    FlowSequences sequences{{flow("any:7")}, field(3, 1)};
    for (int number = 254; number < 1000; ++number)
        if (number != 300) sequences.add({}, numbered("10.0.0.2", 7, static_cast<std::uint8_t>(number)));
    EXPECT_EQ(sequences.missing(), 1u);
    EXPECT_EQ(sequences.flows()[0].numbers.restarts(), 0u);
}

TEST(FlowSequences, FindsNumbersInFramesOfTwoParts) {
    const auto tagged = udp_frame("10.0.0.2", 7, {9, 9, 0, 5}, {.vlan = net::Vlan{.id = 3}});
    for (std::size_t part = 0; part <= tagged.size(); ++part) {
        FlowSequences sequences{{flow("any:7")}, field(2, 2)};
        const std::span bytes{tagged};
        sequences.add(bytes.first(part), bytes.subspan(part));
        sequences.add({}, udp_frame("10.0.0.2", 7, {9, 9, 0, 8}));
        EXPECT_EQ(sequences.flows()[0].packets, 2u) << part;
        EXPECT_EQ(sequences.missing(), 2u) << part << ": from 5 to 8";
    }
}

TEST(FlowSequences, CountsFragmentsByThemselves) {
    FlowSequences sequences{{flow("any:7")}, field(0, 4)};
    auto first = numbered("10.0.0.2", 7, 1);
    first[20] = 0x20;  // more of them follow
    sequences.add({}, first);
    EXPECT_EQ(sequences.flows()[0].packets, 0u);
    EXPECT_EQ(sequences.others(), 1u);
}

TEST(FlowSequences, CountsPacketsWithoutNumbersToo) {
    FlowSequences sequences{{flow("any:7")}, {}};
    sequences.add({}, numbered("10.0.0.2", 7, 1));
    sequences.add({}, numbered("10.0.0.2", 7, 9));
    EXPECT_FALSE(sequences.has_numbers());
    EXPECT_EQ(sequences.flows()[0].packets, 2u);
    EXPECT_EQ(sequences.missing(), 0u);
}
