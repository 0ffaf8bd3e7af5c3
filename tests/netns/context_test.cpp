// SPDX-License-Identifier: Apache-2.0
// Context over the packet link, with the kernel's own network stack at the other end of the cable.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using namespace std::chrono_literals;
using test::NetworkNamespace;
using test::patience;
using test::port;
using test::VethPair;

const Options small{.send_packets = 64, .recv_packets = 64, .max_packet_size = 2048};

sockaddr_in address(const std::string& ip) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    inet_pton(AF_INET, ip.c_str(), &to.sin_addr);
    return to;
}

/// A kernel UDP socket in the namespace of one end.
FileDescriptor udp_socket(const VethPair::End& end, bool bound) {
    return end.run([&] {
        FileDescriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        const sockaddr_in own = address(end.ipv4);
        if (bound && bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) ADD_FAILURE();
        return socket;
    });
}

void send_text(const FileDescriptor& socket, const std::string& ip, const std::string& text) {
    const sockaddr_in to = address(ip);
    ASSERT_EQ(sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(text.size()));
}

/// The bytes after the UDP header of an untagged frame without IP options.
std::string payload(const RecvPkt& pkt) {
    const auto bytes = pkt.bytes();
    return bytes.size() < 42 ? "" : std::string{bytes.begin() + 42, bytes.end()};
}

class ContextOnCable : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
        veth.emplace();
    }
    Context open(const std::string& device, const Options& options = small) {
        return veth->left.run([&] { return Context{device, options}; });
    }

    std::optional<VethPair> veth;
};

TEST_F(ContextOnCable, CountsFragmentsThatARuleForPortsMisses) {
    Context by_port = open("packet:left0");
    Context by_address = open("packet:left0");
    const Flow port_flow = by_port.install(FlowRule{}.own_mac().udp().dst_port(port));
    const Flow address_flow = by_address.install(FlowRule{}.own_mac().udp());
    const auto socket = udp_socket(veth->right, false);
    send_text(socket, veth->left.ipv4, std::string(3000, 'x'));  // three pieces of up to 1480 bytes
    send_text(socket, veth->left.ipv4, "whole");
    const RecvList list = by_port.recv(patience);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(payload(*list.begin()), "whole");
    EXPECT_EQ(by_port.stats().drops.fragments, 3U);
    std::size_t got = 0;
    while (got < 4) {
        const RecvList some = by_address.recv(patience);
        ASSERT_FALSE(some.empty());
        got += some.size();
    }
    EXPECT_EQ(got, 4U);
    EXPECT_EQ(by_address.stats().drops.fragments, 0U);
}

TEST_F(ContextOnCable, ReceivesWhatTheKernelSends) {
    Context ctx = open("packet:left0");
    EXPECT_EQ(ctx.limits().mac, veth->left.mac);
    EXPECT_EQ(ctx.limits().mtu, 1500U);
    const Flow flow = ctx.install(FlowRule{}.own_mac().udp().dst_port(port));
    send_text(udp_socket(veth->right, false), veth->left.ipv4, "a correlator's dump");
    const RecvList list = ctx.recv(patience);
    ASSERT_EQ(list.outcome(), Outcome::packets);
    EXPECT_EQ(payload(list.front()), "a correlator's dump");
    EXPECT_TRUE(list.front().checksum_ok());
}

TEST_F(ContextOnCable, GetsNothingThatNoRuleWants) {
    Context ctx = open("packet:left0");
    const Flow flow = ctx.install(FlowRule{}.udp().dst_port(port + 1));
    send_text(udp_socket(veth->right, false), veth->left.ipv4, "for another port");
    const Flow wanted = ctx.install(FlowRule{}.udp().dst_port(port));
    send_text(udp_socket(veth->right, false), veth->left.ipv4, "for this one");
    const RecvList list = ctx.recv(patience);
    ASSERT_EQ(list.size(), 1U);
    EXPECT_EQ(payload(list.front()), "for this one");
}

TEST_F(ContextOnCable, SendsWhatTheKernelReceives) {
    Context ctx = open("packet:left0");
    const FileDescriptor socket = udp_socket(veth->right, true);
    const std::string text = "sixteen octets..";
    SendList packets = ctx.acquire(1);
    ASSERT_EQ(packets.size(), 1U);
    SendPkt& pkt = packets.front();
    const std::array<std::uint8_t, 42> headers{
        2,    0,    0,    0,    0, 2,  2,    0, 0,  0,  0,    1,    8,  0,  // right's MAC, left's MAC, IPv4
        0x45, 0,    0,    44,   0, 0,  0x40, 0, 64, 17, 0x25, 0x05, 10, 77, 0, 1, 10, 77, 0, 2,  // 44 bytes, UDP
        0x1b, 0xec, 0x1b, 0xec, 0, 24, 0,    0};  // port 7148 to 7148, no checksum
    std::memcpy(pkt.buffer().data(), headers.data(), headers.size());
    std::memcpy(pkt.buffer().data() + headers.size(), text.data(), text.size());
    // The IPv4 header's checksum: the ones' complement of the sum of its words (RFC 791).
    std::uint32_t sum = 0;
    for (std::size_t i = 14; i < 34; i += 2)
        if (i != 24) sum += static_cast<std::uint32_t>(pkt.buffer()[i] << 8 | pkt.buffer()[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    pkt.buffer()[24] = static_cast<std::uint8_t>(~sum >> 8);
    pkt.buffer()[25] = static_cast<std::uint8_t>(~sum);
    pkt.set_length(headers.size() + text.size());
    EXPECT_TRUE(ctx.send(std::move(packets)).empty());
    EXPECT_TRUE(ctx.flush(patience));

    pollfd waiting{socket.get(), POLLIN, 0};
    ASSERT_EQ(poll(&waiting, 1, 20'000), 1);
    std::array<char, 64> received{};
    const auto length = recv(socket.get(), received.data(), received.size(), 0);
    EXPECT_EQ(std::string(received.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))), text);
}

TEST_F(ContextOnCable, FallsBackToTheSoftDeviceAndReportsIt) {
    Context ctx = open("left0");
    EXPECT_EQ(ctx.device().name, "packet:left0");
    EXPECT_EQ(ctx.device().note, "left0 has no verbs device: using the soft device packet:left0");
}

TEST_F(ContextOnCable, JoinsAMulticastGroupWhileARuleWantsIt) {
    Context ctx = open("packet:left0");
    const auto joined = [&] {
        return veth->left.run([] {
            std::ifstream table{"/proc/thread-self/net/igmp"};
            const std::string text{std::istreambuf_iterator<char>{table}, {}};
            return text.find("960102EF") != std::string::npos;  // 239.2.1.150, as a little-endian word
        });
    };
    veth->left.run([&] {
        Flow flow = ctx.install(FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(port));
        EXPECT_EQ(flow.rule().fields().dst_mac, MacAddress{"01:00:5e:02:01:96"});
        EXPECT_TRUE(joined());
        veth->right.name_space.ip({"route", "add", "239.0.0.0/8", "dev", "right0"});
        send_text(udp_socket(veth->right, false), "239.2.1.150", "to a group");
        const RecvList list = ctx.recv(patience);
        ASSERT_EQ(list.size(), 1U);
        EXPECT_EQ(payload(list.front()), "to a group");
    });
    EXPECT_FALSE(joined());
}

TEST_F(ContextOnCable, WakesABlockedReceiverByItsDescriptor) {
    Context ctx = open("packet:left0");
    const Flow flow = ctx.install(FlowRule{}.udp().dst_port(port));
    ASSERT_TRUE(ctx.arm());
    ASSERT_TRUE(ctx.recv(0ns).empty());
    pollfd waiting{ctx.fd(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, 0), 0);
    send_text(udp_socket(veth->right, false), veth->left.ipv4, "wake up");
    EXPECT_EQ(poll(&waiting, 1, 20'000), 1);
    ctx.drain();
    EXPECT_EQ(ctx.recv(patience).size(), 1U);
}

TEST_F(ContextOnCable, SaysWhenTheLinkIsDown) {
    veth->right.set_up(false);
    veth->left.wait_for_carrier(false);
    try {
        open("packet:left0");
        FAIL() << "opened a port without a link";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), ENETDOWN);
        EXPECT_NE(std::string{error.what()}.find("ip link set left0 up"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace pktverbs
