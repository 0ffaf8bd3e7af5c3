// SPDX-License-Identifier: Apache-2.0
// The packet link between two network namespaces, with the kernel's own stack at the other end.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "interface/interface.hpp"
#include "network_namespace.hpp"
#include "on_one_cpu.hpp"
#include "soft/link/link_kind.hpp"

namespace pktverbs::soft {
namespace {

using Bytes = std::vector<std::uint8_t>;
using test::VethPair;

constexpr int patience_ms = 20'000;  // a test that needs it has failed

struct Recorder final : Sink {
    struct Received {
        Bytes bytes;
        bool checksum_ok;
        std::uint64_t timestamp_ns;
    };
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const auto& frame : batch)
            if (!is_chatter({frame.data, frame.length}))
                frames.push_back({{frame.data, frame.data + frame.length}, frame.checksum_ok, frame.timestamp_ns});
    }
    /// The kernel's own multicast listener reports (RFC 3810), which it sends at any time, after hop-by-hop options:
    /// the filter passes extension headers, and the device, which is absent here, would check again.
    static bool is_chatter(std::span<const std::uint8_t> frame) {
        return frame.size() > 20 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 0;
    }
    void link_changed(bool up) noexcept override { changes.push_back(up); }
    void mtu_changed() noexcept override { news += "mtu "; }
    void addresses_changed() noexcept override { news += "addresses "; }
    void removed() noexcept override { news += "removed "; }

    std::vector<Received> frames;
    std::vector<bool> changes;
    std::string news;
};

std::unique_ptr<Link> open_packet_link(std::shared_ptr<const Interface> interface) {
    return find_link_kind("packet")->on_interface(std::move(interface)).open();
}

/// A link with its sink, opened in the namespace of one end.
struct Port {
    explicit Port(const VethPair::End& end) : Port(end, end.interface) {}
    Port(const VethPair::End& end, const std::string& interface)
        : link{end.run([&] { return open_packet_link(Interface::find(interface)); })} {
        link->attach(sink);
    }
    ~Port() { link->detach(); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    void set_flows(const std::vector<FlowMatch>& flows) {
        std::vector<const FlowMatch*> pointers;
        for (const auto& flow : flows) pointers.push_back(&flow);
        ASSERT_EQ(link->set_flows(pointers), 0);
    }

    bool wait() const {
        pollfd waited{link->receive_fd(), POLLIN, 0};
        return ::poll(&waited, 1, patience_ms) == 1;
    }
    bool is_readable() const {
        pollfd waited{link->receive_fd(), POLLIN, 0};
        return ::poll(&waited, 1, 0) != 0;
    }
    /// Waits until the sink has this many frames.
    void receive(std::size_t count) {
        while (sink.frames.size() < count) {
            ASSERT_TRUE(wait()) << "only " << sink.frames.size() << " of " << count << " frames came";
            link->receive(1000);
        }
    }

    std::size_t send(std::span<const Bytes> frames) {
        std::vector<ibv_sge> pieces;
        for (const auto& frame : frames)
            pieces.push_back(
                {reinterpret_cast<std::uintptr_t>(frame.data()), static_cast<std::uint32_t>(frame.size()), 0});
        std::vector<TxFrame> batch;
        for (const auto& piece : pieces) batch.push_back({&piece, 1, piece.length, false, nullptr});
        return link->send(batch);
    }
    void send_all(std::span<const Bytes> frames) {
        while (!frames.empty()) {
            const std::size_t taken = send(frames);
            frames = frames.subspan(taken);
            pollfd waited{link->send_fd(), POLLOUT, 0};
            ASSERT_TRUE(frames.empty() || ::poll(&waited, 1, patience_ms) == 1);
        }
    }
    void send_one(const Bytes& frame) { ASSERT_EQ(send({&frame, 1}), 1u); }

    Recorder sink;
    std::unique_ptr<Link> link;
};

/// A kernel datagram socket in the namespace of one end.
class Socket {
public:
    Socket(const VethPair::End& end, int family, int type, int protocol)
        : fd_{end.run([&] { return ::socket(family, type | SOCK_CLOEXEC, protocol); })} {}
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int fd() const { return fd_; }

private:
    int fd_;
};

void send_udp(const VethPair::End& from, const std::string& to, std::uint16_t port, const Bytes& payload,
              std::uint16_t segment_bytes = 0) {
    sockaddr_in ipv4{};
    sockaddr_in6 ipv6{};
    ipv4.sin_family = AF_INET;
    ipv6.sin6_family = AF_INET6;
    ipv4.sin_port = ipv6.sin6_port = htons(port);
    const bool is_ipv4 = ::inet_pton(AF_INET, to.c_str(), &ipv4.sin_addr) == 1;
    ASSERT_TRUE(is_ipv4 || ::inet_pton(AF_INET6, to.c_str(), &ipv6.sin6_addr) == 1);
    const Socket socket{from, is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0};
    const int segment = segment_bytes;
    ASSERT_TRUE(segment == 0 || ::setsockopt(socket.fd(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0);
    const auto* address = is_ipv4 ? reinterpret_cast<const sockaddr*>(&ipv4) : reinterpret_cast<const sockaddr*>(&ipv6);
    const ssize_t sent =
        ::sendto(socket.fd(), payload.data(), payload.size(), 0, address, is_ipv4 ? sizeof ipv4 : sizeof ipv6);
    ASSERT_EQ(sent, static_cast<ssize_t>(payload.size())) << std::strerror(errno);
}

FlowMatch everything() { return {}; }

FlowMatch udp_to_port(std::uint16_t port) {
    FlowMatch flow;
    flow.mask.protocol = 0xff;
    flow.value.protocol = 17;
    flow.mask.dst_port = 0xffff;
    flow.value.dst_port = htons(port);
    flow.mask.flags = flow.value.flags = FrameKey::has_ports;
    return flow;
}

FlowMatch of_type(std::uint16_t ether_type) {
    FlowMatch flow;
    flow.mask.ether_type = 0xffff;
    flow.value.ether_type = htons(ether_type);
    return flow;
}

constexpr std::uint16_t experimental = 0x88b5;  // IEEE 802, for private use

Bytes make_frame(std::size_t length, std::uint32_t number = 0, std::uint16_t type = experimental) {
    Bytes frame(length);
    const std::uint8_t header[14] = {2,
                                     0,
                                     0,
                                     0,
                                     0,
                                     2,
                                     2,
                                     0,
                                     0,
                                     0,
                                     0,
                                     1,
                                     static_cast<std::uint8_t>(type >> 8),
                                     static_cast<std::uint8_t>(type & 0xff)};
    std::copy_n(header, 14, frame.begin());
    for (std::size_t i = 14; i < length; ++i) frame[i] = static_cast<std::uint8_t>(i * 7 + number);
    std::memcpy(&frame[14], &number, sizeof number);
    return frame;
}

std::uint32_t number_of(const Recorder::Received& frame) {
    std::uint32_t number;
    std::memcpy(&number, &frame.bytes[14], sizeof number);
    return number;
}

/// Whether a receiver would accept the UDP checksum of an untagged frame.
bool is_udp_checksum_right(const Bytes& frame) {
    const bool is_ipv4 = frame[12] == 8;
    const std::size_t udp = is_ipv4 ? 34 : 54;
    Bytes all(frame.begin() + (is_ipv4 ? 26 : 22), frame.end());  // addresses and UDP are adjacent
    const std::size_t length = frame.size() - udp;
    all.insert(all.begin(), {0, 17, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length & 0xff)});
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i) sum += i % 2 ? all[i] : static_cast<std::uint32_t>(all[i] << 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

struct PacketLinkTest : test::OnOneCpu {};

TEST_F(PacketLinkTest, KnowsItsInterface) {
    const VethPair veth{{.mtu = 3000}};
    const Port port{veth.right};
    EXPECT_EQ(port.link->mac(), veth.right.mac);
    EXPECT_EQ(port.link->mtu(), 3000u);
    EXPECT_TRUE(port.link->up());
    EXPECT_TRUE(port.link->wants_receive());
    EXPECT_TRUE(::fcntl(port.link->receive_fd(), F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(::fcntl(port.link->send_fd(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(PacketLinkTest, KnowsTheAddressesOfItsInterface) {
    const VethPair veth{{.ipv6 = true}};
    const Port port{veth.right};
    veth.right.run([&] {
        const auto has = [&](const std::string& text) {
            const auto addresses = port.link->addresses();
            return std::ranges::find(addresses, Ipv6Address{text}) != addresses.end();
        };
        EXPECT_TRUE(has("::ffff:" + veth.right.ipv4));
        EXPECT_TRUE(has(veth.right.ipv6));
        EXPECT_FALSE(has("::1")) << "another interface's";
        EXPECT_FALSE(has("::ffff:192.0.2.7"));
        veth.right.name_space.ip({"address", "add", "192.0.2.7/24", "dev", veth.right.interface});
        EXPECT_TRUE(has("::ffff:192.0.2.7")) << "given after the link was opened";
        EXPECT_EQ(port.link->interface_index(), ::if_nametoindex(veth.right.interface.c_str()));
    });
}

TEST_F(PacketLinkTest, CarriesFramesBothWays) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    left.set_flows({everything()});
    for (const std::size_t length : {14u + 4u, 60u, 1514u}) {
        left.send_one(make_frame(length));
        right.receive(right.sink.frames.size() + 1);
        EXPECT_EQ(right.sink.frames.back().bytes, make_frame(length));
        EXPECT_NE(right.sink.frames.back().timestamp_ns, 0u);
    }
    right.send_one(make_frame(100));
    left.receive(1);
    EXPECT_EQ(left.sink.frames.size(), 1u) << "and none that it sent itself";
    EXPECT_EQ(left.link->lost() + right.link->lost(), 0u);
}

TEST_F(PacketLinkTest, GathersAFrameFromPieces) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    const Bytes whole = make_frame(500);
    const auto at = reinterpret_cast<std::uintptr_t>(whole.data());
    const ibv_sge pieces[] = {{at, 3, 0}, {at + 3, 39, 0}, {at + 42, 458, 0}};
    const TxFrame frame{pieces, 3, 500, false, nullptr};
    ASSERT_EQ(left.link->send({&frame, 1}), 1u);
    right.receive(1);
    EXPECT_EQ(right.sink.frames[0].bytes, whole);
}

TEST_F(PacketLinkTest, CompletesChecksumsThatTheKernelLeftToTheNic) {
    const VethPair veth{{.ipv6 = true}};
    Port right{veth.right};
    right.set_flows({udp_to_port(7148)});
    const Socket plain{veth.right, AF_PACKET, SOCK_RAW, htons(ETH_P_IP)};
    send_udp(veth.left, veth.right.ipv4, 7148, Bytes(33, 0x5a));
    send_udp(veth.left, veth.right.ipv6, 7148, Bytes(34, 0x5a));
    right.receive(2);
    for (const auto& frame : right.sink.frames) {
        EXPECT_TRUE(is_udp_checksum_right(frame.bytes));
        EXPECT_TRUE(frame.checksum_ok);
    }
    Bytes unfinished(2000);
    const ssize_t count = ::recv(plain.fd(), unfinished.data(), unfinished.size(), 0);
    ASSERT_GT(count, 0);
    unfinished.resize(static_cast<std::size_t>(count));
    EXPECT_FALSE(is_udp_checksum_right(unfinished)) << "so there was nothing to complete";
}

/// Whether PACKET_VNET_HDR can describe UDP segments (virtio_net_hdr_from_skb() in include/linux/virtio_net.h): from
/// 6.2 on.
bool kernel_tells_segments_of_udp() {
    utsname kernel;
    int major = 0, minor = 0;
    return ::uname(&kernel) == 0 && std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
           std::pair{major, minor} >= std::pair{6, 2};
}

TEST_F(PacketLinkTest, DeliversSegmentationOffloadFramesWhole) {
    if (!kernel_tells_segments_of_udp()) GTEST_SKIP() << "NOT TESTED: this kernel counts them as lost";
    const VethPair veth;
    Port right{veth.right};
    right.set_flows({udp_to_port(7148)});
    send_udp(veth.left, veth.right.ipv4, 7148, Bytes(60'000, 0x77), 1000);
    right.receive(1);
    EXPECT_EQ(right.sink.frames[0].bytes.size(), 60'042u);
    EXPECT_TRUE(is_udp_checksum_right(right.sink.frames[0].bytes));
    EXPECT_EQ(right.link->lost(), 0u);
}

TEST_F(PacketLinkTest, PutsTheVlanTagBack) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    FlowMatch vlan_five;
    vlan_five.mask.vlan_tci = htons(0x0fff);
    vlan_five.value.vlan_tci = htons(5);
    vlan_five.mask.flags = vlan_five.value.flags = FrameKey::has_vlan;
    right.set_flows({vlan_five});

    std::vector<Bytes> frames(4, make_frame(200));
    const Bytes tags[] = {{0x81, 0, 0x60, 5}, {0x81, 0, 0x60, 6}, {0x88, 0xa8, 0, 5, 0x81, 0, 0, 9}, {}};
    for (std::size_t i = 0; i < frames.size(); ++i)
        frames[i].insert(frames[i].begin() + 12, tags[i].begin(), tags[i].end());
    left.send_all(frames);
    left.send_one(frames[0]);
    right.receive(3);
    EXPECT_EQ(right.sink.frames[0].bytes, frames[0]);
    EXPECT_EQ(right.sink.frames[1].bytes, frames[2]);
    EXPECT_EQ(right.sink.frames[2].bytes, frames[0]);
}

TEST_F(PacketLinkTest, CarriesTaggedFramesOfFullMtu) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    Bytes frame = make_frame(1514);
    const Bytes tag{0x81, 0, 0, 5};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    left.send_one(frame);
    right.receive(1);
    EXPECT_EQ(right.sink.frames[0].bytes, frame);
}

TEST_F(PacketLinkTest, CarriesJumboFrames) {
    const VethPair veth{{.mtu = 9000}};
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    left.send_one(make_frame(9014));
    right.receive(1);
    EXPECT_EQ(right.sink.frames[0].bytes, make_frame(9014));
}

TEST_F(PacketLinkTest, CountsATooLongFrameAsLostAndSendsTheNext) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    const Bytes frames[] = {make_frame(100, 1), make_frame(1600, 2), make_frame(100, 3)};
    EXPECT_EQ(left.send(frames), 3u);
    EXPECT_EQ(left.link->unsent(), 1u);
    right.receive(2);
    EXPECT_EQ(number_of(right.sink.frames[1]), 3u);
}

TEST_F(PacketLinkTest, IsNotWokenByFramesThatNoFlowMatches) {
    const VethPair veth;
    Port left{veth.left};
    Port witness{veth.right};
    Port idle{veth.right};
    Port picky{veth.right};
    witness.set_flows({everything()});
    picky.set_flows({of_type(0x88b6)});
    left.send_all(std::vector<Bytes>(100, make_frame(100)));
    witness.receive(100);
    EXPECT_FALSE(idle.is_readable());
    EXPECT_FALSE(picky.is_readable());

    left.send_one(make_frame(100, 7, 0x88b6));
    picky.receive(1);
    EXPECT_EQ(picky.sink.frames.size(), 1u);
    EXPECT_EQ(number_of(picky.sink.frames[0]), 7u);
    idle.link->receive(1000);
    EXPECT_TRUE(idle.sink.frames.empty());

    picky.set_flows({});
    left.send_one(make_frame(100, 8, 0x88b6));
    picky.set_flows({of_type(0x88b6)});
    left.send_one(make_frame(100, 9, 0x88b6));
    picky.receive(2);
    EXPECT_EQ(number_of(picky.sink.frames[1]), 9u);
}

TEST_F(PacketLinkTest, GivesNoMoreThanAskedForAndGoesOnFromThere) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    std::vector<Bytes> frames;
    for (std::uint32_t i = 0; i < 200; ++i) frames.push_back(make_frame(100, i));
    left.send_all(frames);
    for (std::size_t received = 0; received < frames.size(); received = right.sink.frames.size()) {
        ASSERT_TRUE(right.wait());
        right.link->receive(3);
        ASSERT_LE(right.sink.frames.size(), received + 3);
    }
    for (std::uint32_t i = 0; i < 200; ++i) EXPECT_EQ(number_of(right.sink.frames[i]), i);
    EXPECT_FALSE(right.is_readable());
}

TEST_F(PacketLinkTest, NeitherLosesNorReorders) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({of_type(experimental)});
    std::uint32_t sent = 0;
    while (sent < 20'000) {
        std::vector<Bytes> burst;
        for (int i = 0; i < 200; ++i)
            burst.push_back(make_frame(64 + sent % 1400, sent + static_cast<std::uint32_t>(i)));
        left.send_all(burst);
        sent += 200;
        right.receive(sent);
    }
    ASSERT_EQ(right.sink.frames.size(), sent);
    for (std::uint32_t i = 0; i < sent; ++i) ASSERT_EQ(number_of(right.sink.frames[i]), i);
    EXPECT_EQ(left.link->lost() + right.link->lost(), 0u);
}

TEST_F(PacketLinkTest, CountsWhatAFullRingLoses) {
    const VethPair veth{{.mtu = 9000}};
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({of_type(experimental)});
    constexpr std::uint32_t sent = 2000;  // 18 MB
    for (std::uint32_t i = 0; i < sent; ++i) left.send_one(make_frame(9014, i));
    const std::uint64_t lost = right.link->lost();
    EXPECT_GT(lost, 0u);
    EXPECT_EQ(right.link->lost(), lost) << "reading must not change it";
    right.receive(sent - lost);
    for (std::uint32_t i = 0; i < right.sink.frames.size(); ++i) ASSERT_EQ(number_of(right.sink.frames[i]), i);

    left.send_one(make_frame(100, sent));  // and it works again
    right.receive(sent - lost + 1);
    EXPECT_EQ(number_of(right.sink.frames.back()), sent);
}

TEST_F(PacketLinkTest, DeliversNothingAfterDetach) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    left.send_one(make_frame(100));
    ASSERT_TRUE(right.wait());
    right.link->detach();
    EXPECT_FALSE(right.link->wants_receive());
    right.link->receive(10);
    EXPECT_TRUE(right.sink.frames.empty());
    right.link->attach(right.sink);
    right.receive(1);
}

TEST_F(PacketLinkTest, AsksTheInterfaceForWhatItsFlowsNeed) {
    const VethPair veth;
    Port right{veth.right};
    auto groups = [&] { return veth.right.name_space.ip({"maddress", "show", "dev", veth.right.interface}); };
    auto details = [&] { return veth.right.name_space.ip({"-d", "link", "show", "dev", veth.right.interface}); };
    FlowMatch group;
    const std::uint8_t mac[] = {1, 0, 0x5e, 0x11, 0x22, 0x33};
    std::ranges::copy(mac, group.value.dst_mac);
    std::ranges::fill(group.mask.dst_mac, std::uint8_t{0xff});

    right.set_flows({group, group});
    EXPECT_NE(groups().find("01:00:5e:11:22:33"), std::string::npos);
    EXPECT_NE(details().find("promiscuity 0"), std::string::npos);
    right.set_flows({everything()});
    EXPECT_EQ(groups().find("01:00:5e:11:22:33"), std::string::npos);
    EXPECT_NE(details().find("promiscuity 1"), std::string::npos);
    right.set_flows({});
    EXPECT_NE(details().find("promiscuity 0"), std::string::npos);
}

TEST_F(PacketLinkTest, TakesMoreFlowsThanAProgramHolds) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    std::vector<FlowMatch> flows;
    for (std::uint16_t port = 1; port < 2000; ++port) flows.push_back(udp_to_port(port));
    for (const std::size_t count : {100u, 150u, 1999u}) {
        right.set_flows({flows.begin(), flows.begin() + static_cast<std::ptrdiff_t>(count - 1)});
        send_udp(veth.left, veth.right.ipv4, static_cast<std::uint16_t>(count - 1), Bytes(10));
        right.receive(right.sink.frames.size() + 1);
    }
}

TEST_F(PacketLinkTest, NeverSticksAtAFrameTooLongForTheOtherEnd) {
    const VethPair veth;
    veth.right.name_space.ip({"link", "set", "right0", "mtu", "1000"});
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({everything()});
    const std::vector<Bytes> frames{make_frame(1400, 1), make_frame(1400, 2), make_frame(100, 3)};
    std::size_t taken = 0;
    for (int tries = 0; taken < frames.size() && tries < 500; ++tries) {
        taken += left.send(std::span{frames}.subspan(taken));
        if (taken < frames.size()) std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    EXPECT_EQ(taken, 3u);
    EXPECT_TRUE(left.link->unsent() == 2 || left.link->unsent() == 0);  // Linux reports it only since 6.7 (veth_xmit())
    right.receive(1);
    ASSERT_EQ(right.sink.frames.size(), 1u);
    EXPECT_EQ(number_of(right.sink.frames[0]), 3u);
}

TEST_F(PacketLinkTest, GivesAFrameUpThoughAnotherQueueSends) {
    const VethPair veth;
    veth.right.name_space.ip({"link", "set", "right0", "mtu", "1000"});
    Port left{veth.left};
    const Bytes too_long = make_frame(1400), fits = make_frame(100);
    const ibv_sge pieces[] = {{reinterpret_cast<std::uint64_t>(too_long.data()), 1400, 0},
                              {reinterpret_cast<std::uint64_t>(fits.data()), 100, 0}};
    const TxFrame hopeless{&pieces[0], 1, 1400, false, &pieces[0]}, other{&pieces[1], 1, 100, false, &pieces[1]};
    bool is_taken = false;
    for (int tries = 0; !is_taken && tries < 2000; ++tries) {
        is_taken = left.link->send({&hopeless, 1}) == 1;
        EXPECT_EQ(left.link->send({&other, 1}), 1u);
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    EXPECT_TRUE(is_taken);
    EXPECT_LE(left.link->unsent(), 1u);
}

TEST_F(PacketLinkTest, NeverSticksWhenTheInterfaceGoesDown) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    left.set_flows({everything()});
    right.set_flows({everything()});
    veth.left.set_up(false);
    EXPECT_FALSE(left.link->up());
    const std::vector<Bytes> frames(100, make_frame(100));
    EXPECT_EQ(left.send(frames), 100u);
    EXPECT_EQ(left.link->unsent(), 100u);
    while (left.is_readable()) left.link->receive(10);  // POLLERR, until it is reported
    EXPECT_EQ(left.sink.changes, std::vector<bool>{false});

    veth.left.set_up(true);
    veth.left.wait_for_carrier(true);
    veth.right.wait_for_carrier(true);
    left.send_one(make_frame(100, 1));
    right.send_one(make_frame(100, 2));
    right.receive(1);
    left.receive(1);
    EXPECT_EQ(left.sink.changes, (std::vector<bool>{false, true}));
    EXPECT_EQ(left.link->unsent(), 100u);
}

TEST_F(PacketLinkTest, DetectsByAPollErrorThatTheInterfaceWentDown) {
    const VethPair veth;
    Port left{veth.left};
    left.set_flows({everything()});
    veth.left.set_up(false);
    ASSERT_TRUE(left.wait());
    while (left.is_readable()) left.link->receive(10);
    EXPECT_EQ(left.sink.changes, std::vector<bool>{false});
}

TEST_F(PacketLinkTest, NeverSticksWithoutACarrier) {
    const VethPair veth;
    Port left{veth.left};
    veth.right.set_up(false);
    veth.left.wait_for_carrier(false);
    EXPECT_FALSE(left.link->up());
    const std::vector<Bytes> frames(100, make_frame(100));
    EXPECT_EQ(left.send(frames), 100u);
    EXPECT_EQ(left.link->unsent(), 100u);
}

TEST_F(PacketLinkTest, OutlivesItsInterface) {
    const VethPair veth;
    Port left{veth.left};
    veth.left.name_space.ip({"link", "delete", veth.left.interface});
    EXPECT_FALSE(left.link->up());
    EXPECT_EQ(left.send(std::vector<Bytes>(3, make_frame(100))), 3u);
    EXPECT_EQ(left.link->unsent(), 3u);
    const FlowMatch all = everything();
    const FlowMatch* const flows[] = {&all};
    EXPECT_EQ(left.link->set_flows(flows), ENODEV);
    EXPECT_EQ(left.link->set_flows({}), 0);
}

TEST_F(PacketLinkTest, OpensAnInterfaceThatIsDownAndReceivesOnceItIsUp) {
    const VethPair veth;
    veth.right.set_up(false);
    Port right{veth.right};
    right.set_flows({everything()});
    veth.right.set_up(true);
    veth.left.wait_for_carrier(true);
    Port left{veth.left};
    left.send_one(make_frame(100));
    right.receive(1);
}

TEST_F(PacketLinkTest, ReceivesOnLoopbackWhatItSendsOnce) {
    const VethPair veth;
    Port port{veth.left, "lo"};
    port.set_flows({of_type(experimental)});
    EXPECT_TRUE(port.link->up());
    EXPECT_EQ(port.link->mtu(), 65536u);
    Bytes frame = make_frame(100, 1);
    std::fill_n(frame.begin(), 12, std::uint8_t{0});
    port.send_one(frame);
    const Bytes second = make_frame(100, 2);
    port.send_one(second);
    port.receive(2);
    EXPECT_EQ(number_of(port.sink.frames[0]), 1u);
    EXPECT_EQ(number_of(port.sink.frames[1]), 2u);
}

TEST_F(PacketLinkTest, MayBeAskedAndChangedWhileItReceives) {
    const VethPair veth;
    Port left{veth.left};
    Port right{veth.right};
    right.set_flows({of_type(experimental)});
    std::atomic<bool> stop{false};
    std::thread other{[&] {
        const FlowMatch wanted = of_type(experimental);
        const FlowMatch more = udp_to_port(9);
        const FlowMatch* const both[] = {&wanted, &more};
        for (std::size_t i = 1; !stop; i = 3 - i) {
            EXPECT_EQ(right.link->set_flows(std::span{both}.first(i)), 0);
            EXPECT_EQ(right.link->lost(), 0u);
        }
    }};
    for (std::uint32_t sent = 0; sent < 4000;) {
        std::vector<Bytes> burst;
        for (int i = 0; i < 50; ++i) burst.push_back(make_frame(100, sent++));
        left.send_all(burst);
        right.receive(sent);
    }
    stop = true;
    other.join();
    for (std::uint32_t i = 0; i < 4000; ++i) ASSERT_EQ(number_of(right.sink.frames[i]), i);
}

std::ptrdiff_t count_descriptors() {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{});
}

struct OpenError {
    int code;
    std::string text;
};

/// What finding or opening it fails with.
OpenError open_error(const std::string& interface) {
    try {
        const verbs::Device device = find_device("packet:" + interface);
        open_packet_link(device.netdev);
    } catch (const std::system_error& error) {
        return {error.code().value(), error.what()};
    }
    return {0, "opened"};
}

TEST_F(PacketLinkTest, SaysThatThereIsNoSuchInterface) {
    const VethPair veth;
    const auto before = count_descriptors();
    const auto error = veth.left.run([] { return open_error("nothere0"); });
    EXPECT_EQ(error.code, ENODEV) << error.text;
    EXPECT_NE(error.text.find("no such interface: nothere0"), std::string::npos) << error.text;
    EXPECT_EQ(count_descriptors(), before);
}

TEST_F(PacketLinkTest, SaysThatTheInterfaceWentAwayBeforeItWasOpened) {
    const VethPair veth;
    const auto found = veth.left.run([] { return Interface::find("left0"); });
    veth.left.name_space.ip({"link", "delete", "left0"});
    const auto before = count_descriptors();
    try {
        open_packet_link(found);
        FAIL() << "opened what is gone";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), ENODEV) << error.what();
        EXPECT_NE(std::string{error.what()}.find("left0"), std::string::npos) << error.what();
    }
    EXPECT_EQ(count_descriptors(), before);
}

TEST_F(PacketLinkTest, SaysThatAnInterfaceIsNotEthernet) {
    const VethPair veth;
    try {
        veth.left.name_space.ip({"tuntap", "add", "dev", "tun0", "mode", "tun"});
    } catch (const std::exception& error) {
        GTEST_SKIP() << "no interface that isn't Ethernet to be had: " << error.what();
    }
    const auto before = count_descriptors();
    const auto error = veth.left.run([] { return open_error("tun0"); });
    EXPECT_EQ(error.code, EOPNOTSUPP) << error.text;
    EXPECT_NE(error.text.find("Ethernet"), std::string::npos) << error.text;
    EXPECT_EQ(count_descriptors(), before);
}

void drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) ::_exit(101);
}

TEST_F(PacketLinkTest, SaysThatCapNetRawIsMissing) {
    const VethPair veth;
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        veth.left.run([&] {
            drop_capabilities();
            const auto error = open_error(veth.left.interface);
            const std::string_view text{error.text};
            if (::write(pipe_ends[1], text.data(), text.size()) < 0) ::_exit(102);
            ::_exit(error.code);
        });
    }
    ::close(pipe_ends[1]);
    std::string text(1000, ' ');
    const ssize_t count = ::read(pipe_ends[0], text.data(), text.size());
    ::close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), EPERM);
    ASSERT_GT(count, 0);
    for (const char* words : {"CAP_NET_RAW", "run as root", "setcap cap_net_raw+ep", "setpriv --ambient-caps"})
        EXPECT_NE(text.find(words), std::string::npos) << text;
}

}  // namespace
}  // namespace pktverbs::soft
