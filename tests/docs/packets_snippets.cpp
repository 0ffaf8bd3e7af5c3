// SPDX-License-Identifier: Apache-2.0
// The code in docs/packets.md: what stands between "// [NAME]" and "// [/NAME]" stands there word for word.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

std::size_t taken = 0;
std::size_t damaged = 0;

// [take]
void take(std::span<const std::uint8_t> frame) {
    const net::Headers found{frame};
    if (const auto udp = found.udp(); udp && udp.dst_port() == 7148) {
        taken += udp.payload().size();  // without Ethernet's padding
        if (const auto ip = found.ipv4()) fmt::print("from {}, ttl {}\n", ip.src(), ip.ttl());
        if (const auto tag = found.vlan()) fmt::print("in VLAN {}\n", tag.id());
    }
    if (found.is_malformed()) ++damaged;
    if (found.transport_checksum() == net::ChecksumVerdict::wrong) ++damaged;
}
// [/take]

// [forward]
bool forward(std::span<std::uint8_t> frame, const MacAddress& from, const MacAddress& to) {
    const net::Headers found{frame};
    const auto ip = found.ipv4();
    if (!ip || ip.ttl() < 2) return false;
    found.ethernet().set_src(from);
    found.ethernet().set_dst(to);
    const auto word = [&] { return static_cast<std::uint16_t>(ip.ttl() << 8 | ip.protocol()); };
    const auto before = word();
    ip.set_ttl(static_cast<std::uint8_t>(ip.ttl() - 1));
    ip.set_checksum(net::update_checksum(ip.checksum(), before, word()));
    return true;
}
// [/forward]

// [template]
constexpr Ipv4Address group{Ipv4Address::Bytes{239, 2, 1, 150}};
constexpr net::FrameTemplate stream{net::Ethernet{.dst = group.multicast_mac(), .vlan = net::Vlan{.id = 100}},
                                    net::Ipv4{.dst = group, .ttl = 1}, net::Udp{.dst_port = 7148}};

void send_numbers(Context& ctx, std::uint64_t& number) {
    auto packets = ctx.acquire(32);
    for (auto& pkt : packets) {
        net::store(&pkt.buffer()[stream.header_bytes()], number++);  // the payload first: the checksum is over it
        pkt.set_length(stream.write(pkt.buffer(), sizeof number));
    }
    ctx.send(std::move(packets));
}
// [/template]

TEST(PacketsSnippets, Run) {
    Context sender{"wire:packets_snippets", {.send_packets = 32, .recv_packets = none}};
    Context receiver{"wire:packets_snippets", {.send_packets = none, .recv_packets = 64}};
    const auto flow = receiver.install(FlowRule{}.sniffer());
    std::uint64_t number = 0;
    send_numbers(sender, number);
    const auto packets = receiver.recv(10s);
    ASSERT_EQ(packets.size(), 32U);
    for (auto& pkt : packets) {
        take(pkt.bytes());
        EXPECT_FALSE(forward(pkt.bytes(), {}, {}));  // its ttl is 1
        net::Headers{pkt.bytes()}.ipv4().set_ttl(9);
        net::Headers{pkt.bytes()}.fill_checksums();
        EXPECT_TRUE(forward(pkt.bytes(), {}, {}));
        EXPECT_TRUE(net::Headers{pkt.bytes()}.ipv4().checksum_is_right());
    }
    EXPECT_EQ(taken, 32 * sizeof number);
    EXPECT_EQ(damaged, 0U);
}

}  // namespace
