// SPDX-License-Identifier: Apache-2.0
// Device strings: names of devices, as users write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

/// Finds the device that a device string names:
///
///     eth4          the verbs device behind that interface; if it has none, the soft
///                   device on that interface (Device::note says so)
///     ibv:mlx5_0/1  a verbs device and its port
///     packet:eth0   the soft device on an AF_PACKET socket
///     tap:NAME      the soft device on a tap interface: the kernel's stack is its peer
///     host:eth0     the soft device on the kernel's side of an interface
///     wire:NAME     the soft device on an in-memory wire of this process; options may
///                   follow: wire:NAME?mac=02:00:5e:10:00:01&mtu=1500&ip=10.0.0.1
///
/// Throws std::system_error with the string and the reason in the message: EINVAL for a string that cannot be parsed,
/// ENODEV for a device or interface that does not exist.
PKTVERBS_EXPORT Device find_device(std::string_view text);

/// Lists the Ethernet ports of verbs devices, then a packet: device for each interface that is up, loopback last. Ports
/// whose driver has no raw packets (SoftRoCE) are included, as only creating a queue pair can tell.
PKTVERBS_EXPORT std::vector<Device> list_devices();

/// A kind of device string, for people.
struct DeviceKind {
    std::string form;     ///< "pipe:NAME[?queues=N...]": without the keys that every soft device takes
    std::string purpose;  ///< one line
};

/// Lists the kinds of device strings that this build of the library knows.
PKTVERBS_EXPORT std::vector<DeviceKind> list_device_kinds();

}  // namespace pktverbs
