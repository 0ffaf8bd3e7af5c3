// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/device.hpp>

#include "device/find_device.hpp"

#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>

#include "expect_error.hpp"
#include "fake_hardware.hpp"

namespace pktverbs {
namespace {

using testing::expect_error;
using testing::expect_words;
using testing::FakeHardware;

constexpr const char* absent = "no_such_netdev";

void expect_refused(std::string_view text, const char* reason) {
    SCOPED_TRACE(text);
    const auto said = expect_error(EINVAL, [&] { find_device(text); });
    expect_words(said, {("\"" + std::string{text} + "\"").c_str(), reason, "ibv:NAME[/PORT]", "packet:INTERFACE",
                        "wire:NAME[?mac=MAC&mtu=BYTES&ip=ADDRESS...&checksums=verify]",
                        "loss=P&duplicate=P&reorder=P&corrupt=P&seed=N"});
}

TEST(FindDevice, RefusesAnEmptyString) { expect_refused("", "it is empty"); }

TEST(FindDevice, RefusesAPrefixItDoesNotKnow) {
    expect_refused("netmap:eth0", "prefix \"netmap:\" isn't known");
    expect_refused(":eth0", "prefix \":\" isn't known");
    expect_refused("Packet:eth0", "isn't known");
    expect_refused(" packet:eth0", "isn't known");
}

TEST(FindDevice, RefusesEmptyNames) {
    expect_refused("ibv:", "NAME or NAME/PORT");
    expect_refused("packet:", "no name");
    expect_refused("wire:", "no name");
    expect_refused("wire:?mtu=1500", "no name");
}

TEST(FindDevice, RefusesABadPort) {
    for (const char* text :
         {"ibv:mlx5_0/", "ibv:mlx5_0/0", "ibv:mlx5_0/256", "ibv:mlx5_0/1/1", "ibv:/1", "ibv:mlx5_0/01",
          "ibv:mlx5_0/0x1", "ibv:mlx5_0/+1", "ibv:mlx5_0/-1", "ibv:mlx5_0/ 1", "ibv:mlx5_0/1 ", "ibv:mlx5_0/257"})
        expect_refused(text, "PORT 1 to 255");
}

TEST(FindDevice, RefusesNamesThatNoInterfaceCanHave) {
    expect_refused("../eth0", "no interface can have that name");
    expect_refused(std::string(128, 'n'), "no interface can have that name");
    expect_refused("packet:" + std::string(128, 'n'), "no interface can have that name");
    expect_refused("packet:eth0/1", "no interface can have that name");
}

#if PKTVERBS_SOFT
TEST(FindDevice, ReadsPacketOptionsStrictly) {
    for (const char* queues : {"0", "17", "2x", "", "-1"})
        expect_refused(std::string{"packet:lo?queues="} + queues, "is not a number from 1 to 16");
    expect_refused("packet:lo?queues=2&fanout=qm", "fanout is \"hash\" or \"cpu\", not \"qm\"");
    expect_refused("packet:lo?queues=2&fanout=", "fanout is \"hash\" or \"cpu\", not \"\"");
    expect_refused("packet:lo?fanout=cpu", "fanout=cpu is for two queues or more: queues=2");
    expect_refused("packet:lo?queue=2", "\"queue\" is no option of packet:");
    expect_refused("packet:lo?coalesce=yes", "coalesce is 1 or 0, not \"yes\"");
    EXPECT_TRUE(find_device("packet:lo?queues=16&fanout=cpu&coalesce=1").handle);
    EXPECT_TRUE(find_device("packet:lo?queues=1&fanout=hash").handle);
}
#endif

TEST(FindDevice, SaysThatThereIsNoSuchInterfaceOrDevice) {
    expect_words(expect_error(ENODEV, [] { find_device(absent); }),
                 {"\"no_such_netdev\"", "no such interface or device: no_such_netdev"});
    expect_words(expect_error(ENODEV, [] { find_device("packet:no_such_netdev"); }),
                 {"\"packet:no_such_netdev\"", "no such interface: no_such_netdev"});
    expect_words(expect_error(ENODEV, [] { find_device("ibv:no_such_device/1"); }), {"no_such_device/1"});
}

TEST(FindDevice, FindsTheHardwareBehindAnInterface) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    hardware.tie("eth4", "mlx5_0", 0);
    const auto device = find_device("eth4", hardware.discovery());
    EXPECT_EQ(device.name, "mlx5_0/1");
    EXPECT_EQ(device.interface, "eth4");
    EXPECT_EQ(device.provider, &FakeHardware::provider);
    EXPECT_EQ(device.note, "");
}

TEST(FindDevice, FindsAVerbsDeviceOutright) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {}});
    EXPECT_EQ(find_device("ibv:mlx4_0", hardware.discovery()).name, "mlx4_0/1");
    EXPECT_EQ(find_device("ibv:mlx4_0/2", hardware.discovery()).name, "mlx4_0/2");
    expect_words(expect_error(EINVAL, [&] { find_device("ibv:mlx4_0/3", hardware.discovery()); }), {"ports 1, 2"});
    expect_words(expect_error(ENODEV, [&] { find_device("ibv:mlx5_0", hardware.discovery()); }), {"knows of mlx4_0"});
}

TEST(FindDevice, PointsToThePrefixForAVerbsDevicesName) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    for (const std::string name : {"mlx5_0", "mlx5_0/1"})
        expect_words(expect_error(ENODEV, [&] { find_device(name, hardware.discovery()); }), {("ibv:" + name).c_str()});
}

#if PKTVERBS_SOFT
TEST(FindDevice, MakesAWire) {
    EXPECT_EQ(find_device("wire:x").name, "wire:x");
    EXPECT_TRUE(find_device("wire:x").handle);
    EXPECT_EQ(find_device("wire:x?mtu=1500").mtu, 1500U);
    EXPECT_EQ(find_device("wire:x").mtu, 9000U);
    const auto both = find_device("wire:x?mtu=68&mac=02:00:5e:10:00:01");
    EXPECT_EQ(both.name, "wire:x?mtu=68&mac=02:00:5e:10:00:01");
    EXPECT_EQ(both.mtu, 68U);
    EXPECT_EQ(find_device("wire:x?mtu=65535").mtu, 65535U);
    EXPECT_TRUE(find_device("wire:x?ip=10.1.2.3&ip=fd00::1").handle);
    EXPECT_TRUE(find_device("wire:x?checksums=verify").handle);
    EXPECT_TRUE(find_device("wire:x?checksums=trust").handle);
}

TEST(FindDevice, ReadsWireOptionsStrictly) {
    expect_refused("wire:x?", "no option follows at its end");
    expect_refused("wire:x?mtu=1500&", "no option follows at its end");
    expect_refused("wire:x?&mtu=1500", "\"\" is no option of wire:");
    expect_refused("wire:x?=1500", "\"\" is no option of wire:");
    expect_refused("wire:x?speed=100", "\"speed\" is no option of wire:");
    expect_refused("wire:x?Mtu=1500", "\"Mtu\" is no option of wire:");
    expect_refused("wire:x?mtu", "\"mtu\" has no value");
    expect_refused("wire:x?mtu=1500?mac=02:00:5e:10:00:01", "is not a number");
    for (const char* text :
         {"wire:x?mtu=", "wire:x?mtu=67", "wire:x?mtu=65536", "wire:x?mtu=-1", "wire:x?mtu=1500b", "wire:x?mtu= 1500",
          "wire:x?mtu=1500 ", "wire:x?mtu=+1500", "wire:x?mtu=01500", "wire:x?mtu=0x5dc", "wire:x?mtu=1.5e3",
          "wire:x?mtu=4294967297", "wire:x?mtu=18446744073709553116"})
        expect_refused(text, "is not a number from 68 to 65535");
    expect_refused("wire:x?mac=", "is no MAC address");
    expect_refused("wire:x?mac=02:00", "\"02:00\" is no MAC address");
    for (const char* text :
         {"wire:x?mac=002:00:5e:10:00:01", "wire:x?mac=0x2:00:5e:10:00:01", "wire:x?mac= 2:0:5e:10:0:1",
          "wire:x?mac=02:00:5e:10:00:01 ", "wire:x?mac=+2:00:5e:10:00:01"})
        expect_refused(text, "is no MAC address");
    expect_refused("wire:x?mac=01:00:5e:00:00:01", "can't have 01:00:5e:00:00:01");
    expect_refused("wire:x?mac=00:00:00:00:00:00", "can't have");
    for (const char* text : {"wire:x?ip=", "wire:x?ip=10.1.2", "wire:x?ip=10.1.2.3/24", "wire:x?ip=fd00::1%lo",
                             "wire:x?ip=010.1.2.3", "wire:x?ip=10.66051", "wire:x?ip=0x0a010203", "wire:x?ip= 10.1.2.3",
                             "wire:x?ip=10.1.2.3 ", "wire:x?ip=[fd00::1]"})
        expect_refused(text, "is no IP address");
    expect_refused("wire:x?checksums=yes", "checksums are \"trust\" or \"verify\", not \"yes\"");
    expect_refused("wire:x?checksums=trust&checksums=verify", "checksums is given twice");
    expect_refused("wire:x?mtu=1500&mtu=1500", "mtu is given twice");
    expect_refused("wire:x?mac=02:00:5e:10:00:01&mac=02:00:5e:10:00:01", "mac is given twice");
}

TEST(FindDevice, ReadsTheFaultsOfEveryKindStrictly) {
    EXPECT_TRUE(find_device("wire:x?loss=0.1&duplicate=1&reorder=0&corrupt=1e-3&seed=18446744073709551615").handle);
    for (const char* text : {"wire:x?loss=", "wire:x?loss=1.1", "wire:x?duplicate=-0", "wire:x?reorder=01",
                             "wire:x?corrupt=5%", "wire:x?loss=nan", "wire:x?loss=0,1"})
        expect_refused(text, "is no chance from 0 to 1");
    for (const char* text : {"wire:x?seed=", "wire:x?seed=-1", "wire:x?seed=18446744073709551616"})
        expect_refused(text, "is no number of 64 bits");
    expect_refused("wire:x?loss=0&loss=0", "loss is given twice");
    expect_refused("packet:lo?loss=2", "is no chance from 0 to 1");
    expect_refused("packet:lo?mtu=1500", "\"mtu\" is no option of packet:");
}

TEST(FindDevice, SaysHowOptionsStandBehindAName) {
    for (const char* text : {"wire:x,mtu=1500", "wire:x&mtu=1500", "wire:mtu=1500"})
        expect_refused(text, "options stand behind \"?\"");
}

TEST(FindDevice, MakesAPacketDevice) {
    if (::if_nametoindex("lo") == 0) GTEST_SKIP() << "there is no interface lo";
    const auto device = find_device("packet:lo");
    EXPECT_EQ(device.name, "packet:lo");
    EXPECT_EQ(device.interface, "lo");
    EXPECT_TRUE(device.handle);
    EXPECT_EQ(device.note, "");
}

TEST(FindDevice, TakesTheSoftDeviceForAnInterfaceWithoutHardwareAndReportsIt) {
    if (::if_nametoindex("lo") == 0) GTEST_SKIP() << "there is no interface lo";
    FakeHardware hardware;
    const auto device = find_device("lo", hardware.discovery());
    EXPECT_EQ(device.name, "packet:lo");
    EXPECT_EQ(device.note, "lo has no verbs device: using the soft device packet:lo");
}

TEST(ListDevices, PutsEthernetHardwareFirstAndLoopbackLast) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {.link_layer = IBV_LINK_LAYER_INFINIBAND, .gids = {}}});
    const auto devices = list_devices(hardware.discovery());
    ASSERT_FALSE(devices.empty());
    EXPECT_EQ(devices[0].name, "mlx4_0/1");
    for (auto device = devices.begin() + 1; device != devices.end(); ++device) {
        EXPECT_TRUE(device->name.starts_with("packet:")) << device->name;
        if (device->name == "packet:lo") {
            EXPECT_EQ(device + 1, devices.end());
        }
    }
}
#endif

TEST(ListDevices, ThrowsNothing) { EXPECT_NO_THROW(list_devices()); }

}  // namespace
}  // namespace pktverbs
