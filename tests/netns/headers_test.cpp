// SPDX-License-Identifier: Apache-2.0
// The kernel reads frames made by templates, and drops those with a wrong checksum; views read the kernel's answers.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs::net {
namespace {

using namespace std::chrono_literals;
using Frame = std::vector<std::uint8_t>;

using pktverbs::test::port;

/// A kernel socket on every address of its namespace.
FileDescriptor kernel_socket(int family, int type) {
    FileDescriptor fd{socket(family, type | SOCK_CLOEXEC, 0)};
    sockaddr_in6 any6{};
    any6.sin6_family = AF_INET6;
    any6.sin6_port = htons(port);
    sockaddr_in any4{};
    any4.sin_family = AF_INET;
    any4.sin_port = htons(port);
    const bool is_ipv6 = family == AF_INET6;
    const int on = 1;
    if (is_ipv6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    const auto* const any = is_ipv6 ? reinterpret_cast<const sockaddr*>(&any6) : reinterpret_cast<sockaddr*>(&any4);
    EXPECT_EQ(bind(fd.get(), any, is_ipv6 ? sizeof any6 : sizeof any4), 0);
    return fd;
}

/// The next datagram that the kernel accepted; nullopt after ten seconds.
std::optional<Frame> next_datagram(const FileDescriptor& fd) {
    pollfd watched{fd.get(), POLLIN, 0};
    if (poll(&watched, 1, 10000) != 1) return {};
    Frame payload(65536);
    const auto bytes = recv(fd.get(), payload.data(), payload.size(), 0);
    if (bytes < 0) return {};
    payload.resize(static_cast<std::size_t>(bytes));
    return payload;
}

/// The test is at the left end, on the packet link; the kernel is at the right one.
class HeadersAndKernel : public ::testing::Test {
protected:
    void SetUp() override {
        if (!pktverbs::test::NetworkNamespace::unavailable().empty())
            GTEST_SKIP() << "NOT TESTED: " << pktverbs::test::NetworkNamespace::unavailable();
        veth.emplace(pktverbs::test::VethPair::Options{.ipv6 = true});
        veth->left.run([&] { ctx.emplace("packet:left0", Options{.send_packets = 4, .recv_packets = 64}); });
        flow.emplace(ctx->install(FlowRule{}.own_mac()));
        ethernet = {.dst = veth->right.mac, .src = veth->left.mac};
        ipv4 = {.src = Ipv4Address{veth->left.ipv4}, .dst = Ipv4Address{veth->right.ipv4}};
        ipv6 = {.src = Ipv6Address{veth->left.ipv6}, .dst = Ipv6Address{veth->right.ipv6}};
    }

    void send(const Frame& frame) {
        auto packets = ctx->acquire(1, 10s);
        ASSERT_EQ(packets.size(), 1U);
        packets.front().set_length(frame.size());
        std::ranges::copy(frame, packets.front().bytes().begin());
        ASSERT_TRUE(ctx->send(std::move(packets)).empty());
        ASSERT_TRUE(ctx->flush(10s));
    }
    /// The first frame that `wanted` is true of; empty after ten seconds (or as many) without any.
    template <class Wanted>
    Frame receive(Wanted&& wanted, std::chrono::seconds patience = 10s) {
        for (;;) {
            const auto packets = ctx->recv(patience);
            if (packets.empty()) return {};
            for (const auto& pkt : packets)
                if (wanted(Headers{ConstBytes{pkt.bytes()}})) return {pkt.bytes().begin(), pkt.bytes().end()};
        }
    }
    Frame frame_of(const FrameTemplate& headers, const Frame& payload, const Stamp& stamp = {}) {
        Frame frame(headers.header_bytes());
        frame.insert(frame.end(), payload.begin(), payload.end());
        EXPECT_EQ(headers.write(frame, payload.size(), stamp), frame.size());
        return frame;
    }
    Frame random_bytes(std::size_t size) {
        Frame bytes(size);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        return bytes;
    }

    /// Datagrams of many sizes arrive complete, and a damaged one before each doesn't.
    template <class Ip>
    void expect_datagrams(const Ip& ip, int family) {
        const auto socket = veth->right.run([&] { return kernel_socket(family, SOCK_DGRAM); });
        const FrameTemplate headers{ethernet, ip, Udp{.src_port = 1000, .dst_port = port}};
        for (const std::size_t size : {0U, 1U, 2U, 3U, 17U, 18U, 1000U, 1451U, 1452U}) {
            const auto payload = random_bytes(size);
            const auto right = frame_of(headers, payload);
            auto wrong = right;
            wrong[headers.header_bytes() - 2] ^= 0x10;  // in the checksum
            send(wrong);
            send(right);
            EXPECT_EQ(next_datagram(socket), payload) << size;
        }
    }

    /// The kernel answers echo requests of many sizes, and no damaged one.
    template <class Ip, class IsReply>
    void expect_echo(const Ip& ip, const IsReply& is_reply) {
        const FrameTemplate headers{ethernet, ip, Echo{.identifier = 0x1234}};
        std::uint32_t sequence = 0;
        for (const std::size_t size : {0U, 1U, 2U, 3U, 17U, 18U, 1000U, 1451U, 1452U}) {
            const auto payload = random_bytes(size);
            auto wrong = frame_of(headers, payload, {.sequence = ++sequence});
            wrong[headers.header_bytes() - 6] ^= 0x10;  // in the checksum
            send(wrong);
            const auto right = frame_of(headers, payload, {.sequence = ++sequence});
            // Repeats if needed: an interface that has just come up may lose the kernel's neighbour request.
            Frame answer;
            for (int tries = 0; tries < 5 && answer.empty(); ++tries) {
                send(right);
                answer = receive(is_reply, 3s);
            }
            ASSERT_FALSE(answer.empty()) << size;
            const Headers found{answer};
            EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::right) << size;
            EXPECT_EQ(Frame(found.payload().begin(), found.payload().end()), payload) << size;
            const auto echo = found.icmp() ? found.icmp().sequence() : found.icmpv6().sequence();
            EXPECT_EQ(echo, sequence) << size;
        }
    }

    std::optional<pktverbs::test::VethPair> veth;
    std::optional<Context> ctx;
    std::optional<Flow> flow;
    Ethernet ethernet;
    Ipv4 ipv4;
    Ipv6 ipv6;
    std::mt19937 random{1};
};

TEST_F(HeadersAndKernel, AgreeOnUdpOverIpv4) { expect_datagrams(ipv4, AF_INET); }
TEST_F(HeadersAndKernel, AgreeOnUdpOverIpv6) { expect_datagrams(ipv6, AF_INET6); }

TEST_F(HeadersAndKernel, AgreeOnIcmpEcho) {
    expect_echo(ipv4, [](const auto& headers) {
        return headers.icmp() && headers.icmp().is_echo_reply() && headers.ipv4().checksum_is_right();
    });
}
TEST_F(HeadersAndKernel, AgreeOnIcmpv6Echo) {
    expect_echo(ipv6, [](const auto& headers) { return headers.icmpv6() && headers.icmpv6().is_echo_reply(); });
}

TEST_F(HeadersAndKernel, AgreeOnIpv4sChecksum) {
    const auto socket = veth->right.run([] { return kernel_socket(AF_INET, SOCK_DGRAM); });
    auto ip = ipv4;
    ip.tos = 0xb8;
    ip.ttl = 1;
    const FrameTemplate headers{ethernet, ip, Udp{.dst_port = port, .checksum = false}};
    for (std::uint16_t i = 0; i < 100; ++i) {
        const auto payload = random_bytes(i);
        const auto right = frame_of(headers, payload, {.identification = static_cast<std::uint16_t>(random())});
        auto wrong = right;
        wrong[14 + 11] ^= 1;
        send(wrong);
        send(right);
        ASSERT_EQ(next_datagram(socket), payload) << i;
    }
}

TEST_F(HeadersAndKernel, AgreeOnTcp) {
    const auto listener = veth->right.run([] {
        auto fd = kernel_socket(AF_INET6, SOCK_STREAM);
        EXPECT_EQ(listen(fd.get(), 8), 0);
        return fd;
    });
    const FrameTemplate headers{ethernet, ipv6,
                                Tcp{.src_port = 40000, .dst_port = port, .flags = Tcp::syn, .window = 1000}};
    auto wrong = frame_of(headers, {}, {.sequence = 1});
    wrong[headers.header_bytes() - 4] ^= 1;
    send(wrong);
    send(frame_of(headers, {}, {.sequence = 0x12345678}));
    const auto answer = receive([](const auto& found) { return found.tcp() && found.tcp().dst_port() == 40000; });
    const Headers found{answer};
    ASSERT_TRUE(found.tcp());
    EXPECT_TRUE(found.tcp().has(Tcp::syn));
    EXPECT_TRUE(found.tcp().has(Tcp::ack));
    EXPECT_EQ(found.tcp().acknowledgment(), 0x12345679U);
    EXPECT_FALSE(found.tcp().options().empty());
    EXPECT_EQ(found.transport_checksum(), ChecksumVerdict::right);
}

TEST_F(HeadersAndKernel, AgreeOnVlanTags) {
    try {
        veth->right.name_space.ip({"link", "add", "link", "right0", "name", "tag", "type", "vlan", "id", "100"});
    } catch (const std::runtime_error& error) {
        GTEST_SKIP() << "NOT TESTED: this kernel has no VLAN interfaces: " << error.what();
    }
    veth->right.name_space.ip({"addr", "add", "10.78.0.2/24", "dev", "tag"});
    veth->right.name_space.ip({"link", "set", "tag", "up"});
    const auto socket = veth->right.run([] { return kernel_socket(AF_INET, SOCK_DGRAM); });
    auto tagged = ethernet;
    tagged.vlan = Vlan{.id = 100, .priority = 3};
    const Ipv4 ip{.src = Ipv4Address{"10.78.0.1"}, .dst = Ipv4Address{"10.78.0.2"}};
    const auto payload = random_bytes(33);
    // Frames with another tag are not taken.
    auto other = tagged;
    other.vlan->id = 101;
    send(frame_of(FrameTemplate{other, ip, Udp{.dst_port = port}}, random_bytes(9)));
    send(frame_of(FrameTemplate{tagged, ip, Udp{.dst_port = port}}, payload));
    EXPECT_EQ(next_datagram(socket), payload);
}

TEST_F(HeadersAndKernel, AgreeOnArp) {
    const Arp request{.sender_mac = ethernet.src, .sender_ip = ipv4.src, .target_ip = ipv4.dst};
    auto to_all = ethernet;
    to_all.dst = MacAddress::broadcast();
    send(frame_of(FrameTemplate{to_all, request}, {}));
    const auto answer = receive([](const auto& found) { return static_cast<bool>(found.arp()); });
    const auto arp = Headers{answer}.arp();
    ASSERT_TRUE(arp);
    EXPECT_EQ(arp.operation(), Arp::reply);
    EXPECT_EQ(arp.sender_mac(), veth->right.mac);
    EXPECT_EQ(arp.sender_ip(), ipv4.dst);
    EXPECT_EQ(arp.target_mac(), veth->left.mac);
}

}  // namespace
}  // namespace pktverbs::net
