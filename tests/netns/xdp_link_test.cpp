// SPDX-License-Identifier: Apache-2.0
// The xdp link between two network namespaces, with the kernel's own stack, or a packet link, at the other end.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <regex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/net/checksum.hpp>
#include <pktverbs/net/headers.hpp>
#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "network_namespace.hpp"
#include "program.hpp"
#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"

namespace pktverbs::soft::xdp {
namespace {

using namespace std::chrono_literals;
using test::NetworkNamespace;
using test::VethPair;
using Bytes = std::vector<std::uint8_t>;

constexpr int patience_ms = 20'000;  // a test that needs it has failed
constexpr std::uint16_t ours = 7148, kernels = 7149;
constexpr std::uint16_t experimental = 0x88b5;  // IEEE 802, for private use

std::unique_ptr<Link> open_device(const std::string& device) {
    const LinkString string = LinkString::parse(device, "");
    return string.kind().find(string).open();
}

struct OpenError {
    int code = 0;
    std::string text;
};
OpenError open_error(const std::string& device) {
    try {
        open_device(device);
    } catch (const std::system_error& error) {
        return {error.code().value(), error.what()};
    }
    return {0, "opened"};
}

struct Recorder final : Sink {
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const auto& frame : batch) frames.emplace_back(frame.data, frame.data + frame.length);
    }
    void link_changed(bool up) noexcept override { changes.push_back(up); }
    void mtu_changed() noexcept override { news += "mtu "; }
    void addresses_changed() noexcept override { news += "addresses "; }
    void removed() noexcept override { news += "removed "; }

    std::vector<Bytes> frames;
    std::vector<bool> changes;
    std::string news;
};

/// A link with its sink, opened in the namespace of one end: "xdp", "xdp?size=4096".
struct Port {
    Port(const VethPair::End& end, std::string kind) : Port(end, std::move(kind), end.interface) {}
    Port(const VethPair::End& end, std::string kind, const std::string& interface) {
        kind.insert(std::min(kind.find('?'), kind.size()), ":" + interface);
        link = end.run([&] { return open_device(kind); });
        link->attach(sink);
        link->watched(true);
    }
    ~Port() { link->detach(); }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    int set_flows(const std::vector<FlowMatch>& flows) {
        std::vector<const FlowMatch*> pointers;
        for (const auto& flow : flows) pointers.push_back(&flow);
        return link->set_flows(pointers);
    }
    bool is_readable(int timeout_ms = 0) const {
        pollfd waited{link->receive_fd(), POLLIN, 0};
        return ::poll(&waited, 1, timeout_ms) == 1;
    }
    /// Waits until the sink has this many frames.
    void receive(std::size_t count) {
        while (sink.frames.size() < count) {
            ASSERT_TRUE(is_readable(patience_ms)) << "only " << sink.frames.size() << " of " << count << " frames came";
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
            frames = frames.subspan(send(frames));
            pollfd waited{link->send_fd(), POLLOUT, 0};
            ASSERT_TRUE(frames.empty() || ::poll(&waited, 1, patience_ms) == 1);
        }
    }

    Recorder sink;
    std::unique_ptr<Link> link;
};

FlowMatch of_type(std::uint16_t ether_type) {
    FlowMatch flow;
    flow.mask.ether_type = 0xffff;
    flow.value.ether_type = htons(ether_type);
    return flow;
}
FlowMatch udp_to_port(std::uint16_t port) {
    FlowMatch flow;
    flow.mask.protocol = 0xff;
    flow.value.protocol = 17;
    flow.mask.dst_port = 0xffff;
    flow.value.dst_port = htons(port);
    flow.mask.flags = flow.value.flags = FrameKey::has_ports;
    return flow;
}

Bytes make_frame(std::size_t length, std::uint32_t number = 0, std::uint16_t type = experimental) {
    Bytes frame(length);
    const std::uint8_t header[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    std::ranges::copy(header, frame.begin());
    frame[12] = static_cast<std::uint8_t>(type >> 8);
    frame[13] = static_cast<std::uint8_t>(type & 0xff);
    for (std::size_t i = 14; i < length; ++i) frame[i] = static_cast<std::uint8_t>(i * 7 + number);
    if (length >= 18) std::memcpy(&frame[14], &number, sizeof number);
    return frame;
}
std::uint32_t number_of(const Bytes& frame) {
    std::uint32_t number;
    std::memcpy(&number, &frame[14], sizeof number);
    return number;
}

sockaddr_in address(const std::string& ip, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    inet_pton(AF_INET, ip.c_str(), &to.sin_addr);
    return to;
}

/// A kernel socket in the namespace of one end, bound to its address if there is a port.
FileDescriptor kernel_socket(const VethPair::End& end, int type, int protocol, std::uint16_t port = 0) {
    return end.run([&] {
        FileDescriptor socket{::socket(AF_INET, type | SOCK_CLOEXEC, protocol)};
        const sockaddr_in own = address(end.ipv4, port);
        const timeval patience{patience_ms / 1000, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (port != 0) {
            EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0)
                << std::strerror(errno);
        }
        return socket;
    });
}
void send_text(const FileDescriptor& socket, const std::string& ip, std::uint16_t port, const std::string& text) {
    const sockaddr_in to = address(ip, port);
    ASSERT_EQ(::sendto(socket.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(text.size()))
        << std::strerror(errno);
}
std::string receive_text(const FileDescriptor& socket, int flags = 0) {
    std::string text(65536, ' ');
    const ssize_t count = ::recv(socket.get(), text.data(), text.size(), flags);
    return count < 0 ? std::strerror(errno) : text.substr(0, static_cast<std::size_t>(count));
}

/// Why it can't be tested here; empty if it can.
std::string xdp_unavailable() {
    if (!NetworkNamespace::unavailable().empty()) return NetworkNamespace::unavailable();
    const VethPair veth;
    const auto error = veth.left.run([] { return open_error("xdp:left0"); });
    const bool is_lacking = error.code == EPERM || error.code == EAFNOSUPPORT || error.code == EOPNOTSUPP;
    return is_lacking ? "needs AF_XDP: " + error.text : "";
}

/// Before Linux 6.6, frames have to fit one buffer.
unsigned jumbo_mtu() {
    static const unsigned mtu = [] {
        const VethPair veth{{.mtu = 9000}};
        return veth.left.run([] { return open_error("xdp:left0"); }).code == EMSGSIZE ? 1700u : 9000u;
    }();
    return mtu;
}

struct XdpLinkTest : ::testing::Test {
    void SetUp() override {
        static const std::string reason = xdp_unavailable();
        if (!reason.empty()) GTEST_SKIP() << "NOT TESTED: " << reason;
    }
};

TEST_F(XdpLinkTest, KnowsItsInterface) {
    const VethPair veth;
    const Port port{veth.right, "xdp"};
    EXPECT_EQ(port.link->mac(), veth.right.mac);
    EXPECT_EQ(port.link->mtu(), 1500u);
    EXPECT_TRUE(port.link->up());
    EXPECT_EQ(port.link->interface_index(),
              veth.right.run([&] { return ::if_nametoindex(veth.right.interface.c_str()); }));
    EXPECT_TRUE(::fcntl(port.link->receive_fd(), F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(::fcntl(port.link->send_fd(), F_GETFD) & FD_CLOEXEC);
}

TEST_F(XdpLinkTest, CarriesFramesOf14To9014BytesBothWays) {
    const VethPair veth{{.mtu = jumbo_mtu()}};
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    ASSERT_EQ(right.link->mtu(), jumbo_mtu());
    ASSERT_EQ(left.set_flows({of_type(experimental)}), 0);
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    std::vector<Bytes> frames;
    for (const unsigned length :
         {14u, 18u, 60u, 64u, 1514u, 1792u, 1793u, 2048u, 2049u, 3520u, 3521u, 4096u, 4097u, 9014u})
        if (length <= jumbo_mtu() + 14) frames.push_back(make_frame(length));
    left.send_all(frames);
    right.receive(frames.size());
    EXPECT_EQ(right.sink.frames, frames);
    right.send_all(frames);
    left.receive(frames.size());
    EXPECT_EQ(left.sink.frames, frames);
    EXPECT_EQ(right.link->lost() + right.link->unsent(), 0u);
}

TEST_F(XdpLinkTest, WakesWhoBeginsToWaitForAFrameThatIsThere) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    const auto link = veth.right.run([] { return open_device("xdp:right0"); });
    Recorder sink;
    link->attach(sink);
    const FlowMatch wanted = of_type(experimental);
    const FlowMatch* const flows[] = {&wanted};
    ASSERT_EQ(link->set_flows(flows), 0);
    left.send_all(std::vector<Bytes>(2, make_frame(60)));
    pollfd waited{link->receive_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&waited, 1, 0), 0) << "nobody waits";
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{patience_ms};
         sink.frames.empty() && std::chrono::steady_clock::now() < end;)
        link->receive(1);
    EXPECT_EQ(sink.frames.size(), 1u);
    link->watched(true);
    EXPECT_EQ(::poll(&waited, 1, patience_ms), 1);
    link->receive(1000);
    EXPECT_EQ(sink.frames.size(), 2u);
    link->detach();
}

TEST_F(XdpLinkTest, SaysThatFramesOfTheMtuFitNoBuffer) {
    if (jumbo_mtu() == 9000) GTEST_SKIP() << "NOT TESTED: here they go through several";
    for (const auto& [mtu, words] :
         {std::pair{3000u, "use size=4096"}, std::pair{9000u, "ip link set dev left0 mtu 3498, and size=4096"}}) {
        const VethPair veth{{.mtu = mtu}};
        const auto error = veth.left.run([] { return open_error("xdp:left0"); });
        EXPECT_EQ(error.code, EMSGSIZE);
        EXPECT_NE(error.text.find("Linux 6.6"), std::string::npos) << error.text;
        EXPECT_NE(error.text.find(words), std::string::npos) << error.text;
    }
    const VethPair veth{{.mtu = 3498}};
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp?size=4096"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    const std::vector<Bytes> frames{make_frame(3512), make_frame(60)};
    left.send_all(frames);
    right.receive(2);
    EXPECT_EQ(right.sink.frames, frames);
}

TEST_F(XdpLinkTest, GathersAFrameFromPieces) {
    const VethPair veth{{.mtu = jumbo_mtu()}};
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp?size=4096"};
    ASSERT_EQ(left.set_flows({of_type(experimental)}), 0);
    const std::uint32_t length = jumbo_mtu() == 9000 ? 5000 : 1500;
    const Bytes whole = make_frame(length);
    const auto at = reinterpret_cast<std::uintptr_t>(whole.data());
    const ibv_sge pieces[] = {{at, 3, 0}, {at + 3, 0, 0}, {at + 3, length - 910, 0}, {at + length - 907, 907, 0}};
    const TxFrame frame{pieces, 4, length, false, nullptr};
    ASSERT_EQ(right.link->send({&frame, 1}), 1u);
    left.receive(1);
    EXPECT_EQ(left.sink.frames.at(0), whole);
}

TEST_F(XdpLinkTest, TakesWhatAFlowMatchesAndLeavesTheRestToTheKernel) {
    const VethPair veth;
    Port right{veth.right, "xdp"};
    const auto sender = kernel_socket(veth.left, SOCK_DGRAM, 0);
    const auto of_ours = kernel_socket(veth.right, SOCK_DGRAM, 0, ours);
    const auto of_kernels = kernel_socket(veth.right, SOCK_DGRAM, 0, kernels);
    send_text(sender, veth.right.ipv4, ours, "before there are flows");
    EXPECT_EQ(receive_text(of_ours), "before there are flows");

    ASSERT_EQ(right.set_flows({udp_to_port(ours)}), 0);
    send_text(sender, veth.right.ipv4, ours, "ours");
    send_text(sender, veth.right.ipv4, kernels, "the kernel's");
    right.receive(1);
    ASSERT_EQ(right.sink.frames.size(), 1u);
    EXPECT_EQ(std::string(right.sink.frames[0].begin() + 42, right.sink.frames[0].end()), "ours");
    EXPECT_EQ(receive_text(of_kernels), "the kernel's");
    EXPECT_EQ(receive_text(of_ours, MSG_DONTWAIT), std::strerror(EAGAIN));

    ASSERT_EQ(right.set_flows({}), 0);
    send_text(sender, veth.right.ipv4, ours, "after they ended");
    EXPECT_EQ(receive_text(of_ours), "after they ended");
}

TEST_F(XdpLinkTest, TakesAndLeavesEveryFrameOnce) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    Port kernel{veth.right, "packet"};  // sees what the kernel's stack does
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    ASSERT_EQ(kernel.set_flows({of_type(experimental), of_type(experimental + 1)}), 0);
    std::uint32_t number = 0, taken = 0, left_over = 0;
    while (number < 10'000) {
        std::vector<Bytes> burst;
        for (int i = 0; i < 60; ++i, ++number) {
            const bool is_ours = number % 3 != 0;
            (is_ours ? taken : left_over) += 1;
            burst.push_back(make_frame(60 + number % 1400, number,
                                       static_cast<std::uint16_t>(is_ours ? experimental : experimental + 1)));
        }
        left.send_all(burst);
        right.receive(taken);
        kernel.receive(left_over);
    }
    ASSERT_EQ(right.sink.frames.size(), taken);
    ASSERT_EQ(kernel.sink.frames.size(), left_over);
    std::uint32_t previous = 0;
    for (std::uint32_t i = 0; i < number; ++i) {
        if (i % 3 == 0) continue;
        const Bytes& frame = right.sink.frames[previous++];
        ASSERT_EQ(frame, make_frame(60 + i % 1400, i));
    }
    EXPECT_EQ(right.link->lost() + left.link->unsent(), 0u);
}

TEST_F(XdpLinkTest, SendsEveryFrameOnceInOrder) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    ASSERT_EQ(left.set_flows({of_type(experimental)}), 0);
    std::uint32_t sent = 0;
    while (sent < 20'000) {
        std::vector<Bytes> burst;
        for (int i = 0; i < 500; ++i, ++sent) burst.push_back(make_frame(60 + sent % 1400, sent));
        right.send_all(burst);
        left.receive(sent);
    }
    ASSERT_EQ(left.sink.frames.size(), sent);
    for (std::uint32_t i = 0; i < sent; ++i) ASSERT_EQ(number_of(left.sink.frames[i]), i);
    EXPECT_EQ(right.link->unsent() + left.link->lost(), 0u);
}

TEST_F(XdpLinkTest, CountsWhatFindsNoBuffer) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp?ring=6"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    for (std::uint32_t i = 0; i < 20; ++i) {
        left.send_all(std::vector<Bytes>(10, make_frame(100)));
        // veth's own queue is emptied by another thread of the kernel.
        for (int tries = 0; tries < patience_ms && right.link->lost() + 64 < 10 * (i + 1); ++tries)
            std::this_thread::sleep_for(1ms);
        if (10 * (i + 1) <= 64) std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(right.link->lost(), 200u - 64u);
    right.receive(64);
    left.send_all(std::vector<Bytes>(10, make_frame(100)));  // and it works again
    right.receive(74);
    EXPECT_EQ(right.link->lost(), 200u - 64u);
}

TEST_F(XdpLinkTest, ChangesFlowsWithoutLosingAFrame) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    std::atomic<bool> stop{false};
    std::atomic<int> changes{0};
    std::thread other{[&] {
        while (!stop) {
            EXPECT_EQ(right.set_flows({udp_to_port(9), of_type(experimental)}), 0);
            EXPECT_EQ(right.set_flows({of_type(experimental)}), 0);
            ++changes;
        }
    }};
    std::uint32_t sent = 0;
    for (int rounds = 0; rounds < 100 || changes < 20; ++rounds) {
        std::vector<Bytes> burst;
        for (int i = 0; i < 50; ++i) burst.push_back(make_frame(100, sent++));
        left.send_all(burst);
        right.receive(sent);
    }
    stop = true;
    other.join();
    for (std::uint32_t i = 0; i < sent; ++i) ASSERT_EQ(number_of(right.sink.frames[i]), i);
}

/// Answers an echo request, in place.
void turn_around(std::span<std::uint8_t> frame) {
    const net::Headers headers{frame};
    std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
    std::swap_ranges(frame.begin() + 26, frame.begin() + 30, frame.begin() + 30);
    frame[34] = ICMP_ECHOREPLY;
    headers.fill_checksums();
}

/// A session of the kernel's: bytes from the left to the right, and whether all came as they were sent.
bool stream(const VethPair& veth, std::size_t bytes) {
    const auto listener = kernel_socket(veth.right, SOCK_STREAM, 0, kernels);
    if (::listen(listener.get(), 1) != 0) return false;
    std::thread sender{[&] {
        const auto socket = kernel_socket(veth.left, SOCK_STREAM, 0);
        const sockaddr_in to = address(veth.right.ipv4, kernels);
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
        Bytes all(bytes);
        for (std::size_t i = 0; i < bytes; ++i) all[i] = static_cast<std::uint8_t>(i * 31 >> 3);
        for (std::size_t sent = 0; sent < bytes;) {
            const ssize_t count = ::send(socket.get(), all.data() + sent, bytes - sent, MSG_NOSIGNAL);
            if (count <= 0) return;
            sent += static_cast<std::size_t>(count);
        }
    }};
    const FileDescriptor accepted{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    const timeval patience{patience_ms / 1000, 0};
    ::setsockopt(accepted.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    Bytes buffer(65536);
    std::size_t got = 0;
    bool is_right = true;
    for (ssize_t count; (count = ::recv(accepted.get(), buffer.data(), buffer.size(), 0)) > 0;)
        for (ssize_t i = 0; i < count; ++i, ++got)
            is_right &= buffer[static_cast<std::size_t>(i)] == static_cast<std::uint8_t>(got * 31 >> 3);
    sender.join();
    return is_right && got == bytes;
}

TEST_F(XdpLinkTest, AnswersPingsWhileTheKernelsSessionRuns) {
    for (const unsigned mtu : {1500u, jumbo_mtu()}) {
        const VethPair veth{{.mtu = mtu}};
        const std::string our_address = "10.77.0.9";
        veth.left.name_space.ip(
            {"neighbour", "replace", our_address, "lladdr", veth.right.mac.to_string(), "dev", veth.left.interface});
        Context context = veth.right.run([&] {
            return Context{"xdp:" + veth.right.interface,
                           {.send_packets = 64, .recv_packets = 64, .max_packet_size = 9216}};
        });
        const Flow flow = context.install(FlowRule{}.dst_ip(our_address));
        std::atomic<bool> is_streamed{false};
        std::thread session{[&] { is_streamed = stream(veth, 8'000'000); }};

        const auto pinger = kernel_socket(veth.left, SOCK_RAW, IPPROTO_ICMP);
        for (std::uint16_t sequence = 1; sequence <= 50; ++sequence) {
            std::string request(22 + sequence * (mtu - 100) / 50, 'p');
            icmphdr header{};
            header.type = ICMP_ECHO;
            header.un.echo.sequence = htons(sequence);
            std::memcpy(request.data(), &header, sizeof header);
            net::InternetSum sum;
            sum.add({reinterpret_cast<const std::uint8_t*>(request.data()), request.size()});
            const std::uint16_t checksum = htons(sum.checksum());
            std::memcpy(request.data() + offsetof(icmphdr, checksum), &checksum, sizeof checksum);
            send_text(pinger, our_address, 0, request);

            RecvList list = context.recv(20s);
            ASSERT_EQ(list.size(), 1u);
            SendList answers = context.acquire(1);
            for (auto& answer : answers) {
                const auto bytes = list.front().bytes();
                std::ranges::copy(bytes, answer.buffer().begin());
                answer.set_length(bytes.size());
                turn_around(answer.bytes());
            }
            ASSERT_TRUE(context.send(std::move(answers)).empty());
            std::string reply = receive_text(pinger);
            ASSERT_EQ(reply.size(), 20 + request.size());
            EXPECT_EQ(reply[20], ICMP_ECHOREPLY);
            EXPECT_EQ(reply.substr(20 + 4), request.substr(4));
        }
        session.join();
        EXPECT_TRUE(is_streamed);
        EXPECT_EQ(context.stats().drops.unmatched, 0u);
    }
}

/// The number of this name in iperf3's summary of what one side counted: "sum_sent", "sum_received". -1 if there is
/// none.
long iperf_sum(const std::string& json, const std::string& side, const std::string& name) {
    const std::regex pattern{"\"" + side + "\":\\s*\\{[^}]*\"" + name + "\":\\s*(\\d+)"};
    std::smatch found;
    return std::regex_search(json, found, pattern) ? std::stol(found[1]) : -1;
}

TEST_F(XdpLinkTest, TakesItsFlowWhileIperfHasASession) {
    if (std::system("command -v iperf3 >/dev/null") != 0) GTEST_SKIP() << "NOT TESTED: iperf3 is not installed";
    const VethPair veth;
    Context context = veth.right.run([&] {
        return Context{"xdp:" + veth.right.interface, {.send_packets = none, .recv_packets = 64}};
    });
    const Flow flow = context.install(FlowRule{}.dst_ip(veth.right.ipv4).udp().dst_port(ours));
    const auto kernels_end = kernel_socket(veth.right, SOCK_DGRAM, 0, ours);
    const auto sender = kernel_socket(veth.left, SOCK_DGRAM, 0);

    const std::string port = std::to_string(kernels);
    test::Program server =
        veth.right.run([&] { return test::Program{"timeout 30 iperf3 -s -1 --forceflush -p " + port}; });
    for (std::string line; line.find("Server listening") == std::string::npos;)
        ASSERT_FALSE((line = server.line()).empty()) << "exit status " << server.exit_status();
    // A small window: veth drops what finds its queue of 256 full.
    test::Program client = veth.left.run(
        [&] { return test::Program{"timeout 30 iperf3 --json -t 1 -w 64K -p " + port + " -c " + veth.right.ipv4}; });
    std::string json;
    std::atomic<bool> has_ended{false};
    std::thread session{[&] {
        for (const std::string& line : client.lines()) json += line;
        has_ended = true;
    }};

    std::uint32_t sent = 0, received = 0;
    while (!has_ended && received == sent) {
        for (int i = 0; i < 16; ++i) send_text(sender, veth.right.ipv4, ours, std::to_string(sent++));
        while (received < sent) {
            const RecvList list = context.recv(20s);
            if (list.empty()) break;
            for (const RecvPkt& packet : list) {
                const auto payload = packet.bytes().subspan(42);
                EXPECT_EQ(std::string(payload.begin(), payload.end()), std::to_string(received++));
            }
        }
    }
    session.join();
    EXPECT_EQ(received, sent);
    EXPECT_GE(received, 16u * 10u) << "they were not there at the same time";
    EXPECT_TRUE(context.recv(0ns).empty());
    const Stats stats = context.stats();
    EXPECT_EQ(stats.recv_packets, sent);
    EXPECT_EQ(stats.drops.total(), 0u) << stats.to_string();
    EXPECT_EQ(receive_text(kernels_end, MSG_DONTWAIT), std::strerror(EAGAIN));

    EXPECT_EQ(client.exit_status(), 0) << json;
    for (const std::string& line : server.lines()) EXPECT_EQ(line.find("error"), std::string::npos) << line;
    EXPECT_EQ(server.exit_status(), 0);
    const long bytes = iperf_sum(json, "sum_sent", "bytes");
    EXPECT_GT(bytes, 0) << json;
    EXPECT_GT(iperf_sum(json, "sum_received", "bytes"), bytes / 2) << json;
    // A hundredth of the segments, and a few for a machine that has much else to do.
    const long retransmits = iperf_sum(json, "sum_sent", "retransmits");
    EXPECT_GE(retransmits, 0) << json;
    EXPECT_LE(retransmits, bytes / 1448 / 100 + 20) << json;
    EXPECT_EQ(json.find("\"error\""), std::string::npos) << json;
    RecordProperty("datagrams", std::to_string(received));
    RecordProperty("session_bytes", std::to_string(bytes));
    RecordProperty("session_retransmits", std::to_string(retransmits));
}

TEST_F(XdpLinkTest, HoldsWhatTheKernelHadWhenTheInterfaceWentDown) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    ASSERT_EQ(left.set_flows({of_type(experimental)}), 0);
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    veth.right.set_up(false);
    const std::vector<Bytes> frames(100, make_frame(100));
    EXPECT_EQ(right.send(frames), 100u);
    EXPECT_EQ(right.send(frames), 100u);
    const std::uint64_t unsent = right.link->unsent();
    EXPECT_EQ(unsent, 200u - 32u);
    right.link->receive(10);
    EXPECT_EQ(right.sink.changes, std::vector<bool>{false});

    veth.right.set_up(true);
    veth.left.wait_for_carrier(true);
    veth.right.wait_for_carrier(true);
    right.link->take_news();
    EXPECT_EQ(right.sink.changes, (std::vector<bool>{false, true}));
    right.link->receive(10);
    left.receive(32);
    right.send_all(frames);
    left.receive(132);
    EXPECT_EQ(right.link->unsent(), unsent);
    left.send_all(frames);
    right.receive(100);
    EXPECT_EQ(left.sink.frames.size(), 132u);
}

TEST_F(XdpLinkTest, CountsWhatIsSentWithoutACarrier) {
    const VethPair veth;
    Port right{veth.right, "xdp"};
    veth.left.set_up(false);
    veth.right.wait_for_carrier(false);
    EXPECT_EQ(right.send(std::vector<Bytes>(100, make_frame(100))), 100u);
    EXPECT_EQ(right.link->unsent(), 100u);
}

TEST_F(XdpLinkTest, StaysOnItsInterfaceWhateverThatIsCalled) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    veth.right.name_space.ip_batch(
        "link set right0 down\nlink set right0 name other0\nlink set other0 up\n"
        "link add right0 type veth peer name nobody0\n");
    veth.left.wait_for_carrier(true);
    left.send_all(std::vector<Bytes>(10, make_frame(100)));
    right.receive(10);
    veth.right.name_space.ip({"link", "set", "other0", "address", "02:00:00:00:00:77", "mtu", "1400"});
    right.link->take_news();
    EXPECT_EQ(right.link->mac().to_string(), "02:00:00:00:00:77");
    EXPECT_EQ(right.link->mtu(), 1400u);
    EXPECT_NE(right.sink.news.find("mtu"), std::string::npos);
    ASSERT_EQ(right.set_flows({of_type(experimental), udp_to_port(1)}), 0);
}

TEST_F(XdpLinkTest, OutlivesItsInterface) {
    const VethPair veth;
    Port right{veth.right, "xdp"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    veth.right.name_space.ip({"link", "delete", veth.right.interface});
    EXPECT_FALSE(right.link->up());
    EXPECT_EQ(right.send(std::vector<Bytes>(50, make_frame(100))), 50u);
    EXPECT_EQ(right.send(std::vector<Bytes>(50, make_frame(100))), 50u);
    EXPECT_EQ(right.link->unsent(), 100u);
    right.link->take_news();
    EXPECT_NE(right.sink.news.find("removed"), std::string::npos);
    EXPECT_EQ(right.set_flows({udp_to_port(1)}), ENODEV);
    EXPECT_EQ(right.set_flows({}), 0);
    right.link->receive(10);
    EXPECT_TRUE(right.sink.frames.empty());
}

TEST_F(XdpLinkTest, TakesTaggedFramesByTheirTag) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    FlowMatch vlan_five;
    vlan_five.mask.vlan_tci = htons(0x0fff);
    vlan_five.value.vlan_tci = htons(5);
    vlan_five.mask.flags = vlan_five.value.flags = FrameKey::has_vlan;
    ASSERT_EQ(right.set_flows({vlan_five}), 0);
    std::vector<Bytes> frames(4, make_frame(200));
    const Bytes tags[] = {{0x81, 0, 0x60, 5}, {0x81, 0, 0x60, 6}, {0x88, 0xa8, 0, 5, 0x81, 0, 0, 9}, {}};
    for (std::size_t i = 0; i < frames.size(); ++i)
        frames[i].insert(frames[i].begin() + 12, tags[i].begin(), tags[i].end());
    left.send_all(frames);
    left.send_all({&frames[0], 1});
    right.receive(3);
    EXPECT_EQ(right.sink.frames, (std::vector<Bytes>{frames[0], frames[2], frames[0]}));
}

TEST_F(XdpLinkTest, ReceivesFromSeveralQueues) {
    const VethPair veth;
    veth.left.name_space.ip_batch(
        "link add a0 numrxqueues 2 numtxqueues 2 type veth peer name b0 numrxqueues 2 numtxqueues 2\n"
        "link set a0 up\nlink set b0 up\n");
    Port sender{veth.left, "xdp?queue=1", "a0"};  // so the other end receives on its queue 1
    Port kernel{veth.left, "packet", "b0"};
    ASSERT_EQ(kernel.set_flows({of_type(experimental)}), 0);
    const Bytes frame = make_frame(100);
    {
        Port both{veth.left, "xdp?queues=2&ring=8", "b0"};
        ASSERT_EQ(both.set_flows({of_type(experimental)}), 0);
        sender.send_all({&frame, 1});
        both.receive(1);
        EXPECT_FALSE(both.is_readable());
    }
    Port first_only{veth.left, "xdp", "b0"};
    ASSERT_EQ(first_only.set_flows({of_type(experimental)}), 0);
    sender.send_all({&frame, 1});
    kernel.receive(1);
    EXPECT_FALSE(first_only.is_readable());
}

TEST_F(XdpLinkTest, PollsTheInterfaceIfAskedTo) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp?busy_poll=20us&mode=copy"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    left.send_all(std::vector<Bytes>(100, make_frame(100)));
    right.receive(100);
}

TEST_F(XdpLinkTest, DeliversNothingAfterDetach) {
    const VethPair veth;
    Port left{veth.left, "packet"};
    Port right{veth.right, "xdp"};
    ASSERT_EQ(right.set_flows({of_type(experimental)}), 0);
    const Bytes frame = make_frame(100);
    left.send_all({&frame, 1});
    ASSERT_TRUE(right.is_readable(patience_ms));
    right.link->detach();
    EXPECT_FALSE(right.link->wants_receive());
    right.link->receive(10);
    EXPECT_TRUE(right.sink.frames.empty());
    right.link->attach(right.sink);
    right.receive(1);
    EXPECT_FALSE(right.is_readable());
}

TEST_F(XdpLinkTest, AsksTheInterfaceForWhatItsFlowsNeed) {
    const VethPair veth;
    Port right{veth.right, "xdp"};
    auto groups = [&] { return veth.right.name_space.ip({"maddress", "show", "dev", veth.right.interface}); };
    FlowMatch group;
    const std::uint8_t mac[] = {1, 0, 0x5e, 0x11, 0x22, 0x33};
    std::ranges::copy(mac, group.value.dst_mac);
    std::ranges::fill(group.mask.dst_mac, std::uint8_t{0xff});
    ASSERT_EQ(right.set_flows({group}), 0);
    EXPECT_NE(groups().find("01:00:5e:11:22:33"), std::string::npos);
    ASSERT_EQ(right.set_flows({}), 0);
    EXPECT_EQ(groups().find("01:00:5e:11:22:33"), std::string::npos);
}

TEST_F(XdpLinkTest, RefusesFlowsThatAreToGetCopies) {
    const VethPair veth;
    Port right{veth.right, "xdp"};
    FlowMatch sniffer;
    sniffer.type = IBV_FLOW_ATTR_SNIFFER;
    EXPECT_EQ(right.set_flows({sniffer}), EOPNOTSUPP);
    FlowMatch copied = of_type(experimental);
    copied.dont_trap = true;
    EXPECT_EQ(right.set_flows({copied}), EOPNOTSUPP);
}

TEST_F(XdpLinkTest, RefusesAnInterfaceWithAProgram) {
    const VethPair veth;
    const Port first{veth.right, "xdp"};
    for (const char* device : {"xdp:right0", "xdp:right0?queue=0&ring=6"}) {
        const auto error = veth.right.run([&] { return open_error(device); });
        EXPECT_EQ(error.code, EBUSY) << error.text;
        EXPECT_NE(error.text.find("right0"), std::string::npos) << error.text;
        EXPECT_NE(error.text.find("ip link set dev right0 xdp off"), std::string::npos) << error.text;
    }
    try {
        veth.right.run([] { Context{"xdp:right0", {}}; });
        FAIL() << "opened";
    } catch (const std::system_error& error) {
        EXPECT_NE(std::string{error.what()}.find("ip link set dev right0 xdp off"), std::string::npos) << error.what();
    }
}

TEST_F(XdpLinkTest, LeavesTheInterfaceAsItWas) {
    const VethPair veth;
    const auto show = [&] { return veth.right.name_space.ip({"-d", "link", "show", "dev", "right0"}); };
    {
        const Port port{veth.right, "xdp"};
        EXPECT_NE(show().find("xdp"), std::string::npos);
    }
    EXPECT_EQ(show().find("xdp"), std::string::npos);
    const Port again{veth.right, "xdp"};
}

TEST_F(XdpLinkTest, SaysThatThereIsNoSuchQueue) {
    const VethPair veth;
    const auto error = veth.right.run([] { return open_error("xdp:right0?queue=7"); });
    EXPECT_EQ(error.code, EINVAL);
    EXPECT_NE(error.text.find("no queue 7"), std::string::npos) << error.text;
    EXPECT_NE(error.text.find("ethtool -l"), std::string::npos) << error.text;
}

TEST_F(XdpLinkTest, SaysThatADriverHasNoZeroCopy) {
    const VethPair veth;
    const auto error = veth.right.run([] { return open_error("xdp:right0?mode=zerocopy"); });
    EXPECT_EQ(error.code, EOPNOTSUPP);
    EXPECT_NE(error.text.find("leave mode=zerocopy out"), std::string::npos) << error.text;
}

/// In a child process with these capabilities, and no others, on the right end.
OpenError open_error_with(const VethPair& veth, std::uint64_t capabilities) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {errno, "no pipe"};
    const pid_t child = ::fork();
    if (child == 0) {
        veth.right.run([&] {
            __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
            __user_cap_data_struct sets[2]{};
            for (std::size_t i : {0u, 1u})
                sets[i].effective = sets[i].permitted = static_cast<std::uint32_t>(capabilities >> 32 * i);
            if (::syscall(SYS_capset, &header, sets) != 0) ::_exit(101);
            OpenError error;
            try {
                const auto link = open_device("xdp:right0");
                const FlowMatch flows[] = {udp_to_port(ours), of_type(experimental)};
                const FlowMatch* const both[] = {&flows[0], &flows[1]};
                error = {link->set_flows(both), "opened"};
            } catch (const std::system_error& failure) {
                error = {failure.code().value(), failure.what()};
            }
            if (::write(ends[1], error.text.data(), error.text.size()) < 0) ::_exit(102);
            ::_exit(error.code);
        });
    }
    ::close(ends[1]);
    OpenError error{-1, std::string(2000, ' ')};
    const ssize_t count = ::read(ends[0], error.text.data(), error.text.size());
    ::close(ends[0]);
    error.text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    int status = 0;
    if (::waitpid(child, &status, 0) == child && WIFEXITED(status)) error.code = WEXITSTATUS(status);
    return error;
}

constexpr std::uint64_t just(unsigned capability) { return std::uint64_t{1} << capability; }

TEST_F(XdpLinkTest, NamesTheCapabilitiesThatAreMissing) {
    const VethPair veth;
    constexpr auto all = just(CAP_NET_ADMIN) | just(CAP_NET_RAW) | just(CAP_BPF);
    const auto enough = open_error_with(veth, all | just(CAP_IPC_LOCK));
    EXPECT_EQ(enough.code, 0) << enough.text;
    for (const auto& [capability, name] : {std::pair{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                           std::pair{CAP_NET_RAW, "CAP_NET_RAW"}, std::pair{CAP_BPF, "CAP_BPF"}}) {
        const auto error = open_error_with(veth, (all | just(CAP_IPC_LOCK)) & ~just(static_cast<unsigned>(capability)));
        EXPECT_EQ(error.code, EPERM) << error.text;
        EXPECT_NE(error.text.find(std::string{name} + " is missing"), std::string::npos) << error.text;
        EXPECT_NE(error.text.find("setcap"), std::string::npos) << error.text;
    }
    const auto nothing = open_error_with(veth, 0);
    EXPECT_NE(nothing.text.find("CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF are missing"), std::string::npos) << nothing.text;
}

}  // namespace
}  // namespace pktverbs::soft::xdp
