// SPDX-License-Identifier: Apache-2.0
// Packet links whose UDP travels as super-frames.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "interface/ethtool.hpp"
#include "interface/interface.hpp"
#include "ip_frame.hpp"
#include "net/internet_checksum.hpp"
#include "network_namespace.hpp"
#include "on_one_cpu.hpp"
#include "soft/link/packet.hpp"

namespace pktverbs::soft {
namespace {

using pktverbs::testing::IpFrame;
using test::patience;
using test::VethPair;
using Clock = std::chrono::steady_clock;
using Frame = std::vector<std::uint8_t>;
using Frames = std::vector<Frame>;

/// Whether packet sockets know UDP segments: from Linux 6.2 on.
bool kernel_knows_super_frames() {
    utsname kernel;
    int major = 0, minor = 0;
    return ::uname(&kernel) == 0 && std::sscanf(kernel.release, "%d.%d", &major, &minor) == 2 &&
           std::pair{major, minor} >= std::pair{6, 2};
}

IpFrame from_left_to_right(bool v6 = false) {
    IpFrame frame = v6 ? IpFrame::v6() : IpFrame{};
    frame.dst_mac = {2, 0, 0, 0, 0, 2};
    frame.src_mac = {2, 0, 0, 0, 0, 1};
    return frame;
}

/// One flow's frames, with checksums and identifications that increase.
Frames run_of(IpFrame frame, std::size_t count, std::size_t payload_bytes, std::size_t last_bytes = 0) {
    Frames frames;
    for (std::size_t i = 0; i < count; ++i) {
        frame.payload.resize(i + 1 == count && last_bytes != 0 ? last_bytes : payload_bytes);
        for (std::size_t at = 0; at < frame.payload.size(); ++at)
            frame.payload[at] = static_cast<std::uint8_t>(at * 7 + i * 13);
        EXPECT_TRUE(fill_checksums(frames.emplace_back(frame.bytes()), {}));
        ++frame.id;
    }
    return frames;
}

struct FrameKeeper final : Sink {
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const RxFrame& frame : batch)
            if (!is_chatter(frame)) frames.emplace_back(frame.data, frame.data + frame.length);
    }
    /// The kernel's own, of IPv6.
    static bool is_chatter(const RxFrame& frame) {
        return frame.length > 20 && frame.data[12] == 0x86 && frame.data[13] == 0xdd && frame.data[20] != 17;
    }
    void link_changed(bool) noexcept override {}
    Frames frames;
};

struct SuperPort {
    SuperPort(const VethPair::End& end, const PacketSettings& settings)
        : link{end.run([&] { return packet_port(Interface::find(end.interface), settings).open(); })} {
        link->attach(sink);
        static const FlowMatch everything{};
        const FlowMatch* const flows[] = {&everything};
        EXPECT_EQ(link->set_flows(flows), 0);
    }
    ~SuperPort() { link->detach(); }
    SuperPort(const SuperPort&) = delete;
    SuperPort& operator=(const SuperPort&) = delete;

    void send(const Frames& frames) {
        std::vector<ibv_sge> pieces;
        for (const Frame& frame : frames)
            pieces.push_back(
                {reinterpret_cast<std::uintptr_t>(frame.data()), static_cast<std::uint32_t>(frame.size()), 0});
        std::vector<TxFrame> list;
        for (const ibv_sge& piece : pieces) list.push_back({&piece, 1, piece.length, false, nullptr});
        std::span<const TxFrame> left{list};
        for (const auto deadline = Clock::now() + patience; !left.empty();) {
            left = left.subspan(link->send(left));
            ASSERT_LT(Clock::now(), deadline) << left.size() << " are left";
        }
    }
    /// Takes what has come since, until there is so much.
    Frames receive(std::size_t count) {
        const auto deadline = Clock::now() + patience;
        while (sink.frames.size() < count && Clock::now() < deadline) {
            pollfd waited{link->receive_fd(), POLLIN, 0};
            if (::poll(&waited, 1, 100) == 1) link->receive(1000);
        }
        link->receive(1000);
        return std::exchange(sink.frames, {});
    }

    FrameKeeper sink;
    std::unique_ptr<Link> link;
};

/// What a program that knows nothing of it sees at the right end.
class PlainSocket {
public:
    explicit PlainSocket(const VethPair& veth)
        : fd_{veth.right.run(
              [] { return FileDescriptor{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL))}; })} {
        const int bytes = 8 * 1024 * 1024;  // behind XDP a short frame takes a page
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    }
    /// Waits for so many.
    std::vector<std::size_t> lengths(std::size_t least) const {
        std::vector<std::size_t> all = lengths();
        for (const auto deadline = Clock::now() + patience; all.size() < least && Clock::now() < deadline;)
            for (const std::size_t length : lengths()) all.push_back(length);
        return all;
    }
    std::vector<std::size_t> lengths() const {
        std::vector<std::size_t> all;
        std::vector<std::uint8_t> frame(70'000);
        for (ssize_t length; (length = ::recv(fd_.get(), frame.data(), frame.size(), MSG_TRUNC)) >= 0;)
            if (frame[12] == 8 && frame[23] == 17) all.push_back(static_cast<std::size_t>(length));
        return all;
    }

private:
    FileDescriptor fd_;
};

constexpr PacketSettings coalescing{.coalesces = true};

struct SuperFrameTest : test::OnOneCpu {};

TEST_F(SuperFrameTest, GivesEveryFrameAsItWas) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, coalescing};
    for (const bool v6 : {false, true})
        for (const std::size_t payload : {18u, 19u, 22u, 100u, 511u, 1000u, 1451u})
            for (const std::size_t count : {1u, 2u, 3u, 10u, 64u, 65u, 128u, 129u, 200u}) {
                SCOPED_TRACE(std::to_string(count) + " of " + std::to_string(payload));
                for (const std::size_t last : {payload, std::size_t{1}}) {
                    const Frames sent = run_of(from_left_to_right(v6), count, payload, last);
                    left.send(sent);
                    ASSERT_EQ(right.receive(count), sent);
                }
            }
    for (const std::size_t payload : {1471u, 1472u}) {
        const Frames sent = run_of(from_left_to_right(), 200, payload);
        left.send(sent);
        ASSERT_EQ(right.receive(200), sent);
    }
    EXPECT_EQ(left.link->unsent() + right.link->lost(), 0u);
}

TEST_F(SuperFrameTest, TravelsAsOneFrame) {
    if (!kernel_knows_super_frames()) GTEST_SKIP() << "NOT TESTED: this kernel knows none";
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, unaware{veth.right, {}};
    const PlainSocket plain{veth};
    left.send(run_of(from_left_to_right(), 100, 50));
    EXPECT_EQ(plain.lengths(), std::vector<std::size_t>{42 + 100 * 50});
    EXPECT_EQ(unaware.receive(1).size(), 1u);
    left.send(run_of(from_left_to_right(), 100, 1400));  // 46 fit
    EXPECT_EQ(plain.lengths(), (std::vector<std::size_t>{42 + 46 * 1400, 42 + 46 * 1400, 42 + 8 * 1400}));
    left.send(run_of(from_left_to_right(), 1, 50));
    EXPECT_EQ(plain.lengths(), std::vector<std::size_t>{42 + 50});
}

TEST_F(SuperFrameTest, SendsFramesAloneUnlessAskedFor) {
    const VethPair veth;
    SuperPort left{veth.left, {}}, right{veth.right, coalescing};
    const PlainSocket plain{veth};
    const Frames sent = run_of(from_left_to_right(), 100, 50);
    left.send(sent);
    EXPECT_EQ(plain.lengths(100), std::vector<std::size_t>(100, 92));
    EXPECT_EQ(right.receive(100), sent);
}

TEST_F(SuperFrameTest, KeepsMixedFlowsInOrder) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, coalescing};
    std::mt19937 random{20261130};
    IpFrame flows[] = {from_left_to_right(), from_left_to_right(true), from_left_to_right()};
    flows[2].src_port = 1;
    IpFrame tagged = from_left_to_right();
    tagged.tags = {0x81, 0, 0, 5};
    for (int turn = 0; turn < 50; ++turn) {
        Frames sent;
        while (sent.size() < 200) {
            const Frames more = run_of(random() % 8 == 0 ? tagged : flows[random() % 3], 1 + random() % 40,
                                       1 + random() % 1400, 1 + random() % 60);
            sent.insert(sent.end(), more.begin(), more.end());
        }
        left.send(sent);
        ASSERT_EQ(right.receive(sent.size()), sent);
    }
}

TEST_F(SuperFrameTest, RepairsNothing) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, coalescing};
    Frames sent = run_of(from_left_to_right(), 100, 50);
    sent[10][40] = sent[10][41] = 0;  // no checksum
    sent[20][50] ^= 1;                // a wrong one
    sent[30][25] ^= 1;                // IPv4's
    sent[40][39] ^= 1;                // UDP's length
    sent[50][17] ^= 1;                // IPv4's length
    left.send(sent);
    EXPECT_EQ(right.receive(100), sent);
}

TEST_F(SuperFrameTest, LeavesAFrameThatIsTooLongUnsent) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, coalescing};
    left.send(run_of(from_left_to_right(), 10, 1473));
    EXPECT_EQ(left.link->unsent(), 10u);
    EXPECT_TRUE(right.receive(0).empty());
}

/// Sends one datagram of the kernel's, which is cut into segments.
void send_segments(const VethPair& veth, const Frame& payload, std::uint16_t segment_bytes) {
    const FileDescriptor fd = veth.left.run([] { return FileDescriptor{::socket(AF_INET, SOCK_DGRAM, 0)}; });
    sockaddr_in to{}, own{};
    own.sin_family = to.sin_family = AF_INET;
    own.sin_port = htons(7000);
    to.sin_port = htons(7001);
    ASSERT_EQ(::inet_pton(AF_INET, veth.right.ipv4.c_str(), &to.sin_addr), 1);
    const int segment = segment_bytes;
    ASSERT_EQ(::setsockopt(fd.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    ASSERT_EQ(::sendto(fd.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(payload.size()))
        << std::strerror(errno);
}

/// The kernel's identifications go on from one datagram to the next: as if the first had been 0, and with IPv4's
/// checksum for that.
Frames counted_from_zero(Frames frames) {
    if (frames.empty()) return frames;
    const auto id_of = [](const Frame& frame) { return static_cast<std::uint16_t>(frame[18] << 8 | frame[19]); };
    const std::uint16_t first = id_of(frames[0]);
    for (Frame& frame : frames) {
        const auto id = static_cast<std::uint16_t>(id_of(frame) - first);
        EXPECT_TRUE(checksums_right(frame));
        frame[18] = static_cast<std::uint8_t>(id >> 8);
        frame[19] = static_cast<std::uint8_t>(id);
        EXPECT_TRUE(fill_checksums(frame, {}));
    }
    return frames;
}

TEST_F(SuperFrameTest, CutsAsTheKernelDoes) {
    if (!kernel_knows_super_frames()) GTEST_SKIP() << "NOT TESTED: this kernel knows none";
    constexpr std::pair<std::size_t, std::size_t> datagrams[] = {
        {1000, 18}, {10'000, 1400}, {65'000, 1472}, {2800, 1400}};
    for (const auto& [bytes, segment] : datagrams) {
        SCOPED_TRACE(segment);
        const VethPair veth;
        SuperPort right{veth.right, coalescing};
        Frame payload(bytes);
        for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
        const std::size_t count = (bytes + segment - 1) / segment;
        const PlainSocket plain{veth};
        send_segments(veth, payload, static_cast<std::uint16_t>(segment));
        ASSERT_EQ(plain.lengths().size(), 1u) << "the kernel has cut it";
        const Frames ours = counted_from_zero(right.receive(count));
        // Now the kernel has to cut it before it comes to the interface.
        veth.left.name_space.ip({"link", "set", "left0", "gso_max_segs", "1"});
        send_segments(veth, payload, static_cast<std::uint16_t>(segment));
        ASSERT_EQ(plain.lengths().size(), count) << "the kernel has not cut it";
        const Frames kernels = counted_from_zero(right.receive(count));
        EXPECT_EQ(ours.size(), count);
        EXPECT_EQ(ours, kernels);
    }
}

TEST_F(SuperFrameTest, LosesNothingWhereTheInterfaceRefusesThem) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, coalescing};
    const PlainSocket plain{veth};
    const auto pass = [&](std::size_t count, std::size_t bytes) {
        const Frames sent = run_of(from_left_to_right(), count, bytes);
        left.send(sent);
        ASSERT_EQ(right.receive(count), sent);
    };
    pass(50, 1000);
    // It still says that it segments.
    veth.left.name_space.ip({"link", "set", "left0", "gso_max_size", "8000"});
    plain.lengths();
    for (int turn = 0; turn < 20; ++turn) {
        pass(50, 1000);
        EXPECT_EQ(plain.lengths(50), std::vector<std::size_t>(50, 1042));
    }
    EXPECT_EQ(left.link->unsent(), 0u);
}

/// An XDP program at the right end that passes everything.
class PassingProgram {
public:
    explicit PassingProgram(const VethPair& veth) {
        const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
        bpf_attr load{};
        load.prog_type = BPF_PROG_TYPE_XDP;
        load.insns = reinterpret_cast<std::uintptr_t>(code);
        load.insn_cnt = std::size(code);
        load.license = reinterpret_cast<std::uintptr_t>("Dual BSD/GPL");
        program_ = FileDescriptor{static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load))};
        if (!program_) return;
        bpf_attr attach{};
        attach.link_create.prog_fd = static_cast<std::uint32_t>(program_.get());
        attach.link_create.attach_type = BPF_XDP;
        attach.link_create.target_ifindex =
            veth.right.run([&] { return ::if_nametoindex(veth.right.interface.c_str()); });
        link_ = veth.right.run([&] {
            return FileDescriptor{static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &attach, sizeof attach))};
        });
    }
    bool is_there() const { return static_cast<bool>(link_); }

private:
    FileDescriptor program_, link_;
};

TEST_F(SuperFrameTest, LosesNothingWhenThePeerGetsAnXdpProgram) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, coalescing};
    const Ethtool ethtool{veth.left.run([&] { return Interface::find(veth.left.interface); })};
    if (!PassingProgram{veth}.is_there()) GTEST_SKIP() << "NOT TESTED: XDP programs need the host's root";
    EXPECT_EQ(ethtool.udp_segmentation(), true);
    const PlainSocket plain{veth};
    const auto pass = [&] {
        const Frames sent = run_of(from_left_to_right(), 50, 1000);
        left.send(sent);
        ASSERT_EQ(right.receive(50), sent);
    };
    for (int turn = 0; turn < 5; ++turn) {
        pass();
        const PassingProgram program{veth};
        EXPECT_EQ(ethtool.udp_segmentation(), false);
        plain.lengths();
        for (int more = 0; more < 10; ++more) {
            pass();
            EXPECT_EQ(plain.lengths(50), std::vector<std::size_t>(50, 1042));
        }
    }
    if (kernel_knows_super_frames()) {
        const auto deadline = Clock::now() + patience;
        do {
            pass();
            ASSERT_LT(Clock::now(), deadline) << "no more super-frames";
        } while (plain.lengths().size() == 50);
    }
    EXPECT_EQ(left.link->unsent(), 0u);
}

TEST_F(SuperFrameTest, ComesBySeveralSockets) {
    const VethPair veth;
    SuperPort left{veth.left, coalescing}, right{veth.right, {.queues = 3, .coalesces = true}};
    for (std::uint16_t flow = 0; flow < 30; ++flow) {
        IpFrame frame = from_left_to_right();
        frame.src_port = flow;
        const Frames sent = run_of(frame, 50, 100);
        left.send(sent);
        ASSERT_EQ(right.receive(50), sent);
    }
}

TEST_F(SuperFrameTest, CountsFramesOneByOne) {
    const VethPair veth;
    const Options options{.send_packets = 256, .recv_packets = 1024, .max_packet_size = 2048};
    Context left = veth.left.run([&] { return Context{"packet:left0?coalesce=1", options}; });
    Context right = veth.right.run([&] { return Context{"packet:right0?coalesce=1&loss=0.1&seed=7", options}; });
    const Flow flow = right.install(FlowRule{}.own_mac().udp());
    const PlainSocket plain{veth};
    std::uint32_t received = 0;
    const auto receive = [&](std::chrono::milliseconds timeout) {
        const RecvList list = right.recv(timeout);
        for (const RecvPkt& pkt : list) EXPECT_EQ(pkt.length(), 142u);
        received += static_cast<std::uint32_t>(list.size());
        return !list.empty();
    };
    constexpr std::uint32_t turns = 20, of_each = 100;
    for (std::uint32_t turn = 0; turn < turns; ++turn) {
        const Frames frames = run_of(from_left_to_right(), of_each, 100);
        SendList list = left.acquire(of_each, patience);
        ASSERT_EQ(list.size(), of_each);
        std::size_t i = 0;
        for (SendPkt& pkt : list) {
            std::ranges::copy(frames[i++], pkt.buffer().begin());
            pkt.set_length(142);
        }
        ASSERT_TRUE(left.send(std::move(list)).empty());
        ASSERT_TRUE(left.flush(patience));
        while (receive(std::chrono::milliseconds{20})) {
        }
    }
    const auto sent = left.stats();
    EXPECT_EQ(sent.sent_packets, turns * of_each);
    EXPECT_EQ(sent.sent_bytes, turns * of_each * 142);
    EXPECT_EQ(right.stats().recv_packets, received);
    // Losses are drawn for each frame, not for super-frames: of 2000, a tenth, give or take 4 deviations of 13.
    EXPECT_NEAR(received, 0.9 * turns * of_each, 54);
    if (kernel_knows_super_frames()) {
        EXPECT_LT(plain.lengths().size(), turns * of_each / 10);
    }
}

}  // namespace
}  // namespace pktverbs::soft
