// SPDX-License-Identifier: Apache-2.0
#include "dropin/devices.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "expect_error.hpp"

namespace pktverbs::dropin {
namespace {

using pktverbs::testing::expect_words;

std::vector<std::string> complaints;

Devices read(std::string_view text) {
    complaints.clear();
    return Devices{text, std::nullopt, [](std::string_view complaint) { complaints.emplace_back(complaint); }};
}

std::vector<std::string> names(const Devices& devices) {
    std::vector<std::string> found;
    for (const ibv_device* device : devices.list()) found.emplace_back(device->name);
    return found;
}

using Names = std::vector<std::string>;

TEST(DropinDevices, AreNoneWithoutText) {
    EXPECT_TRUE(read("").list().empty());
    EXPECT_TRUE(read(";;").list().empty());
    EXPECT_TRUE(complaints.empty());
}

TEST(DropinDevices, AreNamedAfterTheirStrings) {
    EXPECT_EQ(names(read("wire:a?mtu=1500;wire:b")), (Names{"wire_a", "wire_b"}));
}

TEST(DropinDevices, AreNamedAfterTheLastPartOfAPath) {
    EXPECT_EQ(names(read("pipe:/run/a b/c d:e?queues=2;memif:/run/x?role=server;wire:a/b;memif:/other/x;wire:a/")),
              (Names{"pipe_c_d_e", "memif_x", "wire_b", "memif_x_2", "wire_"}));
    EXPECT_TRUE(complaints.empty());
}

TEST(DropinDevices, AreNumberedFromTheSecondOfOneName) {
    EXPECT_EQ(names(read("wire:a;wire:a;wire:a")), (Names{"wire_a", "wire_a_2", "wire_a_3"}));
    EXPECT_EQ(names(read("wire:a_2;wire:a;wire:a")), (Names{"wire_a_2", "wire_a", "wire_a_3"}));
}

/// If each name searched all devices, or each device all names, this would take hours.
TEST(DropinDevices, AreNumberedInOneGoHoweverManyThereAre) {
    constexpr std::size_t count = 20000;
    std::string text = "wire_a_5000=wire:a";
    for (std::size_t i = 1; i < count; ++i) text += ";wire:a";
    const Devices devices = read(text);
    const auto list = devices.list();
    ASSERT_EQ(list.size(), count);
    EXPECT_STREQ(list[1]->name, "wire_a");
    EXPECT_STREQ(list[4999]->name, "wire_a_4999");
    EXPECT_STREQ(list[5000]->name, "wire_a_5001");
    EXPECT_STREQ(list.back()->name, "wire_a_20000");
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(devices.place_of(list[i]), i);
}

TEST(DropinDevices, TakeTheNameThatTheyAreGiven) {
    EXPECT_EQ(names(read("mlx5_0=wire:a?mac=02:00:00:00:00:01;wire:b")), (Names{"mlx5_0", "wire_b"}));
}

TEST(DropinDevices, LookAsTheOnesInSysfs) {
    const Devices devices = read("mlx5_0=wire:a");
    const ibv_device& device = *devices.list().front();
    EXPECT_STREQ(device.dev_name, "uverbs_mlx5_0");
    EXPECT_STREQ(device.dev_path, "/sys/class/infiniband_verbs/uverbs_mlx5_0");
    EXPECT_STREQ(device.ibdev_path, "/sys/class/infiniband/mlx5_0");
    EXPECT_EQ(device.node_type, IBV_NODE_CA);
    EXPECT_EQ(device.transport_type, IBV_TRANSPORT_IB);
}

void expect_complaint(std::string_view text, std::initializer_list<const char*> words) {
    SCOPED_TRACE(text);
    EXPECT_EQ(names(read(text)), Names{"wire_z"});
    ASSERT_EQ(complaints.size(), 1U);
    expect_words(complaints.front(), words);
}

TEST(DropinDevices, LeaveOutWhatCanNotBeReadAndSayWhy) {
    expect_complaint("wire:z;smoke:a", {"\"smoke:a\"", "prefix \"smoke:\" isn't known", "[NAME=]packet:INTERFACE"});
    expect_complaint("a;wire:z", {"\"a\"", "no \":\" is in it"});
    expect_complaint("wire:z;wire:b?mtu=1", {"\"wire:b?mtu=1\"", "the MTU \"1\""});
    expect_complaint("packet:no_such_netdev;wire:z", {"no such interface: no_such_netdev"});
    expect_complaint("=wire:a;wire:z", {"cannot call a device \"\""});
    expect_complaint("a/b=wire:a;wire:z", {"cannot call a device \"a/b\"", "slash"});
    expect_complaint("wire:z;wire_z=wire:a", {"cannot call a device \"wire_z\"", "another one has that name"});
    const std::string long_name(64, 'n');
    expect_complaint("wire:" + long_name + ";wire:z", {"cannot call a device", "put NAME= before"});
}

TEST(DropinDevices, HaveTheGuidOfTheirMacAddress) {
    const Devices devices = read("wire:a?mac=02:00:5e:10:00:01");
    EXPECT_EQ(devices.guid(devices.list().front()), htobe64(0x00005efffe100001));
}

TEST(DropinDevices, KeepOneMacAddressForEveryOpen) {
    const Devices devices = read("wire:a;wire:a");
    const auto first = devices.guid(devices.list()[0]);
    EXPECT_NE(first, devices.guid(devices.list()[1]));
    for (int i = 0; i < 2; ++i) {
        ibv_context* const context = soft::provider().open_device(devices.list()[0]);
        ASSERT_TRUE(context);
        ibv_gid gid{};
        EXPECT_EQ(soft::provider().query_gid(context, 1, 0, &gid), 0);
        EXPECT_EQ(gid.global.interface_id, first);
        EXPECT_EQ(soft::provider().close_device(context), 0);
    }
}

TEST(DropinDevices, WaitForPeersThatAreOtherPrograms) {
    const Devices devices = read("wire:a;pipe:a;memif:@a");
    EXPECT_FALSE(devices.waits_for_peer(devices.list()[0]));
    EXPECT_TRUE(devices.waits_for_peer(devices.list()[1]));
    EXPECT_TRUE(devices.waits_for_peer(devices.list()[2]));
}

TEST(DropinDevices, HaveMacAddressesOfTheirOwnInEveryProgram) {
    for (const char* text : {"pipe:/run/x", "memif:@x", "wire:a"}) {
        const Devices here = read(text), there = read(text);
        EXPECT_NE(here.guid(here.list().front()), there.guid(there.list().front())) << text;
    }
}

TEST(DropinDevices, KnowTheirOwn) {
    const Devices devices = read("wire:a");
    const Devices others = read("wire:a");
    EXPECT_TRUE(devices.owns(devices.list().front()));
    EXPECT_FALSE(devices.owns(others.list().front()));
    EXPECT_FALSE(devices.owns(nullptr));
    EXPECT_EQ(devices.place_of(devices.list().front()), 0U);
    EXPECT_EQ(devices.place_of(others.list().front()), std::nullopt);
}

ibv_device* find(const Devices& devices, const char* text) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return devices.find(reinterpret_cast<const sockaddr&>(v4));
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return devices.find(reinterpret_cast<const sockaddr&>(v6));
}

TEST(DropinDevices, AreFoundByTheAddressOfAWire) {
    const Devices devices = read("wire:a?ip=10.1.2.3&ip=fd00::1;wire:a?ip=10.1.2.4");
    EXPECT_EQ(find(devices, "10.1.2.3"), devices.list()[0]);
    EXPECT_EQ(find(devices, "fd00::1"), devices.list()[0]);
    EXPECT_EQ(find(devices, "10.1.2.4"), devices.list()[1]);
    EXPECT_EQ(find(devices, "10.1.2.5"), nullptr);
    EXPECT_EQ(find(devices, "0.0.0.0"), nullptr);
    sockaddr other{};
    EXPECT_EQ(devices.find(other), nullptr);
}

TEST(DropinDevices, AreFoundByTheAddressOfAnInterface) {
    if (if_nametoindex("lo") == 0) GTEST_SKIP() << "there is no interface lo";
    const Devices devices = read("wire:a;packet:lo");
    // In a new network namespace the loopback interface is down, and has no address.
    if (!find(devices, "127.0.0.1")) GTEST_SKIP() << "lo has no address";
    EXPECT_EQ(find(devices, "127.0.0.1"), devices.list()[1]);
    EXPECT_EQ(find(devices, "127.0.0.2"), nullptr);
}

}  // namespace
}  // namespace pktverbs::dropin
