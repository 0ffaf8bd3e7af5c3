// SPDX-License-Identifier: Apache-2.0
// A packet link that receives by several sockets.
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "frame_sender.hpp"
#include "interface/interface.hpp"
#include "ip_frame.hpp"
#include "network_namespace.hpp"
#include "on_one_cpu.hpp"
#include "soft/link/packet.hpp"
#include "soft/link/packet_fanout.hpp"
#include "soft/link/packet_filter.hpp"

namespace pktverbs::soft {
namespace {

using test::FrameSender;
using test::patience;
using test::VethPair;
using Clock = std::chrono::steady_clock;
using Frame = std::vector<std::uint8_t>;

constexpr std::uint16_t first_flow = 20'000;  // its source port

/// A UDP frame with a number, of one of many flows. Its protocol is not one that the kernel answers by itself.
Frame frame_of(std::uint16_t flow, std::uint32_t number, std::size_t payload_bytes = 40) {
    pktverbs::testing::IpFrame made;
    made.dst_mac = {2, 0, 0, 0, 0, 2};
    made.src_port = static_cast<std::uint16_t>(first_flow + flow);
    made.payload.assign(payload_bytes, 0x5a);
    std::memcpy(made.payload.data(), &number, sizeof number);
    return made.bytes();
}

struct Received {
    std::uint16_t flow;
    std::uint32_t number;
};

/// Nullopt for a frame of somebody else.
std::optional<Received> read(const RxFrame& frame) {
    if (frame.length < 42 + sizeof(std::uint32_t) || frame.data[12] != 8 || frame.data[23] != 17) return std::nullopt;
    Received received{static_cast<std::uint16_t>((frame.data[34] << 8 | frame.data[35]) - first_flow), 0};
    std::memcpy(&received.number, frame.data + 42, sizeof received.number);
    return received;
}

struct FlowRecorder final : Sink {
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const RxFrame& frame : batch)
            if (const auto received = read(frame)) frames.push_back(*received);
    }
    void link_changed(bool up) noexcept override { is_up = up; }

    std::vector<Received> frames;
    bool is_up = true;
};

std::shared_ptr<const Interface> right_end_of(const VethPair& veth) {
    return veth.right.run([&] { return Interface::find(veth.right.interface); });
}

/// The link at the right end.
struct FanoutPort {
    FanoutPort(const VethPair& veth, const PacketSettings& settings)
        : link{veth.right.run([&] { return packet_port(right_end_of(veth), settings).open(); })} {
        link->attach(sink);
    }
    ~FanoutPort() { link->detach(); }
    FanoutPort(const FanoutPort&) = delete;
    FanoutPort& operator=(const FanoutPort&) = delete;

    void receive_everything() {
        static const FlowMatch everything{};
        const FlowMatch* const flows[] = {&everything};
        ASSERT_EQ(link->set_flows(flows), 0);
    }
    bool wait() const {
        pollfd waited{link->receive_fd(), POLLIN, 0};
        return ::poll(&waited, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())) == 1;
    }
    void receive(std::size_t count) {
        while (sink.frames.size() < count) {
            ASSERT_TRUE(wait()) << "only " << sink.frames.size() << " of " << count << " frames came";
            link->receive(1000);
        }
    }
    /// Each flow's numbers are 0, 1, 2...
    void expect_order(std::uint32_t flows, std::uint32_t of_each) {
        std::map<std::uint16_t, std::uint32_t> next;
        for (const Received& received : sink.frames) ASSERT_EQ(received.number, next[received.flow]++) << received.flow;
        EXPECT_EQ(next.size(), flows);
        for (const auto& [flow, count] : next) EXPECT_EQ(count, of_each) << flow;
    }

    FlowRecorder sink;
    std::unique_ptr<Link> link;
};

struct PacketFanoutTest : test::OnOneCpu {};

TEST_F(PacketFanoutTest, KeepsTheOrderOfEveryFlow) {
    const VethPair veth;
    const FrameSender sender{veth};
    constexpr std::uint16_t flows = 50;
    constexpr std::uint32_t of_each = 100;
    for (const PacketSpread spread : {PacketSpread::by_hash, PacketSpread::by_processor})
        for (const std::uint32_t queues : {1u, 2u, 3u, PacketSettings::max_queues}) {
            SCOPED_TRACE(queues);
            FanoutPort port{veth, {.queues = queues, .spread = spread}};
            port.receive_everything();
            for (std::uint32_t number = 0; number < of_each; ++number) {
                for (std::uint16_t flow = 0; flow < flows; ++flow) sender.send(frame_of(flow, number));
                port.receive(flows * (number + 1));
            }
            port.expect_order(flows, of_each);
            EXPECT_EQ(port.link->lost(), 0u);
        }
}

TEST_F(PacketFanoutTest, CountsEveryFrameThatItLoses) {
    const VethPair veth{{.mtu = 9000}};
    const FrameSender sender{veth};
    FanoutPort port{veth, {.queues = 2}};
    port.receive_everything();
    constexpr std::uint16_t flows = 20;
    constexpr std::uint32_t sent = 4000;  // 35 MB, to 16 MiB
    for (std::uint32_t i = 0; i < sent; ++i)
        sender.send(frame_of(static_cast<std::uint16_t>(i % flows), i / flows, 8900));
    const std::uint64_t lost = port.link->lost();
    EXPECT_GT(lost, sent / 3);
    EXPECT_LT(lost, sent);
    port.receive(sent - lost);
    port.link->receive(1000);
    EXPECT_EQ(port.sink.frames.size() + port.link->lost(), sent);
}

TEST_F(PacketFanoutTest, LosesNothingWhenFlowsChange) {
    const VethPair veth;
    const FrameSender sender{veth};
    FanoutPort port{veth, {.queues = 3}};
    FlowMatch udp;
    udp.mask.protocol = 0xff;
    udp.value.protocol = 17;
    FlowMatch other;
    other.mask.ether_type = other.value.ether_type = 0xb588;
    const FlowMatch* const both[] = {&udp, &other};
    ASSERT_EQ(port.link->set_flows(std::span{both}.first(1)), 0);
    std::atomic<bool> stop{false};
    std::thread changer{[&] {
        for (std::size_t i = 1; !stop; i = 3 - i) EXPECT_EQ(port.link->set_flows(std::span{both}.first(i)), 0);
    }};
    constexpr std::uint16_t flows = 20;
    constexpr std::uint32_t of_each = 100;
    for (std::uint32_t number = 0; number < of_each; ++number) {
        for (std::uint16_t flow = 0; flow < flows; ++flow) sender.send(frame_of(flow, number));
        port.receive(flows * (number + 1));
    }
    stop = true;
    changer.join();
    port.expect_order(flows, of_each);

    ASSERT_EQ(port.link->set_flows({}), 0);
    for (std::uint16_t flow = 0; flow < flows; ++flow) sender.send(frame_of(flow, of_each));
    ASSERT_EQ(port.link->set_flows(std::span{both}.first(1)), 0);
    sender.send(frame_of(flows, 0));
    port.receive(flows * of_each + 1);
    EXPECT_EQ(port.sink.frames.back().flow, flows) << "a socket still had the old filter";
}

TEST_F(PacketFanoutTest, AsksTheInterfaceOnce) {
    const VethPair veth;
    FanoutPort port{veth, {.queues = 4}};
    const auto details = [&] { return veth.right.name_space.ip({"-d", "link", "show", "dev", veth.right.interface}); };
    port.receive_everything();
    EXPECT_NE(details().find("promiscuity 1"), std::string::npos) << details();
    ASSERT_EQ(port.link->set_flows({}), 0);
    EXPECT_NE(details().find("promiscuity 0"), std::string::npos) << details();
}

TEST_F(PacketFanoutTest, LeavesOutWhatIsSent) {
    const VethPair veth;
    const FrameSender sender{veth};
    FanoutPort port{veth, {.queues = 2}};
    port.receive_everything();
    // By the kernel's own sender, as packet sockets see nothing of a link's.
    const FileDescriptor own = veth.right.run([] { return FileDescriptor{::socket(AF_PACKET, SOCK_RAW, 0)}; });
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = right_end_of(veth)->index();
    for (std::uint16_t flow = 0; flow < 20; ++flow) {
        const Frame frame = frame_of(flow, 0);
        ASSERT_GT(::sendto(own.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                           sizeof address),
                  0);
    }
    sender.send(frame_of(99, 0));
    port.receive(1);
    port.link->receive(1000);
    ASSERT_EQ(port.sink.frames.size(), 1u);
    EXPECT_EQ(port.sink.frames[0].flow, 99);
}

TEST_F(PacketFanoutTest, ReceivesByAllSocketsAfterTheInterfaceWasDown) {
    const VethPair veth;
    const FrameSender sender{veth};
    constexpr std::uint16_t flows = 20;
    for (const bool is_open_before : {true, false}) {
        SCOPED_TRACE(is_open_before);
        std::unique_ptr<FanoutPort> port;
        const auto open = [&] { port = std::make_unique<FanoutPort>(veth, PacketSettings{.queues = 3}); };
        if (is_open_before) open();
        veth.right.set_up(false);
        veth.left.wait_for_carrier(false);
        try {
            if (!is_open_before) open();
        } catch (const std::system_error& error) {  // before Linux 6.13
            EXPECT_EQ(error.code().value(), ENETDOWN);
            EXPECT_NE(std::string{error.what()}.find("cannot spread frames over the sockets of right0"),
                      std::string::npos)
                << error.what();
        }
        veth.right.set_up(true);
        veth.left.wait_for_carrier(true);
        veth.right.wait_for_carrier(true);
        if (!port) continue;
        port->receive_everything();
        for (std::uint16_t flow = 0; flow < flows; ++flow) sender.send(frame_of(flow, 0));
        port->receive(flows);
        port->expect_order(flows, 1);
    }
}

TEST_F(PacketFanoutTest, WakesForEveryLoneFrame) {
    if (!PacketRing::stores_come_in_order) GTEST_SKIP() << "NOT TESTED: frames wait for their block here";
    const VethPair veth;
    const FrameSender sender{veth};
    FanoutPort port{veth, {.queues = 3, .block_time = std::chrono::hours{1}}};
    port.receive_everything();
    port.link->watched(true);
    for (std::uint16_t flow = 0; flow < 100; ++flow) {
        port.link->waited();
        port.link->receive(1000);
        sender.send(frame_of(flow, 0));
        port.receive(flow + std::size_t{1});
        EXPECT_EQ(port.sink.frames.back().flow, flow);
    }
    port.link->watched(false);
}

/// The sockets by themselves.
class FanoutSockets {
public:
    FanoutSockets(const VethPair& veth, const PacketSettings& settings) : fanout{right_end_of(veth), settings} {
        fanout.bind();
        EXPECT_EQ(fanout.attach_filter(accept_all_filter()), 0);
    }

    /// Sends a flow's first frame, and says which socket it came to.
    std::size_t socket_of(const FrameSender& sender, std::uint16_t flow) {
        for (const int fd : fanout.fds()) count_packets(fd);
        sender.send(frame_of(flow, 0));
        const auto fds = fanout.fds();
        const auto found = std::ranges::find_if(fds, [](int fd) { return count_packets(fd) != 0; });
        return static_cast<std::size_t>(found - fds.begin());
    }
    /// Empties the rings of what is there now, in as many batches as it takes.
    std::vector<std::vector<Received>> take_all() {
        std::vector<std::vector<Received>> batches;
        std::vector<RxFrame> frames(64);
        while (const std::size_t taken = fanout.take(frames)) {
            auto& batch = batches.emplace_back();
            for (const RxFrame& frame : std::span{frames}.first(taken))
                if (const auto received = read(frame)) batch.push_back(*received);
            fanout.release();
        }
        return batches;
    }

    PacketFanout fanout;

private:
    static unsigned count_packets(int fd) {
        tpacket_stats_v3 statistics{};
        socklen_t bytes = sizeof statistics;
        EXPECT_EQ(::getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &bytes), 0);
        return statistics.tp_packets;
    }
};

TEST_F(PacketFanoutTest, GivesFlowsToAllSockets) {
    const VethPair veth;
    const FrameSender sender{veth};
    constexpr std::uint32_t queues = 4;
    FanoutSockets sockets{veth, {.queues = queues}};
    std::vector<std::uint32_t> flows_of(queues);
    for (std::uint16_t flow = 0; flow < 200; ++flow) {
        const std::size_t socket = sockets.socket_of(sender, flow);
        ASSERT_LT(socket, queues) << "no socket has it";
        ++flows_of[socket];
        EXPECT_EQ(sockets.socket_of(sender, flow), socket);
    }
    // Of 200 with a chance of 1/4, fewer than 20 come once in 10^9 times.
    EXPECT_GE(std::ranges::min(flows_of), 20u);
}

TEST_F(PacketFanoutTest, TakesFromItsSocketsInTurn) {
    const VethPair veth;
    const FrameSender sender{veth};
    FanoutSockets sockets{veth, {.queues = 2}};
    std::uint16_t lone = 1;
    while (sockets.socket_of(sender, lone) == sockets.socket_of(sender, 0)) ++lone;
    sockets.take_all();
    for (std::uint32_t number = 0; number < 900; ++number) sender.send(frame_of(0, number));
    sender.send(frame_of(lone, 0));
    if (!PacketRing::stores_come_in_order) std::this_thread::sleep_for(2 * PacketRing::default_block_time);
    const auto batches = sockets.take_all();
    ASSERT_GE(batches.size(), 3u);
    EXPECT_TRUE(std::ranges::any_of(std::span{batches}.first(2), [&](const std::vector<Received>& batch) {
        return std::ranges::any_of(batch, [&](const Received& received) { return received.flow == lone; });
    })) << "it waited for the other flow";
}

TEST_F(PacketFanoutTest, WakesNobodyForEachFrameOfALoad) {
    if (!PacketRing::stores_come_in_order) GTEST_SKIP() << "NOT TESTED: frames wait for their block here";
    const VethPair veth;
    const FrameSender sender{veth};
    FanoutSockets sockets{veth, {.queues = 2, .block_time = std::chrono::hours{1}}};
    EXPECT_TRUE(sockets.fanout.begin_wait());
    const auto deadline = Clock::now() + patience;
    const auto load = [&] {
        for (std::uint32_t number = 0; number < 400; ++number) sender.send(frame_of(0, number));
        sockets.take_all();
    };
    do {
        load();
        ASSERT_LT(Clock::now(), deadline);
    } while (sockets.fanout.begin_wait());
    // Once the load has ended, it is worth it again for the others' frames.
    EXPECT_TRUE(sockets.fanout.begin_wait());
}

}  // namespace
}  // namespace pktverbs::soft
