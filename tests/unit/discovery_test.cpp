// SPDX-License-Identifier: Apache-2.0
#include "verbs/discovery.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "expect_error.hpp"
#include "fake_hardware.hpp"

namespace pktverbs::verbs {
namespace {

using testing::expect_error;
using testing::expect_words;
using testing::FakeHardware;

constexpr const char* mac = "0c:42:a1:5e:10:02";
// The same with the bit beside the group bit inverted and ff:fe in the middle, as the kernel lists it.
const Ipv6Address gid_of_mac{
    Ipv6Address::Bytes{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x0e, 0x42, 0xa1, 0xff, 0xfe, 0x5e, 0x10, 0x02}};
const Ipv6Address other_gid{
    Ipv6Address::Bytes{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x0e, 0x42, 0xa1, 0xff, 0xfe, 0x5e, 0x10, 0x03}};

Device find(FakeHardware& hardware, std::string_view interface) {
    const Discovery discovery = hardware.discovery();
    return discovery.find(discovery.find_interface(interface));
}

TEST(PortName, TakesPortOneWhenNoneIsNamed) {
    const auto name = PortName::parse("mlx5_0");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->device, "mlx5_0");
    EXPECT_EQ(name->port, 1);
    EXPECT_EQ(name->to_string(), "mlx5_0/1");
}

TEST(PortName, ReadsThePort) {
    EXPECT_EQ(PortName::parse("mlx5_0/2").value().port, 2);
    EXPECT_EQ(PortName::parse("mlx5_0/255").value().port, 255);
}

TEST(PortName, RefusesEverythingElse) {
    for (const char* text : {"", "/", "/1", "mlx5_0/", "mlx5_0/0", "mlx5_0/256", "mlx5_0/01", "mlx5_0/+1", "mlx5_0/-1",
                             "mlx5_0/1 ", "mlx5_0/ 1", "mlx5_0/0x1", "mlx5_0/1/1", "mlx5_0/one", "..", "../1", "."})
        EXPECT_FALSE(PortName::parse(text)) << text;
}

TEST(Discovery, FindsTheDeviceOfAnInterfaceBySysfs) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    hardware.tie("eth4", "mlx5_0", 0);
    const auto device = find(hardware, "eth4");
    ASSERT_TRUE(device.handle);
    EXPECT_EQ(device.name, "mlx5_0/1");
    EXPECT_EQ(device.port, 1);
    EXPECT_STREQ(device.handle->name, "mlx5_0");
    EXPECT_EQ(device.provider, &FakeHardware::provider);
    EXPECT_EQ(device.interface, "eth4");
    EXPECT_EQ(device.mtu, 9000U);
    EXPECT_EQ(device.alternative, "packet:eth4");
    EXPECT_EQ(device.note, "");
    EXPECT_EQ(hardware.opened, 0);
}

TEST(Discovery, FindsAnInterfaceByAnotherOfItsNames) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    hardware.tie("eth4", "mlx5_0", 0);
    hardware.add_name("eth4", "a_name_of_more_than_fifteen_letters");
    const auto device = find(hardware, "a_name_of_more_than_fifteen_letters");
    ASSERT_TRUE(device.handle);
    EXPECT_EQ(device.interface, "eth4");
    EXPECT_EQ(device.alternative, "packet:eth4");
    EXPECT_TRUE(device.netdev);
}

/// In a network namespace without its own sysfs, /sys shows another namespace's interfaces.
TEST(Discovery, TakesNoInterfaceThatSysfsShowsByTheSameName) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.add_device_in_sysfs("mlx5_0", {{.gids = {other_gid}}});
    hardware.tie("eth4", "mlx5_0", 0);
    const auto ours = FakeHardware::find_interface("eth4");
    for (const auto& [file, other] : {std::pair{"ifindex", "7"}, std::pair{"address", "0c:42:a1:5e:10:03"}}) {
        const std::string path = std::string{"class/net/eth4/"} + file;
        std::string before;
        std::ifstream{hardware.sysfs() / path} >> before;
        hardware.write(path, other);
        EXPECT_FALSE(hardware.discovery().find(ours).handle) << file;
        hardware.write(path, before);
        EXPECT_TRUE(hardware.discovery().find(ours).handle) << file;
    }
}

TEST(Discovery, TakesNoInterfaceOfTheSameNameForThatOfAPort) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    hardware.write("class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0", "eth4");
    hardware.write("class/infiniband/mlx5_0/ports/1/gids/0", other_gid.to_string());
    EXPECT_EQ(hardware.discovery().device("mlx5_0").interface, "");
    hardware.write("class/infiniband/mlx5_0/ports/1/gids/0", gid_of_mac.to_string());
    EXPECT_EQ(hardware.discovery().device("mlx5_0").interface, "eth4");
}

TEST(Discovery, DistinguishesThePortsOfOneFunctionByDevPort) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {}});
    hardware.tie("eth4", "mlx4_0", 0);
    hardware.tie("eth5", "mlx4_0", 1);
    EXPECT_EQ(find(hardware, "eth4").name, "mlx4_0/1");
    EXPECT_EQ(find(hardware, "eth5").name, "mlx4_0/2");
}

TEST(Discovery, FallsBackToDevIdForOldDrivers) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {}});
    hardware.tie("eth5", "mlx4_0", 0);
    hardware.write("class/net/eth5/dev_id", "0x1");
    EXPECT_EQ(find(hardware, "eth5").name, "mlx4_0/2");
    std::filesystem::remove(hardware.sysfs() / "class/net/eth5/dev_port");
    EXPECT_EQ(find(hardware, "eth5").name, "mlx4_0/2");
}

TEST(Discovery, TakesNoDevIdForAPortThatIsNotThere) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    hardware.tie("eth4", "mlx5_0", 0);
    hardware.write("class/net/eth4/dev_id", "0x7");
    EXPECT_EQ(find(hardware, "eth4").name, "mlx5_0/1");
}

TEST(Discovery, FindsTheDeviceByItsGidWhenSysfsHasNoTie) {
    FakeHardware hardware;
    hardware.add_interface("veth0", mac);
    hardware.add_device("rxe0", {{.gids = {other_gid}}});
    hardware.add_device("rxe1", {{.gids = {}}, {.gids = {other_gid, Ipv6Address{}, gid_of_mac}}});
    const auto device = find(hardware, "veth0");
    ASSERT_TRUE(device.handle);
    EXPECT_EQ(device.name, "rxe1/2");
    EXPECT_EQ(device.interface, "veth0");
    EXPECT_EQ(hardware.opened, hardware.closed);
}

TEST(Discovery, FindsTheDeviceByItsGidWhenLibibverbsLacksTheOneInSysfs) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.tie("eth4", "mlx5_0", 0);
    hardware.add_device("mlx5_9", {{.gids = {gid_of_mac}}});
    EXPECT_EQ(find(hardware, "eth4").name, "mlx5_9/1");
}

TEST(Discovery, TakesNoGidOfAnInfinibandPort) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.add_device("mlx5_0", {{.link_layer = IBV_LINK_LAYER_INFINIBAND, .gids = {gid_of_mac}}});
    EXPECT_FALSE(find(hardware, "eth4").handle);
}

TEST(Discovery, GivesAnEmptyHandleWhenThereIsNoDevice) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.add_interface("lo", "00:00:00:00:00:00");
    hardware.add_device("mlx5_0", {{.gids = {other_gid, Ipv6Address::link_local(MacAddress{})}}});
    for (const char* interface : {"eth4", "lo", "eth9", "", "..", "../net/eth4", "eth4/"})
        EXPECT_FALSE(find(hardware, interface).handle) << interface;
    EXPECT_EQ(hardware.opened, hardware.closed);
}

TEST(Discovery, ListsOneDevicePerPort) {
    FakeHardware hardware;
    hardware.add_interface("eth5", mac);
    hardware.add_device_in_sysfs("mlx4_0", {{}, {}});
    hardware.tie("eth4", "mlx4_0", 0);
    hardware.tie("eth5", "mlx4_0", 1);
    hardware.add_device("rxe0", {{}});
    const auto devices = hardware.discovery().list();
    ASSERT_EQ(devices.size(), 3U);
    EXPECT_EQ(devices[0].name, "mlx4_0/1");
    EXPECT_EQ(devices[0].interface, "eth4");
    EXPECT_EQ(devices[0].mtu, 0U);
    EXPECT_EQ(devices[1].name, "mlx4_0/2");
    EXPECT_EQ(devices[1].interface, "eth5");
    EXPECT_EQ(devices[1].mtu, 9000U);
    EXPECT_EQ(devices[2].name, "rxe0/1");
    EXPECT_EQ(devices[2].interface, "");
    EXPECT_EQ(devices[2].alternative, "");
    EXPECT_EQ(hardware.opened, hardware.closed);
}

TEST(Discovery, BelievesTheNetdevOfTheGidBeforeThePciFunction) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    hardware.tie("eth4", "mlx5_0", 0);
    hardware.tie("eth4_rep0", "mlx5_0", 0);
    hardware.write("class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0", "eth4");
    hardware.tie("aaa_rep1", "mlx5_0", 0);
    EXPECT_EQ(hardware.discovery().device("mlx5_0").interface, "eth4");
}

TEST(Discovery, DistinguishesEthernetPortsFromInfinibandPorts) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {.link_layer = IBV_LINK_LAYER_INFINIBAND, .gids = {}}});
    const auto discovery = hardware.discovery();
    EXPECT_TRUE(discovery.is_ethernet(discovery.device("mlx4_0/1")));
    EXPECT_FALSE(discovery.is_ethernet(discovery.device("mlx4_0/2")));
}

TEST(Discovery, KeepsTheListAliveForItsDevices) {
    FakeHardware hardware;
    hardware.add_device("rxe0", {{}});
    auto devices = hardware.discovery().list();
    ASSERT_EQ(devices.size(), 1U);
    EXPECT_TRUE(hardware.list_is_alive());
    const auto copy = devices[0];
    devices.clear();
    EXPECT_TRUE(hardware.list_is_alive());
}

TEST(Discovery, FreesTheListWithTheLastDevice) {
    FakeHardware hardware;
    hardware.add_device("rxe0", {{}});
    { const auto devices = hardware.discovery().list(); }
    EXPECT_FALSE(hardware.list_is_alive());
}

TEST(Discovery, FindsADeviceByNameAndPort) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {}});
    EXPECT_EQ(hardware.discovery().device("mlx4_0").name, "mlx4_0/1");
    EXPECT_EQ(hardware.discovery().device("mlx4_0/2").port, 2);
}

TEST(Discovery, SaysWhichDevicesThereAreWhenTheNameIsUnknown) {
    FakeHardware hardware;
    hardware.add_device("mlx5_0", {{}});
    hardware.add_device("mlx5_1", {{}});
    const auto text = expect_error(ENODEV, [&] { hardware.discovery().device("mlx5_7/1"); });
    expect_words(text, {"cannot find verbs device mlx5_7/1: No such device", "mlx5_0, mlx5_1"});
}

TEST(Discovery, SaysThatThereIsNoDeviceAtAll) {
    FakeHardware hardware;
    expect_words(expect_error(ENODEV, [&] { hardware.discovery().device("mlx5_0"); }),
                 {"cannot find verbs device mlx5_0", "none on this machine"});
}

TEST(Discovery, RefusesAPortThatTheDeviceLacks) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx4_0", {{}, {}});
    hardware.add_device("rxe0", {{}});
    expect_words(expect_error(EINVAL, [&] { hardware.discovery().device("mlx4_0/3"); }),
                 {"mlx4_0/3: Invalid argument", "ports 1, 2"});
    expect_words(expect_error(EINVAL, [&] { hardware.discovery().device("rxe0/2"); }), {"only port 1"});
}

TEST(Discovery, RefusesANameItCannotRead) {
    FakeHardware hardware;
    expect_words(expect_error(EINVAL, [&] { hardware.discovery().device("mlx5_0/x"); }),
                 {"mlx5_0/x", "NAME or NAME/PORT"});
}

TEST(Discovery, ReadsTheDropsOfAPort) {
    FakeHardware hardware;
    hardware.write("class/infiniband/mlx5_0/ports/1/hw_counters/out_of_buffer", "18446744073709551615");
    const auto drops = Discovery::drops(hardware.sysfs(), {"mlx5_0", 1});
    EXPECT_EQ(drops.out_of_buffer, UINT64_MAX);
    EXPECT_EQ(drops.total(), UINT64_MAX);
    EXPECT_EQ(Discovery::drops(hardware.sysfs(), {"mlx5_0", 2}).total(), 0U);
}

TEST(Discovery, HasADropReaderOnlyWhereThereIsACounter) {
    FakeHardware hardware;
    hardware.add_device_in_sysfs("mlx5_0", {{}});
    EXPECT_EQ(hardware.discovery().device("mlx5_0").read_drops, nullptr);
    hardware.write("class/infiniband/mlx5_0/ports/1/hw_counters/out_of_buffer", "7");
    const auto device = hardware.discovery().device("mlx5_0");
    ASSERT_NE(device.read_drops, nullptr);
    EXPECT_EQ(device.read_drops(device, nullptr).unmatched, 0U);
}

TEST(Discovery, FindsNothingWithoutAList) {
    FakeHardware hardware;
    hardware.add_interface("eth4", mac);
    hardware.tie("eth4", "mlx5_0", 0);
    const Discovery nothing{hardware.sysfs(), FakeHardware::provider, nullptr, FakeHardware::find_interface};
    EXPECT_TRUE(nothing.list().empty());
    EXPECT_FALSE(nothing.find(nothing.find_interface("eth4")).handle);
    expect_error(ENODEV, [&] { nothing.device("mlx5_0"); });
}

// The rest is about this machine, which may have RDMA or not.

TEST(ThisMachine, ListsPortsThatCanBeFoundAgain) {
    for (const auto& device : list_hardware_devices()) {
        EXPECT_TRUE(device.handle);
        EXPECT_EQ(hardware_device(device.name).name, device.name);
    }
}

TEST(ThisMachine, HasNoVerbsDeviceBehindAnInterfaceThatIsNotThere) {
    EXPECT_FALSE(find_hardware_device("no_such_netdev").handle);
    EXPECT_FALSE(find_hardware_device("").handle);
    expect_error(ENODEV, [] { hardware_device("no_such_device"); });
}

// A promise to programs for laptops and CI: without RDMA they start and get an empty list. The death test runs this
// program again.
TEST(ThisMachine, LetsAProgramStartWithoutRdma) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            const auto devices = list_hardware_devices();
            std::_Exit(devices.empty() ? 0 : 1);
        },
        [](int status) {
            ibv_device** list = ibv_get_device_list(nullptr);
            const bool none = !list || !*list;
            if (list) ibv_free_device_list(list);
            return status == (none ? 0 : 0x100);
        },
        "^$");
}

}  // namespace
}  // namespace pktverbs::verbs
