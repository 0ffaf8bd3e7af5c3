// SPDX-License-Identifier: Apache-2.0
// The links whose peer is this machine's own network stack: tap: and host:, against its sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/verbs/async_event.hpp>

#include "interface/interface.hpp"
#include "network_namespace.hpp"
#include "on_one_cpu.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::soft {
namespace {

using Bytes = std::vector<std::uint8_t>;
using test::NetworkNamespace;
using test::OnOneCpu;
using test::VethPair;

constexpr int patience_ms = 20'000;  // a test that needs it has failed
constexpr std::uint16_t experimental = 0x88b5;
constexpr std::uint16_t udp_port = 7148;

std::unique_ptr<Link> open_link(const std::string& text) {
    const auto string = LinkString::parse(text, LinkString::forms());
    return string.kind().find(string).open();
}

struct Recorder final : Sink {
    struct Received {
        Bytes bytes;
        bool checksum_ok;
    };
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const auto& frame : batch) frames.push_back({{frame.data, frame.data + frame.length}, frame.checksum_ok});
    }
    void link_changed(bool up) noexcept override { news += up ? "up " : "down "; }
    void mtu_changed() noexcept override { news += "mtu "; }
    void addresses_changed() noexcept override { news += "addresses "; }
    void removed() noexcept override { news += "removed "; }

    std::vector<Received> frames;
    std::string news;
};

struct Port {
    explicit Port(std::unique_ptr<Link> opened) : link{std::move(opened)} { link->attach(sink); }
    ~Port() { link->detach(); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    bool is_readable(int wait_ms = 0) const {
        pollfd waited{link->receive_fd(), POLLIN, 0};
        return ::poll(&waited, 1, wait_ms) == 1;
    }
    /// Waits until the sink has this many frames, and then takes what else there is.
    void receive(std::size_t count) {
        while (sink.frames.size() < count) {
            ASSERT_TRUE(is_readable(patience_ms)) << "only " << sink.frames.size() << " of " << count << " frames came";
            link->receive(1000);
        }
        link->receive(100'000);
        EXPECT_EQ(sink.frames.size(), count);
    }
    const Bytes& last() const { return sink.frames.back().bytes; }
    /// The kernel tells of a carrier on its own time (linkwatch).
    void wait_until_up() const {
        for (int tries = 0; !link->up() && tries < patience_ms; ++tries) ::usleep(1000);
        ASSERT_TRUE(link->up());
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
    void send_one(const Bytes& frame) { ASSERT_EQ(send({&frame, 1}), 1u); }

    Recorder sink;
    std::unique_ptr<Link> link;
};

/// A kernel socket in a namespace.
class Socket {
public:
    Socket(const NetworkNamespace& in, int family, int type, int protocol)
        : fd_{in.run([&] { return ::socket(family, type | SOCK_CLOEXEC, protocol); })} {
        const timeval patience{patience_ms / 1000, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        const int bytes = 64 << 20;
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    }
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    static sockaddr_in address(const std::string& ip, std::uint16_t port) {
        sockaddr_in made{};
        made.sin_family = AF_INET;
        made.sin_port = htons(port);
        ::inet_pton(AF_INET, ip.c_str(), &made.sin_addr);
        return made;
    }
    void bind(const std::string& ip, std::uint16_t port) const {
        const auto to = address(ip, port);
        ASSERT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
    }
    /// To a packet socket's interface.
    void bind_to(const NetworkNamespace& in, const std::string& interface) const {
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_protocol = htons(experimental);
        to.sll_ifindex = in.run([&] { return static_cast<int>(::if_nametoindex(interface.c_str())); });
        ASSERT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0) << std::strerror(errno);
    }
    void send(const Bytes& payload, const std::string& ip, std::uint16_t port) const {
        const auto to = address(ip, port);
        ASSERT_EQ(::sendto(fd_, payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
                  static_cast<ssize_t>(payload.size()))
            << std::strerror(errno);
    }
    void send(const Bytes& frame) const {
        ASSERT_EQ(::send(fd_, frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
            << std::strerror(errno);
    }
    /// Empty if nothing comes.
    Bytes receive(int flags = 0) const {
        Bytes all(70'000);
        const ssize_t count = ::recv(fd_, all.data(), all.size(), flags);
        all.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        return all;
    }
    Bytes receive_now() const { return receive(MSG_DONTWAIT); }
    int fd() const { return fd_; }

private:
    int fd_;
};

Bytes payload_of(std::size_t bytes, std::uint32_t number = 0) {
    Bytes payload(bytes);
    for (std::size_t i = 0; i < bytes; ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + number);
    if (bytes >= sizeof number) std::memcpy(payload.data(), &number, sizeof number);
    return payload;
}

Bytes write(const net::FrameTemplate& headers, const Bytes& payload, const net::Stamp& stamp = {}) {
    Bytes frame(headers.frame_bytes(payload.size()));
    std::ranges::copy(payload, frame.begin() + static_cast<std::ptrdiff_t>(headers.header_bytes()));
    EXPECT_EQ(headers.write(frame, payload.size(), stamp), frame.size());
    return frame;
}

/// From one station to another.
struct Way {
    MacAddress src_mac, dst_mac;
    std::string src_ip, dst_ip;
    std::optional<net::Vlan> vlan{};

    net::Ethernet ethernet() const { return {.dst = dst_mac, .src = src_mac, .vlan = vlan}; }
    net::Ipv4 ipv4() const { return {.src = Ipv4Address{src_ip}, .dst = Ipv4Address{dst_ip}}; }
    Bytes udp(const Bytes& payload) const {
        return write({ethernet(), ipv4(), net::Udp{.src_port = udp_port, .dst_port = udp_port}}, payload);
    }
    Bytes echo(bool is_reply, const Bytes& payload, std::uint32_t sequence) const {
        return write({ethernet(), ipv4(), net::Echo{.is_reply = is_reply, .identifier = 77}}, payload,
                     {.sequence = sequence});
    }
    /// A numbered frame that no stack looks at.
    Bytes numbered(std::size_t bytes, std::uint32_t number) const {
        net::Ethernet header = ethernet();
        header.type = experimental;
        const net::FrameTemplate headers{header};
        return write(headers, payload_of(bytes - headers.header_bytes(), number));
    }
};

std::uint32_t number_of(const Bytes& frame) {
    std::uint32_t number;
    std::memcpy(&number, &frame[14], sizeof number);
    return number;
}

Bytes udp_payload_of(const Bytes& frame) {
    const net::Headers found{frame};
    EXPECT_TRUE(found.udp());
    EXPECT_EQ(found.transport_checksum(), net::ChecksumVerdict::right);
    const auto payload = found.payload();
    return {payload.begin(), payload.end()};
}

void drop_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2]{};
    if (::syscall(SYS_capset, &header, none) != 0) ::_exit(101);
}

/// What opening a Context fails with, in a child without capabilities.
std::string error_of_unprivileged(const NetworkNamespace& in, const std::string& device) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        in.run([&] {
            drop_capabilities();
            std::string text = "opened";
            try {
                const Context ctx{device, {.require_link = false}};
            } catch (const std::system_error& error) {
                text = std::to_string(error.code().value()) + " " + error.what();
            }
            if (::write(ends[1], text.data(), text.size()) < 0) ::_exit(102);
            ::_exit(0);
        });
    }
    ::close(ends[1]);
    std::string text(4000, '\0');
    const ssize_t count = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return text;
}

void expect_refusal(int error, const std::vector<std::string>& words, const std::function<void()>& open) {
    try {
        open();
        ADD_FAILURE() << "opened";
    } catch (const std::system_error& failure) {
        EXPECT_EQ(failure.code().value(), error) << failure.what();
        for (const auto& text : words)
            EXPECT_NE(std::string{failure.what()}.find(text), std::string::npos) << failure.what();
    }
}

/// The device, or the right to BPF programs.
bool is_missing_here(const std::system_error& error) {
    const int code = error.code().value();
    return code == EPERM || code == EACCES || code == ENOENT || code == ENODEV || code == ENOSYS;
}

void keep_ipv6_quiet(const NetworkNamespace& in) {
    in.run([] {
        for (const char* which : {"all", "default"}) {
            std::ofstream file{"/proc/sys/net/ipv6/conf/" + std::string{which} + "/disable_ipv6"};
            file << "1";
        }
    });
}

// --- tap: ---------------------------------------------------------------------------------------------------------

struct TapTest : OnOneCpu {
    void prepare() override {
        const NetworkNamespace probe;
        try {
            probe.run([] { open_link("tap:probe0"); });
        } catch (const std::system_error& error) {
            if (!is_missing_here(error)) throw;
            GTEST_SKIP() << "NOT TESTED: needs /dev/net/tun: " << error.what();
        }
    }
};

/// A namespace whose stack is 10.9.0.1 on pv0, and a link that is 10.9.0.2 there.
struct Tapped {
    explicit Tapped(const std::string& options = {}) : port{made(options)} {
        kernel_mac = net.run([] { return Interface::find("pv0")->found().mac; });
        net.ip_batch("address add 10.9.0.1/24 dev pv0\nneighbour replace 10.9.0.2 dev pv0 lladdr " +
                     port.link->mac().to_string() + "\n");
    }
    Way in() const { return {port.link->mac(), kernel_mac, "10.9.0.2", "10.9.0.1"}; }
    Way out() const { return {kernel_mac, port.link->mac(), "10.9.0.1", "10.9.0.2"}; }
    std::string show() const { return net.ip({"-d", "link", "show", "dev", "pv0"}); }
    bool exists() const {
        return net.run([] { return Interface::find("pv0") != nullptr; });
    }

    NetworkNamespace net;
    MacAddress kernel_mac;
    Port port;

private:
    std::unique_ptr<Link> made(const std::string& options) {
        keep_ipv6_quiet(net);
        return net.run([&] { return open_link("tap:pv0" + options); });
    }
};

TEST_F(TapTest, IsMadeAndBroughtUpByOpeningAndGoesWithTheLink) {
    const NetworkNamespace net;
    net.run([&] {
        auto link = open_link("tap:pv0?ip=10.9.0.2&mac=02:00:00:00:00:77&mtu=9000");
        const auto interface = Interface::find("pv0");
        ASSERT_TRUE(interface);
        EXPECT_TRUE(link->up());
        EXPECT_EQ(link->mac(), MacAddress{"02:00:00:00:00:77"});
        EXPECT_EQ(link->mtu(), 9000u);
        EXPECT_EQ(interface->found().mtu, 9000u);
        EXPECT_EQ(link->addresses(), std::vector{Ipv6Address{"::ffff:10.9.0.2"}});
        EXPECT_TRUE(::fcntl(link->receive_fd(), F_GETFD) & FD_CLOEXEC);
        link.reset();
        EXPECT_FALSE(Interface::find("pv0"));

        link = open_link("tap:pv0?up=0");
        EXPECT_FALSE(link->up());
        EXPECT_EQ(link->mac().bytes()[0], 0x02) << "locally administered";
        EXPECT_NE(link->mac(), Interface::find("pv0")->found().mac);
    });
}

TEST_F(TapTest, StaysIfItIsToAndIsAttachedToAgain) {
    const NetworkNamespace net;
    net.run([&] {
        open_link("tap:pv0?persist=1&mtu=3000");
        const auto first = Interface::find("pv0");
        ASSERT_TRUE(first);
        const auto device = find_device("tap:pv0");
        EXPECT_EQ(device.mtu, 3000u);
        auto link = open_link("tap:pv0");
        EXPECT_EQ(link->mtu(), 3000u);
        EXPECT_EQ(Interface::find("pv0")->index(), first->index());
        link.reset();
        ASSERT_TRUE(Interface::find("pv0")) << "what was persistent stays so";
        link = open_link("tap:pv0?persist=0");
        link.reset();
        EXPECT_FALSE(Interface::find("pv0"));

        net.ip({"tuntap", "add", "dev", "pv0", "mode", "tap"});
        link = open_link("tap:pv0");
        EXPECT_TRUE(link->up());
        link.reset();
        EXPECT_TRUE(Interface::find("pv0")) << "ip tuntap made it persistent";
    });
}

TEST_F(TapTest, TheKernelAnswersItsPing) {
    Tapped tapped{"?mtu=9000"};
    std::uint32_t sequence = 0;
    for (const std::size_t bytes : {0u, 22u, 56u, 1472u, 8972u}) {
        const Bytes data = payload_of(bytes);
        tapped.port.send_one(tapped.in().echo(false, data, ++sequence));
        tapped.port.receive(sequence);
        const net::Headers reply{tapped.port.last()};
        ASSERT_TRUE(reply.icmp());
        EXPECT_EQ(reply.icmp().type(), net::icmp_type::echo_reply);
        EXPECT_EQ(reply.icmp().sequence(), sequence);
        EXPECT_TRUE(reply.icmp().checksum_is_right());
        EXPECT_EQ(reply.ethernet().dst(), tapped.port.link->mac());
        EXPECT_TRUE(std::ranges::equal(reply.icmp().payload(), data));
    }
}

TEST_F(TapTest, AnswersTheKernelsPing) {
    Tapped tapped;
    const Socket icmp{tapped.net, AF_INET, SOCK_RAW, IPPROTO_ICMP};
    for (std::uint32_t sequence = 1; sequence <= 3; ++sequence) {
        const Bytes data = payload_of(56, sequence);
        const Bytes request = tapped.out().echo(false, data, sequence);
        icmp.send({request.begin() + 34, request.end()}, "10.9.0.2", 0);
        tapped.port.receive(sequence);
        EXPECT_TRUE(net::Headers{tapped.port.last()}.icmp().is_echo_request());
        const Bytes reply = tapped.in().echo(true, data, sequence);
        tapped.port.send_one(reply);
        const Bytes received = icmp.receive();
        ASSERT_EQ(received.size(), reply.size() - 14);
        EXPECT_TRUE(std::equal(received.begin() + 20, received.end(), reply.begin() + 34));
    }
}

TEST_F(TapTest, CarriesDatagramsOfAllSizesBothWays) {
    Tapped tapped{"?mtu=9000"};
    const Socket udp{tapped.net, AF_INET, SOCK_DGRAM, 0};
    udp.bind("10.9.0.1", udp_port);
    std::size_t count = 0;
    for (const std::size_t bytes : {1u, 22u, 1000u, 1472u, 1473u, 8972u}) {
        const Bytes payload = payload_of(bytes, 5);
        udp.send(payload, "10.9.0.2", udp_port);
        tapped.port.receive(++count);
        EXPECT_EQ(tapped.port.last().size(), bytes + 42);
        EXPECT_EQ(udp_payload_of(tapped.port.last()), payload);
        EXPECT_TRUE(tapped.port.sink.frames.back().checksum_ok);
        tapped.port.send_one(tapped.in().udp(payload));
        EXPECT_EQ(udp.receive(), payload);
    }
    Bytes wrong = tapped.in().udp(payload_of(100));
    ++wrong.back();
    tapped.port.send_one(wrong);
    tapped.port.send_one(tapped.in().udp(payload_of(101)));
    EXPECT_EQ(udp.receive().size(), 101u) << "the kernel verifies checksums";
    EXPECT_EQ(tapped.port.link->lost() + tapped.port.link->unsent(), 0u);
}

TEST_F(TapTest, CarriesAContextsFrames) {
    const NetworkNamespace net;
    keep_ipv6_quiet(net);
    net.run([&] {
        Context ctx{"tap:pv0?ip=10.9.0.2", {.send_packets = 64, .recv_packets = 64}};
        net.ip({"address", "add", "10.9.0.1/24", "dev", "pv0"});
        const auto arp = ctx.install(FlowRule{}.dst_mac(MacAddress::broadcast()).ether_type(net::ether_type::arp));
        const auto mine = ctx.install(FlowRule{}.own_mac().udp().dst_port(udp_port));
        const Socket udp{net, AF_INET, SOCK_DGRAM, 0};
        udp.bind("10.9.0.1", udp_port);
        udp.send(payload_of(33), "10.9.0.2", udp_port);

        const auto reply_to = [&](const RecvPkt& pkt) {
            const net::Headers request{pkt.bytes()};
            const MacAddress asker = request.ethernet().src();
            auto packets = ctx.acquire(1);
            net::Bytes frame{packets.front().buffer()};
            std::size_t bytes = 0;
            if (const auto asked = request.arp()) {
                EXPECT_EQ(asked.target_ip(), Ipv4Address{"10.9.0.2"});
                bytes = net::FrameTemplate{net::Ethernet{.dst = asker, .src = ctx.limits().mac},
                                           net::Arp{net::Arp::reply, ctx.limits().mac, asked.target_ip(), asker,
                                                    asked.sender_ip()}}
                            .write(frame, 0);
            } else {
                EXPECT_EQ(request.payload().size(), 33u);
                const Bytes answer = Way{ctx.limits().mac, asker, "10.9.0.2", "10.9.0.1"}.udp(payload_of(44));
                std::ranges::copy(answer, frame.begin());
                bytes = answer.size();
            }
            packets.front().set_length(bytes);
            EXPECT_TRUE(ctx.send(std::move(packets)).empty());
        };
        for (int answered = 0; answered < 2;) {
            const auto packets = ctx.recv(std::chrono::milliseconds{patience_ms});
            ASSERT_FALSE(packets.empty());
            for (const auto& pkt : packets) reply_to(pkt);
            answered += static_cast<int>(packets.size());
        }
        EXPECT_EQ(udp.receive(), payload_of(44));
        EXPECT_EQ(ctx.stats().drops.total() + ctx.stats().drops.unsent, 0u);
        EXPECT_FALSE(ctx.next_event()) << "the kernel's address is not this end's";
        net.ip({"link", "delete", "pv0"});
        EXPECT_EQ(ctx.recv(std::chrono::milliseconds{patience_ms}).outcome(), Outcome::device_error);
    });
}

TEST_F(TapTest, NeitherLosesNorReorders) {
    Tapped tapped;
    const Socket world{tapped.net, AF_PACKET, SOCK_RAW, 0};
    world.bind_to(tapped.net, "pv0");
    constexpr std::uint32_t burst = 50, all = 5000;
    for (std::uint32_t sent = 0; sent < all;) {
        std::vector<Bytes> frames;
        for (std::uint32_t i = 0; i < burst; ++i, ++sent) {
            world.send(tapped.out().numbered(60 + sent % 1400, sent));
            frames.push_back(tapped.in().numbered(60 + sent % 1400, sent));
        }
        tapped.port.receive(sent);
        ASSERT_EQ(tapped.port.send(frames), burst);
        for (const Bytes& frame : frames) ASSERT_EQ(world.receive(), frame);
    }
    ASSERT_EQ(tapped.port.sink.frames.size(), all);
    for (std::uint32_t i = 0; i < all; ++i) ASSERT_EQ(number_of(tapped.port.sink.frames[i].bytes), i);
    EXPECT_EQ(tapped.port.link->lost() + tapped.port.link->unsent(), 0u);
}

TEST_F(TapTest, CountsWhatAFullQueueLoses) {
    Tapped tapped;
    const Socket world{tapped.net, AF_PACKET, SOCK_RAW, 0};
    world.bind_to(tapped.net, "pv0");
    constexpr std::uint32_t sent = 6000;
    for (std::uint32_t i = 0; i < sent; ++i) {
        const Bytes frame = tapped.out().numbered(60, i);
        ::send(world.fd(), frame.data(), frame.size(), 0);  // ENOBUFS once it is full
    }
    const std::uint64_t lost = tapped.port.link->lost();
    EXPECT_GT(lost, 0u);
    tapped.port.receive(sent - lost);
    ASSERT_EQ(tapped.port.sink.frames.size(), sent - lost);
    EXPECT_EQ(tapped.port.link->lost(), lost);
    for (std::uint32_t i = 0; i < sent - lost; ++i) ASSERT_EQ(number_of(tapped.port.sink.frames[i].bytes), i);
}

TEST_F(TapTest, CarriesVlanTagsBothWays) {
    Tapped tapped;
    Port packet{tapped.net.run([] { return open_link("packet:pv0"); })};
    const FlowMatch everything;
    const FlowMatch* const flows[] = {&everything};
    ASSERT_EQ(packet.link->set_flows(flows), 0);
    Way in = tapped.in(), out = tapped.out();
    in.vlan = out.vlan = net::Vlan{.id = 5, .priority = 3};
    packet.send_one(out.udp(payload_of(100)));
    tapped.port.receive(1);
    EXPECT_EQ(tapped.port.last(), out.udp(payload_of(100)));
    tapped.port.send_one(in.udp(payload_of(200)));
    packet.receive(1);
    EXPECT_EQ(packet.last(), in.udp(payload_of(200)));
}

TEST_F(TapTest, FollowsItsInterface) {
    Tapped tapped;
    Port& port = tapped.port;
    const Bytes frame = tapped.in().udp(payload_of(10));
    tapped.net.ip({"link", "set", "pv0", "down"});
    EXPECT_FALSE(port.link->up());
    EXPECT_EQ(port.send(std::vector<Bytes>(3, frame)), 3u);
    EXPECT_EQ(port.link->unsent(), 3u);
    port.link->take_news();
    EXPECT_EQ(port.sink.news, "down ");
    port.sink.news.clear();

    tapped.net.ip({"link", "set", "pv0", "name", "renamed0"});
    tapped.net.ip_batch("link set renamed0 mtu 2000 up\naddress add 10.9.1.1/24 dev renamed0\n");
    port.wait_until_up();
    port.link->take_news();
    EXPECT_NE(port.sink.news.find("mtu "), std::string::npos) << port.sink.news;
    EXPECT_NE(port.sink.news.find("up "), std::string::npos) << port.sink.news;
    EXPECT_EQ(port.sink.news.find("addresses "), std::string::npos) << "those are the kernel's: " << port.sink.news;
    EXPECT_EQ(port.link->mtu(), 2000u);
    const Socket udp{tapped.net, AF_INET, SOCK_DGRAM, 0};
    udp.bind("0.0.0.0", udp_port);
    port.send_one(frame);
    EXPECT_EQ(udp.receive(), payload_of(10));

    tapped.net.ip({"link", "delete", "renamed0"});
    port.sink.news.clear();
    port.link->take_news();
    EXPECT_EQ(port.sink.news, "down removed ");
    EXPECT_FALSE(port.link->up());
    port.link->receive(10);
    EXPECT_EQ(port.send({&frame, 1}), 1u);
    EXPECT_EQ(port.link->unsent(), 4u);
    EXPECT_EQ(port.sink.news, "down removed ") << "once";
}

TEST_F(TapTest, RefusesWhatOthersUse) {
    const NetworkNamespace net;
    net.ip({"link", "add", "veth0", "type", "veth", "peer", "name", "veth1"});
    net.ip({"tuntap", "add", "dev", "many0", "mode", "tap", "multi_queue"});
    net.run([&] {
        const auto held = open_link("tap:pv0");
        expect_refusal(EBUSY, {"another program has pv0 open", "take another name"}, [] { open_link("tap:pv0"); });
        for (const char* name : {"veth0", "many0"})
            expect_refusal(EINVAL, {std::string{name} + " exists and is no tap", "ip link delete"},
                           [&] { open_link(std::string{"tap:"} + name); });
        expect_refusal(EBUSY, {"cannot open tap:pv0", "another program has pv0 open"}, [] { Context{"tap:pv0"}; });
        net.ip({"tuntap", "add", "dev", "pv1", "mode", "tap"});
        const auto mac = Interface::find("pv1")->found().mac.to_string();
        expect_refusal(EINVAL, {"the address of the kernel's end"}, [&] { open_link("tap:pv1?mac=" + mac); });
    });
}

TEST_F(TapTest, SaysWhichCapabilityIsMissing) {
    const NetworkNamespace net;
    const auto text = error_of_unprivileged(net, "tap:pv0");
    for (const char* words : {"1 cannot open tap:pv0", "CAP_NET_ADMIN is missing", "run as root",
                              "setcap cap_net_admin+ep", "ip tuntap add dev pv0 mode tap user"})
        EXPECT_NE(text.find(words), std::string::npos) << text;
}

TEST(TapString, IsReadWithCare) {
    const auto refuses = [](const std::string& text, const std::string& words) {
        expect_refusal(EINVAL, {words}, [&] { find_device(text); });
    };
    refuses("tap:", "no name");
    refuses("tap:a/b", "no interface can have that name");
    refuses("tap:tap%d", "no interface can have that name");
    refuses("tap:sixteen_bytes_xx", "15 bytes at most");
    refuses("tap:pv0?persist=2", "persist is 1 or 0, not \"2\"");
    refuses("tap:pv0?up=", "up is 1 or 0");
    refuses("tap:pv0?mtu=67", "68 to 65521");
    refuses("tap:pv0?mtu=65522", "68 to 65521");
    refuses("tap:pv0?mtu=", "68 to 65521");
    refuses("tap:pv0?mac=01:00:00:00:00:00", "MAC");
    refuses("tap:pv0?ip=x", "IP address");
    refuses("tap:pv0?queues=2", "\"queues\" is no option of tap:");
    refuses("host:a/b", "no interface can have that name");
    refuses("host:lo?take=yes", "take is 1 or 0, not \"yes\"");
    refuses("host:lo?mtu=1500", "\"mtu\" is no option of host:");
    expect_refusal(ENODEV, {"no such interface: no_such_if"}, [] { find_device("host:no_such_if"); });
}

// --- host: --------------------------------------------------------------------------------------------------------

struct HostTest : OnOneCpu {
    void prepare() override {
        const NetworkNamespace probe;
        try {
            probe.run([] { open_link("host:lo"); });
        } catch (const std::system_error& error) {
            if (!is_missing_here(error)) throw;
            GTEST_SKIP() << "NOT TESTED: needs BPF programs and /dev/net/tun: " << error.what();
        }
    }
};

/// The left end's stack is 10.77.0.1, the right end's, by the wire, 10.77.0.2; links on left0 are 10.77.0.9.
struct Hosted {
    explicit Hosted(const std::string& options = {}, const VethPair::Options& pair = {})
        : veth{pair}, left{veth.left.name_space}, right{veth.right.name_space}, port{open(options)} {
        left.ip({"neighbour", "replace", "10.77.0.9", "dev", "left0", "lladdr", port.link->mac().to_string()});
    }
    std::unique_ptr<Link> open(const std::string& options) const {
        return left.run([&] { return open_link("host:left0" + options); });
    }
    Way in() const { return {port.link->mac(), veth.left.mac, "10.77.0.9", "10.77.0.1"}; }
    Way out() const { return {veth.left.mac, port.link->mac(), "10.77.0.1", "10.77.0.9"}; }

    const VethPair veth;
    const NetworkNamespace& left;
    const NetworkNamespace& right;
    Port port;
};

TEST_F(HostTest, CopiesWhatTheKernelSends) {
    Hosted host{{}, {.mtu = 9000}};
    const Socket sender{host.left, AF_INET, SOCK_DGRAM, 0};
    const Socket receiver{host.right, AF_INET, SOCK_DGRAM, 0};
    receiver.bind("10.77.0.2", udp_port);
    std::size_t count = 0;
    for (const std::size_t bytes : {1u, 22u, 1472u, 8972u}) {
        const Bytes payload = payload_of(bytes);
        sender.send(payload, "10.77.0.2", udp_port);
        EXPECT_EQ(receiver.receive(), payload);
        host.port.receive(++count);
        EXPECT_EQ(host.port.last().size(), bytes + 42);
        EXPECT_EQ(udp_payload_of(host.port.last()), payload);
        EXPECT_TRUE(host.port.sink.frames.back().checksum_ok);
        EXPECT_EQ(net::Headers{host.port.last()}.ethernet().dst(), host.veth.right.mac);
    }
    EXPECT_EQ(host.port.link->lost(), 0u);
    EXPECT_TRUE(host.port.link->up());
    EXPECT_EQ(host.port.link->mtu(), 9000u);
}

TEST_F(HostTest, TakesWhatTheKernelSendsAndGivesItBackAtItsEnd) {
    const VethPair veth{{.mtu = 9000}};
    const Socket sender{veth.left.name_space, AF_INET, SOCK_DGRAM, 0};
    const Socket receiver{veth.right.name_space, AF_INET, SOCK_DGRAM, 0};
    receiver.bind("10.77.0.2", udp_port);
    {
        Port port{veth.left.run([] { return open_link("host:left0?take=1"); })};
        for (const std::size_t bytes : {1u, 1472u, 8972u}) {
            sender.send(payload_of(bytes), "10.77.0.2", udp_port);
            port.receive(port.sink.frames.size() + 1);
            EXPECT_EQ(udp_payload_of(port.last()), payload_of(bytes));
        }
        EXPECT_TRUE(receiver.receive_now().empty());
    }
    sender.send(payload_of(5), "10.77.0.2", udp_port);
    EXPECT_EQ(receiver.receive(), payload_of(5));
    EXPECT_EQ(veth.left.name_space.ip({"link", "show", "type", "tun"}), "") << "a hidden tap is left";
}

TEST_F(HostTest, LetsTheKernelReceiveAsIfFromTheWire) {
    Hosted host{{}, {.mtu = 9000}};
    const Socket receiver{host.left, AF_INET, SOCK_DGRAM, 0};
    receiver.bind("10.77.0.1", udp_port);
    const char interface[] = "left0";
    ASSERT_EQ(::setsockopt(receiver.fd(), SOL_SOCKET, SO_BINDTODEVICE, interface, sizeof interface), 0);
    for (const std::size_t bytes : {1u, 22u, 1472u, 8972u}) {
        host.port.send_one(host.in().udp(payload_of(bytes)));
        EXPECT_EQ(receiver.receive(), payload_of(bytes));
    }
    Bytes wrong = host.in().udp(payload_of(100));
    ++wrong.back();
    host.port.send_one(wrong);
    host.port.send_one(host.in().udp(payload_of(101)));
    EXPECT_EQ(receiver.receive().size(), 101u) << "the kernel verifies checksums";
    EXPECT_EQ(host.port.link->unsent(), 0u);
}

TEST_F(HostTest, IsAStationThatPingsAndIsPinged) {
    for (const char* options : {"", "?take=1"}) {
        Hosted host{options};
        const Bytes data = payload_of(56);
        host.port.send_one(host.in().echo(false, data, 1));
        host.port.receive(1);
        const net::Headers reply{host.port.last()};
        ASSERT_TRUE(reply.icmp());
        EXPECT_EQ(reply.icmp().type(), net::icmp_type::echo_reply);
        EXPECT_EQ(reply.ethernet().dst(), host.port.link->mac());

        const Socket icmp{host.left, AF_INET, SOCK_RAW, IPPROTO_ICMP};
        const Bytes request = host.out().echo(false, data, 2);
        icmp.send({request.begin() + 34, request.end()}, "10.77.0.9", 0);
        host.port.receive(2);
        const Bytes answer = host.in().echo(true, data, 2);
        host.port.send_one(answer);
        const Bytes received = icmp.receive();
        ASSERT_EQ(received.size(), answer.size() - 14);
        EXPECT_TRUE(std::equal(received.begin() + 20, received.end(), answer.begin() + 34));
    }
}

TEST_F(HostTest, NeitherLosesNorReorders) {
    for (const char* options : {"", "?take=1"}) {
        Hosted host{options};
        const Socket world{host.left, AF_PACKET, SOCK_RAW, 0};
        world.bind_to(host.left, "left0");
        constexpr std::uint32_t burst = 50, all = 3000;
        for (std::uint32_t sent = 0; sent < all;) {
            std::vector<Bytes> frames;
            for (std::uint32_t i = 0; i < burst; ++i, ++sent) {
                world.send(host.out().numbered(60 + sent % 1400, sent));
                frames.push_back(host.in().numbered(60 + sent % 1400, sent));
            }
            host.port.receive(sent);
            ASSERT_EQ(host.port.send(frames), burst);
            for (const Bytes& frame : frames) ASSERT_EQ(world.receive(), frame);
        }
        ASSERT_EQ(host.port.sink.frames.size(), all);
        for (std::uint32_t i = 0; i < all; ++i) ASSERT_EQ(number_of(host.port.sink.frames[i].bytes), i);
        EXPECT_EQ(host.port.link->lost() + host.port.link->unsent(), 0u);
    }
}

TEST_F(HostTest, CountsWhatAFullQueueLoses) {
    for (const char* options : {"", "?take=1"}) {
        Hosted host{options};
        const Socket world{host.left, AF_PACKET, SOCK_RAW, 0};
        world.bind_to(host.left, "left0");
        constexpr std::uint32_t sent = 6000;
        for (std::uint32_t i = 0; i < sent; ++i) {
            const Bytes frame = host.out().numbered(60, i);
            ::send(world.fd(), frame.data(), frame.size(), 0);
        }
        const std::uint64_t lost = host.port.link->lost();
        EXPECT_GT(lost, 0u);
        host.port.receive(sent - lost);
    }
}

TEST_F(HostTest, GivesEveryCopyAndTakesOnlyOnce) {
    Hosted host{"?take=1"};
    Port first{host.open("")};
    Port second{host.open("")};
    expect_refusal(EBUSY, {"take what the kernel sends out of left0", "only one can"}, [&] { host.open("?take=1"); });
    const Socket sender{host.left, AF_INET, SOCK_DGRAM, 0};
    const Socket receiver{host.right, AF_INET, SOCK_DGRAM, 0};
    receiver.bind("10.77.0.2", udp_port);
    sender.send(payload_of(64), "10.77.0.2", udp_port);
    for (Port* port : {&host.port, &first, &second}) port->receive(1);
    EXPECT_TRUE(receiver.receive_now().empty()) << "the wire gets nothing";
}

TEST_F(HostTest, CutsSegmentsAndKeepsVlanTags) {
    Hosted host;
    const Socket sender{host.left, AF_INET, SOCK_DGRAM, 0};
    const int segment = 1000;
    ASSERT_EQ(::setsockopt(sender.fd(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    sender.send(payload_of(20'000), "10.77.0.2", udp_port);
    host.port.receive(20);
    Bytes all;
    for (const auto& frame : host.port.sink.frames) {
        EXPECT_EQ(frame.bytes.size(), 1042u);
        const Bytes part = udp_payload_of(frame.bytes);
        all.insert(all.end(), part.begin(), part.end());
    }
    EXPECT_EQ(all, payload_of(20'000));

    const Socket world{host.left, AF_PACKET, SOCK_RAW, 0};
    world.bind_to(host.left, "left0");
    Way tagged = host.out();
    tagged.vlan = net::Vlan{.id = 5, .priority = 3};
    world.send(tagged.udp(payload_of(100)));
    host.port.receive(21);
    EXPECT_EQ(host.port.last(), tagged.udp(payload_of(100)));
}

TEST_F(HostTest, FollowsItsInterface) {
    Hosted host{"?take=1"};
    Port& port = host.port;
    const Bytes frame = host.in().udp(payload_of(10));
    host.veth.left.set_up(false);
    EXPECT_FALSE(port.link->up());
    EXPECT_EQ(port.send(std::vector<Bytes>(3, frame)), 3u);
    EXPECT_EQ(port.link->unsent(), 3u);
    port.link->take_news();
    EXPECT_EQ(port.sink.news, "down ");

    host.left.ip({"link", "set", "left0", "name", "renamed0"});
    host.left.ip({"link", "set", "renamed0", "up"});
    port.wait_until_up();
    const Socket udp{host.left, AF_INET, SOCK_DGRAM, 0};
    udp.bind("10.77.0.1", udp_port);
    port.send_one(frame);
    EXPECT_EQ(udp.receive(), payload_of(10));
    host.left.ip({"neighbour", "replace", "10.77.0.9", "dev", "renamed0", "lladdr", port.link->mac().to_string()});
    udp.send(payload_of(20), "10.77.0.9", udp_port);
    port.receive(1);
    port.link->take_news();
    EXPECT_NE(port.sink.news.find("up "), std::string::npos) << port.sink.news;

    host.left.ip({"link", "delete", "renamed0"});
    port.sink.news.clear();
    port.link->take_news();
    EXPECT_EQ(port.sink.news, "down removed ");
    EXPECT_EQ(port.send({&frame, 1}), 1u);
    EXPECT_EQ(port.link->unsent(), 4u);
}

TEST_F(HostTest, LetsGoOfAnInterfaceThatMovesAway) {
    Hosted host{"?take=1"};
    const NetworkNamespace elsewhere;
    host.left.ip({"link", "set", "left0", "netns",
                  "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(elsewhere.fd())});
    host.port.link->take_news();
    EXPECT_EQ(host.port.sink.news, "down removed ");
    elsewhere.ip_batch("link set left0 up\n");
    host.veth.right.wait_for_carrier(true);
    const Socket receiver{host.right, AF_PACKET, SOCK_RAW, 0};
    receiver.bind_to(host.right, "right0");
    const Socket sender{elsewhere, AF_PACKET, SOCK_RAW, 0};
    sender.bind_to(elsewhere, "left0");
    sender.send(host.out().numbered(60, 1));
    EXPECT_EQ(receiver.receive(), host.out().numbered(60, 1));
}

TEST_F(HostTest, LeavesTheWireToTheKernelWhenItIsKilled) {
    const VethPair veth;
    const Socket sender{veth.left.name_space, AF_INET, SOCK_DGRAM, 0};
    const Socket receiver{veth.right.name_space, AF_INET, SOCK_DGRAM, 0};
    receiver.bind("10.77.0.2", udp_port);
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto link = veth.left.run([] { return open_link("host:left0?take=1"); });
        if (::write(ready[1], "x", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    ::close(ready[1]);
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    sender.send(payload_of(10), "10.77.0.2", udp_port);
    EXPECT_TRUE(receiver.receive_now().empty()) << "the child took it";
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    sender.send(payload_of(20), "10.77.0.2", udp_port);
    EXPECT_EQ(receiver.receive(), payload_of(20));
    Port next{veth.left.run([] { return open_link("host:left0?take=1"); })};
    sender.send(payload_of(30), "10.77.0.2", udp_port);
    next.receive(1);
}

TEST_F(HostTest, SaysWhichCapabilitiesAreMissing) {
    const VethPair veth;
    const auto text = error_of_unprivileged(veth.left.name_space, "host:left0");
    for (const char* words : {"1 cannot open host:left0", "CAP_NET_ADMIN or CAP_BPF is missing", "run as root",
                              "setcap cap_net_admin,cap_bpf+ep"})
        EXPECT_NE(text.find(words), std::string::npos) << text;
}

}  // namespace
}  // namespace pktverbs::soft
