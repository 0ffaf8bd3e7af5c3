// SPDX-License-Identifier: Apache-2.0
// The kernel's tunnels over veth: it leaves the inner checksum to the NIC, and the packet link finishes it.
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using namespace std::chrono_literals;
using test::NetworkNamespace;
using test::port;
using test::VethPair;
using Frame = std::vector<std::uint8_t>;
using Words = std::vector<std::string>;

constexpr std::uint8_t protocol_ipip = 4, protocol_ipv6 = 41, protocol_gre = 47;
constexpr std::uint16_t geneve_port = 6081, transparent_ethernet = 0x6558;

struct Tunnel {
    std::string name;
    Words type;                      ///< for ip link add, after "type"
    std::optional<bool> checksum{};  ///< whether the tunnel's own is on; nullopt if there is none
    bool over_ipv6 = false;
    bool carries_ipv6 = false;
    bool ethernet = false;
};

const Tunnel tunnels[] = {
    {"Vxlan", {"vxlan", "id", "5", "dstport", "4789", "udpcsum"}, true, false, false, true},
    {"VxlanWithoutChecksum", {"vxlan", "id", "5", "dstport", "4789", "noudpcsum"}, false, false, false, true},
    {"VxlanOverIpv6", {"vxlan", "id", "5", "dstport", "4789", "noudp6zerocsumtx"}, true, true, false, true},
    {"VxlanOfIpv6", {"vxlan", "id", "5", "dstport", "4789", "udpcsum"}, true, false, true, true},
    {"Geneve", {"geneve", "id", "5", "udpcsum"}, true, false, false, true},
    {"GeneveWithoutChecksum", {"geneve", "id", "5", "noudpcsum"}, false, false, false, true},
    {"Gretap", {"gretap"}, std::nullopt, false, false, true},
    {"GretapWithChecksum", {"gretap", "ocsum"}, true, false, false, true},
    {"Gre", {"gre"}},
    {"GreWithKeyAndChecksum", {"gre", "key", "7", "ocsum"}, true},
    {"Ip6gre", {"ip6gre"}, std::nullopt, true},
    {"Ipip", {"ipip"}},
    {"Sit", {"sit"}, std::nullopt, false, true},
    {"Ip6tnl", {"ip6tnl", "mode", "any"}, std::nullopt, true},
};

/// A tunnel's payload as a frame; without Ethernet, after addresses of zeros.
struct Inner {
    Frame frame;
    bool own_checksum_right = true;  ///< GRE's
    bool has_own_checksum = false;
};

Frame with_type(std::uint16_t type, std::span<const std::uint8_t> packet) {
    Frame frame(14);
    net::store(&frame[12], type);
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
}

Inner inner_of_udp(const net::UdpView<const std::uint8_t>& udp) {
    const auto payload = udp.payload();
    const std::size_t options = udp.dst_port() == geneve_port ? 4 * std::size_t{payload[0] & 0x3fU} : 0;
    const auto rest = payload.subspan(8 + options);
    return {.frame = {rest.begin(), rest.end()}, .has_own_checksum = udp.checksum() != 0};
}

Inner inner_of_gre(std::span<const std::uint8_t> packet) {
    const auto flags = net::load<std::uint16_t>(packet.data());
    const auto type = net::load<std::uint16_t>(packet.data() + 2);
    std::size_t header = 4;
    for (const unsigned optional : {0x8000U, 0x2000U, 0x1000U})  // checksum, key, sequence number (RFC 2890)
        if ((flags & optional) != 0) header += 4;
    Inner inner;
    inner.has_own_checksum = (flags & 0x8000) != 0;
    inner.own_checksum_right = !inner.has_own_checksum || net::InternetSum{}.add(packet).is_right();
    const auto rest = packet.subspan(header);
    inner.frame = type == transparent_ethernet ? Frame{rest.begin(), rest.end()} : with_type(type, rest);
    return inner;
}

std::optional<Inner> inner_of(std::span<const std::uint8_t> frame) {
    const net::Headers outer{frame};
    if (const auto udp = outer.udp()) return inner_of_udp(udp);
    switch (outer.protocol()) {
        case protocol_gre:
            return inner_of_gre(outer.payload());
        case protocol_ipip:
            return Inner{.frame = with_type(net::ether_type::ipv4, outer.payload())};
        case protocol_ipv6:
            return Inner{.frame = with_type(net::ether_type::ipv6, outer.payload())};
        default:
            return std::nullopt;
    }
}

class TunnelTest : public ::testing::TestWithParam<Tunnel> {
protected:
    static constexpr int patience_ms = 20'000;  // a test that needs it has failed

    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
        const Tunnel& tunnel = GetParam();
        const bool ipv6 = tunnel.over_ipv6 || tunnel.carries_ipv6;
        veth.emplace(VethPair::Options{.ipv6 = ipv6});
        const NetworkNamespace& from = veth->left.name_space;
        Words add{"link", "add", "t0", "type"};
        add.insert(add.end(), tunnel.type.begin(), tunnel.type.end());
        const auto& local = tunnel.over_ipv6 ? veth->left.ipv6 : veth->left.ipv4;
        const auto& remote = tunnel.over_ipv6 ? veth->right.ipv6 : veth->right.ipv4;
        add.insert(add.end(), {"remote", remote});
        if (tunnel.type[0] != "geneve") add.insert(add.end(), {"local", local, "dev", "left0"});
        try {
            from.ip(add);
        } catch (const std::runtime_error& error) {
            if (std::string{error.what()}.find("Unknown device type") == std::string::npos) throw;
            ASSERT_EQ(std::getenv("PKTVERBS_SOFTROCE"), nullptr) << "Debian's kernel has it";
            GTEST_SKIP() << "NOT TESTED: this kernel has no " << tunnel.type[0];
        }
        std::string lines = ipv6 ? "link set t0 addrgenmode none\n" : "";
        lines += "link set t0 up\naddress add dev t0 ";
        lines += tunnel.carries_ipv6 ? "fd88::1/64 nodad\n" : "10.88.0.1/24\n";
        if (tunnel.ethernet) lines += "neighbour replace " + peer() + " lladdr 02:00:00:00:88:02 dev t0\n";
        from.ip_batch(lines);
    }

    static std::string peer() { return GetParam().carries_ipv6 ? "fd88::2" : "10.88.0.2"; }

    /// A socket that has sent to the other end of the tunnel: for TCP, its SYN.
    FileDescriptor connect(int type) const {
        return veth->left.run([&] {
            const int family = GetParam().carries_ipv6 ? AF_INET6 : AF_INET;
            FileDescriptor socket{::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
            sockaddr_in ipv4{};
            sockaddr_in6 to_ipv6{};
            ipv4.sin_family = AF_INET;
            to_ipv6.sin6_family = AF_INET6;
            ipv4.sin_port = to_ipv6.sin6_port = htons(port);
            void* const at = family == AF_INET ? static_cast<void*>(&ipv4.sin_addr) : &to_ipv6.sin6_addr;
            EXPECT_EQ(::inet_pton(family, peer().c_str(), at), 1);
            const auto* const to = family == AF_INET ? reinterpret_cast<const sockaddr*>(&ipv4)
                                                     : reinterpret_cast<const sockaddr*>(&to_ipv6);
            const int result = ::connect(socket.get(), to, family == AF_INET ? sizeof ipv4 : sizeof to_ipv6);
            EXPECT_TRUE(result == 0 || errno == EINPROGRESS) << std::strerror(errno);
            return socket;
        });
    }
    static void send(const FileDescriptor& socket, std::size_t bytes) {
        const Frame payload(bytes, 0x5a);
        EXPECT_EQ(::send(socket.get(), payload.data(), bytes, 0), static_cast<ssize_t>(bytes)) << std::strerror(errno);
    }

    /// All checksums of a frame that came through the tunnel, to `port`; nothing for any other.
    struct Checked {
        bool tcp = false;
        std::size_t payload_bytes = 0;
        bool right = true;
        bool inner_right = true;
    };
    static std::optional<Checked> check(std::span<const std::uint8_t> frame) {
        const net::Headers outer{frame};
        const auto inner = inner_of(frame);
        if (!inner) return std::nullopt;
        const net::Headers found{std::span<const std::uint8_t>{inner->frame}};
        const auto udp = found.udp();
        const auto tcp = found.tcp();
        if (!(udp && udp.dst_port() == port) && !(tcp && tcp.dst_port() == port)) return std::nullopt;
        if (GetParam().checksum) {
            EXPECT_EQ(inner->has_own_checksum, *GetParam().checksum);
        }
        Checked checked{.tcp = static_cast<bool>(tcp), .payload_bytes = found.payload().size()};
        checked.inner_right = found.transport_checksum() == net::ChecksumVerdict::right;
        checked.right = checked.inner_right && inner->own_checksum_right;
        if (const auto ip = outer.ipv4()) checked.right &= ip.checksum_is_right();
        if (const auto ip = found.ipv4()) checked.right &= ip.checksum_is_right();
        const auto wanted =
            outer.udp() && inner->has_own_checksum ? net::ChecksumVerdict::right : net::ChecksumVerdict::none;
        checked.right &= outer.transport_checksum() == wanted;
        return checked;
    }

    struct Received {
        Checked checked;
        bool vouched;
    };
    /// Frames that arrive through the tunnel at a context, until `enough` returns true.
    template <class Enough>
    std::vector<Received> receive(Context& ctx, Enough enough) {
        std::vector<Received> all;
        while (!enough(all)) {
            const RecvList list = ctx.recv(20s);
            if (list.empty()) {
                ADD_FAILURE() << "nothing more came";
                return all;
            }
            for (const auto& pkt : list)
                if (const auto checked = check(pkt.bytes())) all.push_back({*checked, pkt.checksum_ok()});
        }
        return all;
    }

    std::optional<VethPair> veth;
};

TEST_P(TunnelTest, HasItsInnerChecksumsFinished) {
    Context ctx = veth->right.run([&] {
        return Context{"packet:right0", {.send_packets = none, .recv_packets = 64, .max_packet_size = 2048}};
    });
    const Flow flow = ctx.install(FlowRule{}.own_mac());
    const FileDescriptor plain =
        veth->right.run([] { return FileDescriptor{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))}; });
    const FileDescriptor udp = connect(SOCK_DGRAM);
    send(udp, 33);
    const FileDescriptor tcp = connect(SOCK_STREAM);
    const auto all = receive(ctx, [](const std::vector<Received>& got) {
        return std::ranges::any_of(got, [](const Received& one) { return one.checked.tcp; }) &&
               std::ranges::any_of(got, [](const Received& one) { return !one.checked.tcp; });
    });
    for (const auto& [checked, vouched] : all) {
        EXPECT_TRUE(checked.inner_right) << (checked.tcp ? "TCP" : "UDP");
        EXPECT_TRUE(checked.right) << (checked.tcp ? "TCP" : "UDP");
        const bool in_udp = GetParam().type[0] == "vxlan" || GetParam().type[0] == "geneve";
        EXPECT_EQ(vouched, in_udp && *GetParam().checksum) << "of the outermost TCP or UDP, if it has a checksum";
    }
    // As other programs get them from the kernel: they were unfinished.
    std::size_t unfinished = 0;
    Frame frame(4096);
    for (ssize_t bytes; (bytes = ::recv(plain.get(), frame.data(), frame.size(), MSG_DONTWAIT)) > 0;)
        if (const auto checked = check(std::span{frame}.first(static_cast<std::size_t>(bytes))))
            unfinished += !checked->inner_right;
    EXPECT_GE(unfinished, 2U);
}

/// In small segments that travel as one frame, all of a tunnel's checksums are unfinished.
TEST_P(TunnelTest, HasAllChecksumsFinishedAroundSegments) {
    Context ctx = veth->right.run([&] {
        return Context{"packet:right0", {.send_packets = none, .recv_packets = 64, .max_packet_size = 2048}};
    });
    const Flow flow = ctx.install(FlowRule{}.own_mac());
    const FileDescriptor udp = connect(SOCK_DGRAM);
    const int segment = 101;
    if (::setsockopt(udp.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0)
        GTEST_SKIP() << "NOT TESTED: no UDP_SEGMENT here: " << std::strerror(errno);
    send(udp, 3 * 101);
    send(udp, 50);  // goes out unchanged, after it
    const auto all = receive(
        ctx, [](const std::vector<Received>& got) { return !got.empty() && got.back().checked.payload_bytes == 50; });
    std::size_t bytes = 0;
    for (const auto& [checked, vouched] : all) {
        EXPECT_TRUE(checked.inner_right) << checked.payload_bytes;
        EXPECT_TRUE(checked.right) << checked.payload_bytes;
        bytes += checked.payload_bytes;
    }
    // Before Linux 6.2, the kernel can't describe these as segments of UDP, and counts the frame as lost
    // (virtio_net_hdr_from_skb() in include/linux/virtio_net.h).
    EXPECT_TRUE(bytes == 3 * 101 + 50 || (bytes == 50 && ctx.stats().drops.link == 1)) << bytes;
}

INSTANTIATE_TEST_SUITE_P(Kinds, TunnelTest, ::testing::ValuesIn(tunnels),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace pktverbs
