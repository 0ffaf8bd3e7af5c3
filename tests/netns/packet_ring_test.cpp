// SPDX-License-Identifier: Apache-2.0
// The packet link's ring, when the kernel takes a place in it and doesn't fill it.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <vector>

#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using test::NetworkNamespace;
using test::patience;
using test::port;
using test::VethPair;

/// Numbers of four bytes in the kernel's datagrams, without errors that no socket takes them.
class NumberSender {
public:
    explicit NumberSender(const VethPair& veth)
        : socket_{veth.left.run([] { return FileDescriptor{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}; })} {
        to_.sin_family = AF_INET;
        to_.sin_port = htons(port);
        EXPECT_EQ(::inet_pton(AF_INET, veth.right.ipv4.c_str(), &to_.sin_addr), 1);
    }
    /// Several are split into segments of one number each, by the NIC if it can; veth hands them over as one frame.
    void send(const std::vector<std::uint32_t>& numbers) const {
        const int segment = numbers.size() > 1 ? 4 : 0;
        ASSERT_EQ(::setsockopt(socket_.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
        const std::size_t bytes = 4 * numbers.size();
        ASSERT_EQ(
            ::sendto(socket_.get(), numbers.data(), bytes, 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_),
            static_cast<ssize_t>(bytes))
            << std::strerror(errno);
    }

private:
    FileDescriptor socket_;
    sockaddr_in to_{};
};

// Before Linux 6.2 the kernel can't describe segments of UDP, and leaves their place unchanged (tpacket_rcv() in
// net/packet/af_packet.c): the old contents must not be delivered again.
TEST(PacketRing, GivesNothingTwiceWhereAPlaceIsLeftUnfilled) {
    if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
    const VethPair veth;
    Context ctx = veth.right.run([] {
        return Context{"packet:right0", {.send_packets = none, .recv_packets = 64, .max_packet_size = 2048}};
    });
    const Flow flow = ctx.install(FlowRule{}.own_mac().udp().dst_port(port));
    const NumberSender sender{veth};
    std::set<std::uint32_t> seen;
    const auto receive_until = [&](std::uint32_t last) {
        while (!seen.contains(last)) {
            const RecvList list = ctx.recv(patience);
            ASSERT_FALSE(list.empty()) << last << " did not come";
            for (const auto& pkt : list) {
                const auto payload = net::Headers{pkt.bytes()}.payload();
                for (std::size_t at = 0; at + 4 <= payload.size(); at += 4) {
                    std::uint32_t number;
                    std::memcpy(&number, payload.data() + at, 4);
                    EXPECT_TRUE(seen.insert(number).second) << number << " came twice";
                }
            }
        }
    };
    // One by one, so that each begins a block of the ring: more than the ring has, so that all blocks have old
    // contents.
    constexpr std::uint32_t numbers = 200;
    for (std::uint32_t number = 0; number < numbers; ++number) {
        sender.send({number});
        receive_until(number);
    }
    for (std::uint32_t number = numbers; number < numbers + 40; number += 4) {
        sender.send({number, number + 1, number + 2});
        sender.send({number + 3});
        receive_until(number + 3);
    }
}

}  // namespace
}  // namespace pktverbs
