// SPDX-License-Identifier: Apache-2.0
// InterfaceCounters: the losses that the kernel counts on the test's own interface.
#include "counters/interface_counters.hpp"

#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/counters/counters.hpp>

#include "base/file_descriptor.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {
namespace {

/// Frames with an unused EtherType: the kernel drops them (__netif_receive_skb_core() in net/core/dev.c).
void send_unwanted(const VethPair::End& from, int count, std::size_t bytes = 60) {
    from.run([&] {
        const FileDescriptor socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
        std::vector<std::uint8_t> frame(bytes);
        std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
        frame[12] = 0x88;
        frame[13] = 0xb5;
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex(from.interface.c_str()));
        // For a frame that the other end drops, it may report that there was no room (NET_XMIT_DROP).
        for (int i = 0; i < count; ++i)
            static_cast<void>(
                ::sendto(socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to));
    });
}

std::uint64_t value_of(const std::vector<Counters::OfInterface>& all, std::string_view name) {
    const auto at = std::ranges::find(all, name, &Counters::OfInterface::name);
    return at == all.end() ? 0 : at->value;
}

class InterfaceCountersNet : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << NetworkNamespace::unavailable();
    }
};

TEST_F(InterfaceCountersNet, CountFromTheirStartOn) {
    const VethPair pair;
    send_unwanted(pair.right, 3);
    std::optional<InterfaceCounters> counters;
    // A veth pair hands frames over at once, but the receiving side works when the softirq gets to it.
    const auto dropped = [&] { return value_of(counters->read(), "rx_dropped"); };
    pair.left.run([&] { counters.emplace(Interface::find("left0")); });
    const std::uint64_t late = dropped();
    EXPECT_LE(late, 3u);
    send_unwanted(pair.right, 5);
    while (dropped() < 5) std::this_thread::yield();  // from another namespace, but still that interface's
    EXPECT_LE(dropped(), 5u + 3u);
    EXPECT_EQ(counters->read().front().source, "kernel");
}

/// A veth pair drops frames longer than the receiving end takes before the sending call returns (__dev_forward_skb() in
/// net/core/dev.c).
TEST_F(InterfaceCountersNet, AreInAContextsSnapshot) {
    const VethPair pair{{.mtu = 9000}};
    pair.left.name_space.ip({"link", "set", "left0", "mtu", "1500"});
    send_unwanted(pair.right, 3, 4000);
    const auto ctx = pair.left.run([] { return Context{"packet:left0", {.send_packets = none}}; });
    EXPECT_EQ(value_of(ctx.counters().interface, "rx_dropped"), 0u);
    send_unwanted(pair.right, 5, 4000);
    const Counters counters = ctx.counters();
    EXPECT_EQ(counters.device, "packet:left0");
    EXPECT_EQ(value_of(counters.interface, "rx_dropped"), 5u);
}

TEST_F(InterfaceCountersNet, OfNoInterfaceAreNone) { EXPECT_TRUE(InterfaceCounters{nullptr}.read().empty()); }

TEST_F(InterfaceCountersNet, EndWithTheInterface) {
    std::optional<VethPair> pair{std::in_place};
    std::optional<InterfaceCounters> counters;
    pair->left.run([&] { counters.emplace(Interface::find("left0")); });
    pair->left.name_space.ip({"link", "delete", "left0"});
    EXPECT_TRUE(counters->read().empty());
}

}  // namespace
}  // namespace pktverbs::test
