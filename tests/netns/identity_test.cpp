// SPDX-License-Identifier: Apache-2.0
// A context stays on its interface and in its network namespace, whatever the names are and whichever thread calls it.
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/device.hpp>
#include <pktverbs/memory/placement.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/gid.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t experimental = 0x88b5;
const Options small{.send_packets = 16, .recv_packets = 16, .max_packet_size = 2048};

bool joined(const NetworkNamespace& where, const std::string& device, const std::string& group) {
    return where.ip({"maddress", "show", "dev", device}).find(group) != std::string::npos;
}

std::vector<Ipv6Address> gids(Context& ctx) {
    std::vector<Ipv6Address> all;
    for (int i = 0; i < ctx.port().gid_tbl_len; ++i) {
        ibv_gid gid{};
        if (ctx.device().provider->query_gid(ctx.raw(), 1, i, &gid) != 0) break;
        if (const Ipv6Address address = verbs::to_address(gid); !address.is_zero()) all.push_back(address);
    }
    return all;
}

bool has_gid(Context& ctx, const std::string& ipv4) {
    const auto all = gids(ctx);
    return std::ranges::find(all, verbs::to_mapped(Ipv4Address{ipv4})) != all.end();
}

/// The kernel notices that a link is up a moment later (net/core/link_watch.c).
bool becomes_active(Context& ctx) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (ctx.port().state != IBV_PORT_ACTIVE && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    return ctx.port().state == IBV_PORT_ACTIVE;
}

/// From left0, whatever its name is now, to right0.
class Identity : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << NetworkNamespace::unavailable();
        veth.emplace();
    }
    Context open_left(const std::string& name = "left0") const {
        return veth->left.run([&] { return Context{"packet:" + name, small}; });
    }
    Context open_right() const {
        return veth->right.run([] { return Context{"packet:right0", small}; });
    }
    static void send(Context& from, const MacAddress& to, std::uint8_t number) {
        SendList packets = from.acquire(1);
        ASSERT_EQ(packets.size(), 1u);
        SendPkt& pkt = packets.front();
        pkt.set_length(60);
        std::memset(pkt.bytes().data(), 0, 60);
        std::ranges::copy(to.bytes(), pkt.bytes().begin());
        pkt.bytes()[12] = experimental >> 8;
        pkt.bytes()[13] = experimental & 0xff;
        pkt.bytes()[59] = number;
        ASSERT_TRUE(from.send(std::move(packets)).empty());
        ASSERT_TRUE(from.flush(patience));
    }
    static void expect_frame(Context& at, std::uint8_t number) {
        const RecvList list = at.recv(patience);
        ASSERT_EQ(list.size(), 1u) << to_string(list.outcome());
        EXPECT_EQ(list.front().bytes()[59], number);
    }
    void ip_left(std::vector<std::string> arguments) const { veth->left.name_space.ip(std::move(arguments)); }
    /// Before Linux 6.2, an interface that is up can't be renamed.
    void rename_left(const std::string& to) const {
        ip_left({"link", "set", "left0", "down"});
        ip_left({"link", "set", "left0", "name", to});
        ip_left({"link", "set", to, "up"});
        veth->right.wait_for_carrier(true);
    }
    /// Another interface, which has left0's old name.
    void add_impostor() const {
        ip_left({"link", "add", "left0", "mtu", "1300", "address", "02:00:00:00:00:99", "type", "bridge"});
        ip_left({"address", "add", "192.0.2.9/24", "dev", "left0"});
        ip_left({"link", "set", "left0", "up"});
    }

    std::optional<VethPair> veth;
};

TEST_F(Identity, SurvivesAnotherName) {
    Context left = open_left();
    Context right = open_right();
    const Flow at_left = left.install(FlowRule{}.own_mac().ether_type(experimental));
    const Flow at_right = right.install(FlowRule{}.own_mac().ether_type(experimental));
    rename_left("other0");
    EXPECT_TRUE(becomes_active(left));
    EXPECT_EQ(left.mac(), veth->left.mac);
    EXPECT_EQ(left.mtu(), 1500u);
    EXPECT_EQ(gids(left).front(), Ipv6Address::link_local(veth->left.mac));
    ip_left({"address", "replace", "192.0.2.1/24", "dev", "other0"});
    EXPECT_TRUE(has_gid(left, "192.0.2.1"));
    send(left, veth->right.mac, 1);
    expect_frame(right, 1);
    send(right, veth->left.mac, 2);
    expect_frame(left, 2);
    const Flow group = left.install(FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
    EXPECT_TRUE(joined(veth->left.name_space, "other0", "239.2.1.150"));
}

TEST_F(Identity, IsNotTakenByAnotherInterfaceOfTheName) {
    Context left = open_left();
    Context right = open_right();
    const Flow at_left = left.install(FlowRule{}.own_mac().ether_type(experimental));
    const Flow at_right = right.install(FlowRule{}.own_mac().ether_type(experimental));
    const Flow before = left.install(FlowRule{}.dst_ip("239.2.1.149").udp().dst_port(7148));
    rename_left("other0");
    add_impostor();
    ip_left({"link", "set", "other0", "mtu", "1400"});

    EXPECT_EQ(left.mac(), veth->left.mac);
    EXPECT_EQ(left.mtu(), 1400u);
    EXPECT_FALSE(has_gid(left, "192.0.2.9"));
    const Flow after = left.install(FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
    EXPECT_TRUE(joined(veth->left.name_space, "other0", "239.2.1.150"));
    EXPECT_TRUE(joined(veth->left.name_space, "other0", "239.2.1.149"));
    EXPECT_FALSE(joined(veth->left.name_space, "left0", "239.2.1"));
    EXPECT_TRUE(becomes_active(left));
    ip_left({"link", "set", "left0", "down"});
    EXPECT_EQ(left.port().state, IBV_PORT_ACTIVE);
    send(left, veth->right.mac, 1);
    expect_frame(right, 1);
    send(right, veth->left.mac, 2);
    expect_frame(left, 2);
    ip_left({"link", "set", "other0", "down"});
    EXPECT_EQ(left.port().state, IBV_PORT_DOWN);
}

TEST_F(Identity, IsThatOfTheFindingAndNotOfTheOpening) {
    const Device found = veth->left.run([] { return find_device("packet:left0"); });
    rename_left("other0");
    add_impostor();
    Context left{found, small};  // from a third namespace
    Context right = open_right();
    EXPECT_EQ(left.limits().mac, veth->left.mac);
    EXPECT_EQ(left.limits().mtu, 1500u);
    const Flow at_right = right.install(FlowRule{}.own_mac().ether_type(experimental));
    send(left, veth->right.mac, 1);
    expect_frame(right, 1);
}

TEST_F(Identity, IsFoundByAlternativeNames) {
    for (const std::string name : {"short0", "a_name_of_more_than_fifteen_letters"}) {
        ip_left({"link", "property", "add", "dev", "left0", "altname", name});
        Context left = open_left(name);
        EXPECT_EQ(left.device().name, "packet:" + name);
        EXPECT_EQ(left.device().interface, "left0");
        EXPECT_EQ(left.limits().mac, veth->left.mac);
        EXPECT_EQ(left.limits().mtu, 1500u);
        EXPECT_TRUE(has_gid(left, veth->left.ipv4));
        const Flow group = left.install(FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
        EXPECT_TRUE(joined(veth->left.name_space, "left0", "239.2.1.150"));
        const Device plain = veth->left.run([&] { return find_device(name); });
        EXPECT_EQ(plain.name, "packet:left0");
        EXPECT_EQ(plain.note, name + " has no verbs device: using the soft device packet:left0");
    }
}

/// The other namespace has an interface of the same name, the same number and other addresses.
class FromElsewhere : public Identity {
protected:
    void SetUp() override {
        Identity::SetUp();
        if (!veth) return;
        there.emplace();
        for (int tries = 0; tries < 8; ++tries) {
            there->ip({"link", "add", "left0", "mtu", "1300", "address", "02:00:00:00:00:99", "type", "bridge"});
            if (index(*there) == index(veth->left.name_space)) break;
            there->ip({"link", "delete", "left0"});
        }
        there->ip({"address", "add", "192.0.2.9/24", "dev", "left0"});
        there->ip({"link", "set", "left0", "up"});
    }
    static std::string index(const NetworkNamespace& where) {
        const std::string text = where.ip({"-o", "link", "show", "dev", "left0"});
        return text.substr(0, text.find(':'));
    }

    std::optional<NetworkNamespace> there;
};

TEST_F(FromElsewhere, JoinsGroupsWhereItIs) {
    Context left = open_left();
    there->run([&] {
        // More than one socket can hold, so that some are opened here.
        std::vector<Flow> flows;
        for (std::uint8_t i = 1; i <= 30; ++i)
            flows.push_back(left.install(FlowRule{}.dst_ip(Ipv4Address{Ipv4Address::Bytes{239, 2, 1, i}})));
        flows.push_back(left.install(FlowRule{}.dst_ip("ff15::77")));
        EXPECT_TRUE(joined(veth->left.name_space, "left0", "239.2.1.1"));
        EXPECT_TRUE(joined(veth->left.name_space, "left0", "239.2.1.30"));
        EXPECT_FALSE(joined(*there, "left0", "239.2.1."));
        EXPECT_FALSE(joined(*there, "left0", "ff15::77"));
    });
    EXPECT_FALSE(joined(veth->left.name_space, "left0", "239.2.1."));
}

TEST_F(FromElsewhere, AsksWhereItIs) {
    Context left = open_left();
    there->run([&] {
        EXPECT_TRUE(has_gid(left, veth->left.ipv4));
        EXPECT_FALSE(has_gid(left, "192.0.2.9"));
        EXPECT_EQ(left.mac(), veth->left.mac);
        EXPECT_EQ(left.mtu(), 1500u);
        EXPECT_EQ(left.port().state, IBV_PORT_ACTIVE);
        there->ip({"link", "set", "left0", "down"});
        EXPECT_EQ(left.port().state, IBV_PORT_ACTIVE);
        EXPECT_FALSE(numa_node(left.device()));
    });
}

TEST_F(FromElsewhere, CountsWhereItIs) {
    const Context right = open_right();
    veth->right.name_space.ip({"link", "set", "right0", "mtu", "1000"});
    // The receiving end of a veth pair drops and counts frames that are too long for it before the call returns.
    veth->left.run([] {
        const FileDescriptor socket{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)};
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex("left0"));
        const std::array<std::uint8_t, 1514> frame{};
        for (int i = 0; i < 3; ++i)
            static_cast<void>(
                ::sendto(socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to));
    });
    there->run([&] {
        const auto counters = right.counters().interface;
        const auto dropped = std::ranges::find(counters, "rx_dropped", &Counters::OfInterface::name);
        ASSERT_NE(dropped, counters.end());
        EXPECT_EQ(dropped->value, 3u);
    });
}

TEST_F(FromElsewhere, ReceivesAndReportsWhereItIs) {
    Context left = open_left();
    Context right = open_right();
    const Flow flow = right.install(FlowRule{}.own_mac().ether_type(experimental));
    there->run([&] {
        send(left, veth->right.mac, 1);
        expect_frame(right, 1);
        veth->right.set_up(false);
        const auto event = right.wait_event(patience);
        ASSERT_TRUE(event);
        EXPECT_EQ(event->to_string(), "port 1: port error");
    });
}

TEST_F(FromElsewhere, OpensWhatWasFoundWhereItIs) {
    const Device found = veth->left.run([] { return find_device("left0"); });
    there->run([&] {
        Context left{found, small};
        EXPECT_EQ(left.limits().mac, veth->left.mac);
        Options of_bridge = small;  // which has no port, and so no link
        of_bridge.require_link = false;
        EXPECT_EQ((Context{"left0", of_bridge}.limits().mac), MacAddress{"02:00:00:00:00:99"});
    });
}

}  // namespace
}  // namespace pktverbs::test
