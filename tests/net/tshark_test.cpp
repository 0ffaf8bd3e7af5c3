// SPDX-License-Identifier: Apache-2.0
// A second reader: tshark reads the templates' frames as the views do.
#include "tshark.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <pktverbs/format.hpp>

#include "frames.hpp"

namespace pktverbs::net::test {
namespace {

using Frame = std::vector<std::uint8_t>;

/// Fields by tshark's names, in its format.
class Line {
public:
    template <class... Values>
    void add(const char* name, fmt::format_string<Values...> text, Values&&... values) {
        fields[name] = fmt::format(text, std::forward<Values>(values)...);
    }
    std::map<std::string, std::string> fields;
};

Line as_views_see(const Headers<const std::uint8_t>& found) {
    Line line;
    line.add("eth.dst", "{}", found.ethernet().dst());
    line.add("eth.src", "{}", found.ethernet().src());
    for (std::size_t i = 0; i < found.vlan_count(); ++i) {
        const bool is_outer = i + 1 < found.vlan_count();
        line.add(is_outer ? "ieee8021ad.id" : "vlan.id", "{}", found.vlan(i).id());
        line.add(is_outer ? "ieee8021ad.priority" : "vlan.priority", "{}", found.vlan(i).priority());
    }
    if (const auto arp = found.arp()) {
        line.add("arp.opcode", "{}", arp.operation());
        line.add("arp.src.hw_mac", "{}", arp.sender_mac());
        line.add("arp.dst.proto_ipv4", "{}", arp.target_ip());
    }
    if (const auto ip = found.ipv4()) {
        line.add("ip.src", "{}", ip.src());
        line.add("ip.dst", "{}", ip.dst());
        line.add("ip.len", "{}", ip.total_bytes());
        line.add("ip.id", "{:#06x}", ip.identification());
        line.add("ip.dsfield", "{:#04x}", ip.tos());
        line.add("ip.ttl", "{}", ip.ttl());
        line.add("ip.checksum.status", "{:d}", ip.checksum_is_right());
    }
    if (const auto ip = found.ipv6()) {
        line.add("ipv6.src", "{}", ip.src());
        line.add("ipv6.dst", "{}", ip.dst());
        line.add("ipv6.plen", "{}", ip.payload_bytes());
        line.add("ipv6.flow", "{:#08x}", ip.flow_label());
        line.add("ipv6.tclass", "{:#010x}", ip.traffic_class());
        line.add("ipv6.hlim", "{}", ip.hop_limit());
    }
    const bool is_right = found.transport_checksum() == ChecksumVerdict::right;
    if (const auto udp_view = found.udp()) {
        line.add("udp.srcport", "{}", udp_view.src_port());
        line.add("udp.dstport", "{}", udp_view.dst_port());
        line.add("udp.length", "{}", udp_view.total_bytes());
        line.add("udp.checksum.status", "{:d}", is_right);
    }
    if (const auto tcp_view = found.tcp()) {
        line.add("tcp.dstport", "{}", tcp_view.dst_port());
        line.add("tcp.seq_raw", "{}", tcp_view.sequence());
        line.add("tcp.ack_raw", "{}", tcp_view.acknowledgment());
        line.add("tcp.flags", "{:#06x}", tcp_view.flags());
        line.add("tcp.window_size_value", "{}", tcp_view.window());
        line.add("tcp.len", "{}", found.payload().size());
        line.add("tcp.checksum.status", "{:d}", is_right);
    }
    if (const auto icmp = found.icmp()) {
        line.add("icmp.type", "{}", icmp.type());
        line.add("icmp.ident", "{}", icmp.identifier());
        line.add("icmp.seq", "{}", icmp.sequence());
        line.add("icmp.checksum.status", "{:d}", is_right);
    }
    if (const auto icmp = found.icmpv6()) {
        line.add("icmpv6.type", "{}", icmp.type());
        line.add("icmpv6.echo.identifier", "{:#06x}", icmp.identifier());
        line.add("icmpv6.echo.sequence_number", "{}", icmp.sequence());
        line.add("icmpv6.checksum.status", "{:d}", is_right);
    }
    return line;
}

/// Prints for each frame every field that any frame has; missing ones are empty.
void expect_agreement(const std::vector<Frame>& frames) {
    std::set<std::string> names;
    std::vector<Line> lines;
    for (const auto& frame : frames) {
        lines.push_back(as_views_see(Headers<const std::uint8_t>{frame}));
        for (const auto& [name, value] : lines.back().fields) names.insert(name);
    }
    std::string options = pktverbs::test::tshark_checks;
    options += " -T fields -E separator=';' -E occurrence=f";
    for (const auto& name : names) options += " -e " + name;
    std::istringstream printed{pktverbs::test::tshark(frames, options)};
    for (auto& line : lines) {
        std::string expected;
        for (const auto& name : names)
            expected += fmt::format("{}{}={}", expected.empty() ? "" : ";", name, line.fields[name]);
        std::string text;
        ASSERT_TRUE(std::getline(printed, text));
        std::istringstream values{text};
        std::string seen;
        for (const auto& name : names) {
            std::string value;
            std::getline(values, value, ';');
            seen += fmt::format("{}{}={}", seen.empty() ? "" : ";", name, value);
        }
        EXPECT_EQ(expected, seen);
    }
}

class HeadersAndTshark : public ::testing::Test {
protected:
    void SetUp() override {
        if (!pktverbs::test::has_tshark()) GTEST_SKIP() << "NOT TESTED: tshark is not installed";
    }
};

TEST_F(HeadersAndTshark, AgreeOnEveryKind) {
    std::vector<Frame> frames{frame_of(FrameTemplate{tagged, arp}, 0)};
    for (const auto& [name, headers] : transport_kinds()) {
        frames.push_back(frame_of(headers, 5, {.identification = 77, .sequence = 0x10203}));
        frames.push_back(frame_of(headers, 6));
        frames.back().back() ^= 1;
        ASSERT_EQ(Headers{frames.back()}.transport_checksum(), ChecksumVerdict::wrong) << name;
    }
    expect_agreement(frames);
}

}  // namespace
}  // namespace pktverbs::net::test
