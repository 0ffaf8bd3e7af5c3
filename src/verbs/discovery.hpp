// SPDX-License-Identifier: Apache-2.0
// Discovery: finds verbs devices and ports, and their netdevs.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "interface/interface.hpp"

namespace pktverbs::verbs {

/// "mlx5_0/2" in parts.
struct PortName {
    std::string device;
    std::uint8_t port = 1;

    /// Port 1 if `text` names none; nullopt if it is not NAME or NAME/PORT with PORT 1 to 255.
    static std::optional<PortName> parse(std::string_view text);
    std::string to_string() const { return device + '/' + std::to_string(port); }
};

/// Looks in one sysfs tree and one list of devices. A value; the devices found keep the list alive.
class Discovery {
public:
    /// As ibv_get_device_list returns it: ends with a null. Null if the machine has no RDMA.
    using DeviceList = std::shared_ptr<ibv_device*>;

    /// Finds an interface by name: Interface::find(), or a test's function.
    using FindInterface = std::shared_ptr<const Interface> (*)(std::string_view name);

    Discovery(std::filesystem::path sysfs, const Provider& provider, DeviceList devices,
              FindInterface finder = Interface::find)
        : sysfs_{std::move(sysfs)}, provider_{&provider}, devices_{std::move(devices)}, find_interface_{finder} {}

    /// This machine's current state.
    static Discovery system();

    /// See list_hardware_devices, find_hardware_device and hardware_device, which are these on system().
    std::vector<Device> list() const;
    Device find(const std::shared_ptr<const Interface>& interface) const;
    Device device(std::string_view name) const;

    /// In the calling thread's network namespace; null if there is none of that name.
    std::shared_ptr<const Interface> find_interface(std::string_view name) const;

    /// Only Ethernet ports have raw packets; the others are InfiniBand.
    bool is_ethernet(const Device& device) const;

    /// A port's drop counters; 0 for missing ones. hw_counters count since the driver was loaded.
    static DeviceDrops drops(const std::filesystem::path& sysfs, const PortName& port);

private:
    template <class Visit>
    void for_each_device(Visit&& visit) const;
    ibv_device* find_by_name(std::string_view name) const;
    std::optional<PortName> find_by_sysfs(const Interface& interface) const;
    std::optional<PortName> find_by_gid(const MacAddress& mac) const;
    std::vector<std::uint8_t> ports_of(ibv_device* device) const;
    std::optional<std::uint8_t> port_behind(const std::filesystem::path& netdev, std::string_view device) const;
    std::shared_ptr<const Interface> interface_of(const PortName& port) const;
    Device make(const PortName& port, std::shared_ptr<const Interface> interface) const;

    std::filesystem::path sysfs_;
    const Provider* provider_;
    DeviceList devices_;
    FindInterface find_interface_;
};

}  // namespace pktverbs::verbs
