// SPDX-License-Identifier: Apache-2.0
// A packet link whose flows change too fast for its socket filter.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/pktverbs.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "frame_sender.hpp"
#include "interface/interface.hpp"
#include "ip_frame.hpp"
#include "network_namespace.hpp"
#include "on_one_cpu.hpp"
#include "soft/link/packet.hpp"

namespace pktverbs::soft {
namespace {

using namespace std::chrono_literals;
using test::FrameSender;
using test::patience;
using test::VethPair;
using Clock = std::chrono::steady_clock;
using Numbers = std::vector<std::uint32_t>;

FlowMatch udp_to_port(std::uint16_t port) {
    FlowMatch flow;
    flow.mask.protocol = 0xff;
    flow.value.protocol = 17;
    flow.mask.dst_port = 0xffff;
    flow.value.dst_port = static_cast<std::uint16_t>(port << 8 | port >> 8);
    flow.mask.flags = flow.value.flags = FrameKey::has_ports;
    return flow;
}

/// To a port, one of many flows of the kernel's hash.
std::vector<std::uint8_t> frame_to(std::uint16_t port, std::uint32_t number) {
    testing::IpFrame made;
    made.dst_mac = {2, 0, 0, 0, 0, 2};
    made.src_port = static_cast<std::uint16_t>(20'000 + number % 100);
    made.dst_port = port;
    made.payload.resize(40);
    std::memcpy(made.payload.data(), &number, sizeof number);
    return made.bytes();
}

struct NumberKeeper final : Sink {
    void deliver(std::span<const RxFrame> batch) noexcept override {
        for (const RxFrame& frame : batch) {
            if (frame.length < 46 || frame.data[12] != 8 || frame.data[23] != 17) continue;  // the kernel's own
            std::memcpy(&numbers.emplace_back(), frame.data + 42, sizeof(std::uint32_t));
        }
    }
    void link_changed(bool) noexcept override {}
    Numbers numbers;
};

/// Sends a frame from the left end, and waits until the right end's sockets have seen it: those made later than this.
class WatchedSender {
public:
    explicit WatchedSender(const VethPair& veth)
        : sender_{veth}, witness_{veth.right.run([] {
              return FileDescriptor{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP))};
          })} {
        const timeval limit{20, 0};
        EXPECT_EQ(::setsockopt(witness_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    }
    void send(const std::vector<std::uint8_t>& frame) const {
        sender_.send(frame);
        std::vector<std::uint8_t> seen(2048);
        ssize_t bytes = 0;
        do {
            bytes = ::recv(witness_.get(), seen.data(), seen.size(), 0);
            ASSERT_GE(bytes, 0) << "a frame got lost";
        } while (!std::equal(frame.begin(), frame.end(), seen.begin(), seen.begin() + bytes));
    }

private:
    FrameSender sender_;
    FileDescriptor witness_;
};

/// The link at the right end. Its filter is never replaced at once.
struct FlowPort {
    explicit FlowPort(const VethPair& veth, PacketSettings settings = {}) {
        settings.filter_time = 0ns;
        link = veth.right.run([&] { return packet_port(Interface::find(veth.right.interface), settings).open(); });
        link->attach(sink);
    }
    ~FlowPort() { link->detach(); }
    FlowPort(const FlowPort&) = delete;
    FlowPort& operator=(const FlowPort&) = delete;

    /// A block with a frame ends after a millisecond, later in an emulated machine.
    bool becomes_readable() const { return is_readable(20s); }
    bool stays_silent() const { return !is_readable(50ms); }
    /// Waits until so many have come, or were lost.
    Numbers receive(std::size_t count) {
        const auto deadline = Clock::now() + patience;
        while (sink.numbers.size() + link->lost() < count && Clock::now() < deadline) link->receive(1000);
        link->receive(1000);
        return std::exchange(sink.numbers, {});
    }
    /// Polls for a while after the last change.
    void let_settle() {
        for (const auto end = Clock::now() + 50ms; Clock::now() < end;) link->receive(1000);
    }

    NumberKeeper sink;
    std::unique_ptr<Link> link;

private:
    bool is_readable(std::chrono::milliseconds within) const {
        pollfd waited{link->receive_fd(), POLLIN, 0};
        return ::poll(&waited, 1, static_cast<int>(within.count())) == 1;
    }
};

struct PacketFlowsTest : test::OnOneCpu {
    const FlowMatch first = udp_to_port(7001), second = udp_to_port(7002), third = udp_to_port(7003);
};

TEST_F(PacketFlowsTest, DeliverWhatComesOnceTheyAreAdded) {
    const VethPair veth;
    const WatchedSender sender{veth};
    for (const std::uint32_t queues : {1u, 3u}) {
        FlowPort port{veth, {.queues = queues}};
        std::uint32_t number = 0;
        ASSERT_EQ(port.link->add_flow(first), 0);
        for (int turn = 0; turn < 50; ++turn) {
            ASSERT_EQ(port.link->add_flow(second), 0);
            sender.send(frame_to(7002, ++number));
            port.link->remove_flow(second);
            sender.send(frame_to(7002, 999'999));
            sender.send(frame_to(7001, ++number));
        }
        Numbers received = port.receive(number);
        std::ranges::sort(received);
        ASSERT_EQ(received.size(), number);
        for (std::uint32_t i = 0; i < number; ++i) EXPECT_EQ(received[i], i + 1);
        EXPECT_EQ(port.link->lost(), 0u);
    }
}

TEST_F(PacketFlowsTest, RefuseWhatCameBeforeThem) {
    const VethPair veth;
    const WatchedSender sender{veth};
    for (const bool loads : {false, true}) {  // with a load, frames wait for the end of their block
        FlowPort port{veth};
        ASSERT_EQ(port.link->add_flow(first), 0);
        const std::uint32_t count = loads ? 2000 : 10;
        for (std::uint32_t i = 0; i < count; ++i) {
            sender.send(frame_to(7001, i));
            sender.send(frame_to(7002, count + i));
            if (loads && i < count - 200 && i % 50 == 0) port.link->receive(1000);
        }
        ASSERT_EQ(port.link->add_flow(second), 0);
        sender.send(frame_to(7002, 2 * count));
        const Numbers received = port.receive(count + 1);
        ASSERT_EQ(received.size(), count + 1);
        for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(received[i], i);
        EXPECT_EQ(received.back(), 2 * count);
    }
}

TEST_F(PacketFlowsTest, KeepWhatCameForThemThoughTheyGo) {
    const VethPair veth;
    const WatchedSender sender{veth};
    FlowPort port{veth};
    ASSERT_EQ(port.link->add_flow(first), 0);
    sender.send(frame_to(7001, 1));
    ASSERT_EQ(port.link->add_flow(second), 0);
    sender.send(frame_to(7002, 2));
    const FlowMatch same = second;  // takes the place of the other
    ASSERT_EQ(port.link->add_flow(same), 0);
    port.link->remove_flow(second);
    sender.send(frame_to(7002, 3));
    port.link->remove_flow(same);
    sender.send(frame_to(7002, 4));
    port.link->remove_flow(first);
    sender.send(frame_to(7001, 5));
    EXPECT_EQ(port.receive(3), (Numbers{1, 2, 3}));
}

TEST_F(PacketFlowsTest, LoseNothingWhenManyGoBeforeAnyoneReceives) {
    const VethPair veth;
    const WatchedSender sender{veth};
    FlowPort port{veth};
    constexpr std::uint32_t count = 3000;
    for (std::uint32_t i = 0; i < count; ++i) {
        ASSERT_EQ(port.link->add_flow(first), 0);
        sender.send(frame_to(7001, i));
        port.link->remove_flow(first);
    }
    EXPECT_EQ(port.receive(count).size() + port.link->lost(), count);
}

TEST_F(PacketFlowsTest, AreTheFiltersOnceTheyHaveNotChangedForAWhile) {
    const VethPair veth;
    const WatchedSender sender{veth};
    FlowPort port{veth};
    ASSERT_EQ(port.link->add_flow(first), 0);
    ASSERT_EQ(port.link->add_flow(second), 0);
    port.link->remove_flow(second);
    sender.send(frame_to(7003, 1));
    EXPECT_TRUE(port.becomes_readable()) << "not even loose";
    port.let_settle();
    for (std::uint32_t i = 0; i < 100; ++i) sender.send(frame_to(i % 2 == 0 ? 7002 : 7003, i));
    EXPECT_TRUE(port.stays_silent());
    ASSERT_EQ(port.link->add_flow(third), 0);
    sender.send(frame_to(7003, 100));
    sender.send(frame_to(7001, 101));
    sender.send(frame_to(7002, 102));
    EXPECT_EQ(port.receive(2), (Numbers{100, 101}));
}

TEST_F(PacketFlowsTest, AreTheFiltersBeforeAThreadWaits) {
    const VethPair veth;
    const WatchedSender sender{veth};
    FlowPort port{veth, {.queues = 2}};
    ASSERT_EQ(port.link->add_flow(first), 0);
    port.link->watched(true);
    port.link->receive(1000);
    for (std::uint32_t i = 0; i < 100; ++i) sender.send(frame_to(7003, i));
    EXPECT_TRUE(port.stays_silent());
    sender.send(frame_to(7001, 100));
    EXPECT_TRUE(port.becomes_readable());
    EXPECT_EQ(port.receive(1), Numbers{100});
    port.link->watched(false);
}

TEST_F(PacketFlowsTest, AreTheFiltersAtOnceForWhoMustNotWakeInVain) {
    const VethPair veth;
    const WatchedSender sender{veth};
    FlowPort port{veth};
    port.link->never_wake_in_vain();
    for (int turn = 0; turn < 20; ++turn) {
        ASSERT_EQ(port.link->add_flow(first), 0);
        ASSERT_EQ(port.link->add_flow(second), 0);
        port.link->remove_flow(first);
        sender.send(frame_to(7001, 1));
        port.link->remove_flow(second);
    }
    EXPECT_TRUE(port.stays_silent());
}

TEST_F(PacketFlowsTest, AskTheInterfaceAtOnceAndGiveItBackLater) {
    const VethPair veth;
    FlowPort port{veth};
    const auto groups = [&] { return veth.right.name_space.ip({"maddress", "show", "dev", veth.right.interface}); };
    const auto has_group = [&] { return groups().find("01:00:5e:11:22:33") != std::string::npos; };
    const auto is_promiscuous = [&] {
        return veth.right.name_space.ip({"-d", "link", "show", "dev", veth.right.interface}).find("promiscuity 1") !=
               std::string::npos;
    };
    FlowMatch group;
    const std::uint8_t mac[] = {1, 0, 0x5e, 0x11, 0x22, 0x33};
    std::ranges::copy(mac, group.value.dst_mac);
    std::ranges::fill(group.mask.dst_mac, std::uint8_t{0xff});
    const FlowMatch again = group;
    ASSERT_EQ(port.link->add_flow(group), 0);
    ASSERT_EQ(port.link->add_flow(again), 0);
    ASSERT_EQ(port.link->add_flow(first), 0);  // of any address
    EXPECT_TRUE(has_group());
    EXPECT_TRUE(is_promiscuous());
    port.link->remove_flow(group);
    port.link->remove_flow(first);
    port.let_settle();
    EXPECT_TRUE(has_group());
    EXPECT_FALSE(is_promiscuous());
    port.link->remove_flow(again);
    port.let_settle();
    EXPECT_FALSE(has_group());
}

TEST_F(PacketFlowsTest, MayChangeAllTheTimeWhileFramesCome) {
    const VethPair veth;
    const WatchedSender sender{veth};
    for (const std::uint32_t queues : {1u, 3u}) {
        FlowPort port{veth, {.queues = queues}};
        ASSERT_EQ(port.link->add_flow(first), 0);
        std::atomic<bool> stop{false};
        std::thread changer{[&] {
            while (!stop) {
                EXPECT_EQ(port.link->add_flow(second), 0);
                port.link->remove_flow(second);
                std::this_thread::yield();
            }
        }};
        constexpr std::uint32_t count = 2000;
        Numbers received;
        const auto take = [&] {
            const Numbers some = port.receive(0);
            received.insert(received.end(), some.begin(), some.end());
        };
        for (std::uint32_t i = 0; i < count; ++i) {
            sender.send(frame_to(7001, i));
            sender.send(frame_to(7003, count + i));
            if (i % 50 == 0) take();
        }
        for (const auto deadline = Clock::now() + patience; received.size() < count && Clock::now() < deadline;) take();
        stop = true;
        changer.join();
        std::ranges::sort(received);
        ASSERT_EQ(received.size(), count);
        for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(received[i], i);
    }
}

TEST_F(PacketFlowsTest, AreReplacedAsAWholeAtOnce) {
    const VethPair veth;
    const WatchedSender sender{veth};
    FlowPort port{veth};
    ASSERT_EQ(port.link->add_flow(first), 0);
    ASSERT_EQ(port.link->add_flow(second), 0);
    sender.send(frame_to(7002, 1));
    sender.send(frame_to(7003, 2));
    const FlowMatch* const rest[] = {&first};
    ASSERT_EQ(port.link->set_flows(rest), 0);
    EXPECT_EQ(port.receive(1), Numbers{1});
    port.let_settle();  // the end of the block makes it readable, too
    for (std::uint32_t i = 0; i < 10; ++i) sender.send(frame_to(7002, i));
    EXPECT_TRUE(port.stays_silent());
    ASSERT_EQ(port.link->add_flow(second), 0);
    port.link->remove_flow(first);
    sender.send(frame_to(7001, 3));
    sender.send(frame_to(7002, 4));
    EXPECT_EQ(port.receive(1), Numbers{4});
}

TEST_F(PacketFlowsTest, CountNothingMoreWhenTheyChangeFast) {
    const VethPair veth;
    const WatchedSender sender{veth};
    Context changing = veth.right.run([&] { return Context{"packet:" + veth.right.interface, {.recv_packets = 512}}; });
    Context steady = veth.right.run([&] { return Context{"packet:" + veth.right.interface, {.recv_packets = 512}}; });
    const auto rule = [](std::uint16_t port) { return FlowRule{}.udp().dst_port(port); };
    const Flow flow = steady.install(rule(7002));
    std::list<Flow> flows;
    for (std::uint16_t port = 0; port < 300; ++port)
        flows.push_back(changing.install(rule(static_cast<std::uint16_t>(8000 + port))));
    const std::array frames{frame_to(7001, 0), frame_to(7002, 0), frame_to(8005, 0)};
    std::size_t count = 0;
    for (int turn = 0; turn < 100; ++turn) {
        flows.pop_front();
        flows.push_back(changing.install(rule(static_cast<std::uint16_t>(9000 + turn))));
        for (const auto& frame : frames) sender.send(frame);
        count += changing.recv(0ms).size();
    }
    EXPECT_EQ(count, 5u);  // until the rule of 8005 had gone
    EXPECT_EQ(changing.stats().drops.unmatched, 0u);
    count = 0;
    while (count < 100) {
        const RecvList list = steady.recv(patience);
        ASSERT_FALSE(list.empty());
        count += list.size();
    }
    EXPECT_EQ(count, 100u);
    EXPECT_EQ(steady.stats().drops.unmatched, 0u);
}

}  // namespace
}  // namespace pktverbs::soft
