// SPDX-License-Identifier: Apache-2.0
// Device: a device that can be opened, with its control verbs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/timestamp_clock.hpp>

struct ibv_context;
struct ibv_device;

namespace pktverbs {
class Interface;
}

namespace pktverbs::verbs {

struct Provider;

/// Counts frames that reached a device but no queue, by reason.
///
/// Reasons that a device does not count stay 0. Soft devices count from when they were opened, hardware from when its
/// driver was loaded: there, subtract a first reading.
struct DeviceDrops {
    std::uint64_t out_of_buffer = 0;  ///< a flow matched, but its queue had no packet posted
    std::uint64_t unmatched = 0;      ///< no flow matched
    /// Fragments that match a flow in all but its ports, which are not looked at in fragments.
    std::uint64_t fragments = 0;
    std::uint64_t by_rule = 0;    ///< a drop rule matched
    std::uint64_t not_ready = 0;  ///< a flow matched, but its queue was not ready to receive
    std::uint64_t oversize = 0;   ///< longer than the port's MTU allows
    std::uint64_t link = 0;       ///< lost below the device: the kernel's ring was full
    std::uint64_t unsent = 0;     ///< not received ones: frames that completed as sent and were then lost by the link

    /// Returns the number of frames that arrived and were not received, wanted or not.
    std::uint64_t total() const noexcept {
        return out_of_buffer + unmatched + fragments + by_rule + not_ready + oversize + link;
    }
    /// Returns the number of wanted frames that were lost. Leaves out frames that no flow matched or a rule dropped,
    /// unsent ones, and fragments, as their ports are not known.
    std::uint64_t lost() const noexcept { return out_of_buffer + not_ready + oversize + link; }
};

/// Names a device and port to open, and describes them.
///
/// A value that is cheap to copy. provider->open_device(handle.get()) opens it; `handle` and `provider` must outlive
/// the opened context.
struct Device {
    /// The device string that names it: "mlx5_0/1", "packet:eth0", "wire:test".
    std::string name;
    /// The port to use, counted from 1.
    std::uint8_t port = 1;
    std::shared_ptr<ibv_device> handle;  ///< the verbs device; null if none was found
    const Provider* provider = nullptr;  ///< its control verbs
    /// The netdev behind the port ("eth4"), by the name it had when it was found; empty if there is none.
    std::string interface;
    /// Whether multicast groups are joined through the kernel, on `interface`; false if no kernel is behind the port.
    bool joins_groups = true;
    /// Whether the link comes up when another program joins it, which may be later: then it is opened while it is down,
    /// whatever Options::require_link says.
    bool waits_for_peer = false;
    /// The port's MTU in bytes, without the Ethernet header; 0 if it is not known.
    std::uint32_t mtu = 0;
    /// What a user should know about how this device was chosen; mostly empty.
    std::string note;
    /// Reads the drop counters of an opened context; null if the device has none. Throws std::bad_alloc.
    DeviceDrops (*read_drops)(const Device&, ibv_context*) = nullptr;
    /// The clock that its completions' timestamps come from, if they have any.
    TimestampClock timestamp_clock = TimestampClock::device;
    /// A string for a device on the same interface that can send and receive raw packets; empty if none is known.
    std::string alternative;
    /// The same netdev, by its number in the network namespace of the thread that found it. Null: a Context looks it up
    /// by name when it opens the device.
    std::shared_ptr<const Interface> netdev = nullptr;
};

/// Lists the devices that libibverbs knows, one for each port. Empty on a machine without RDMA.
PKTVERBS_EXPORT std::vector<Device> list_hardware_devices();

/// Finds the verbs device and port behind a netdev, by sysfs or else by the GID that holds its MAC address. The handle
/// is empty if there is none.
PKTVERBS_EXPORT Device find_hardware_device(std::string_view interface);

/// Finds a verbs device by its name ("mlx5_0", or "mlx5_0/2" with a port). Throws std::system_error: ENODEV if
/// libibverbs has no such device, EINVAL for a bad port.
PKTVERBS_EXPORT Device hardware_device(std::string_view name);

}  // namespace pktverbs::verbs

namespace pktverbs {

using verbs::Device;

}  // namespace pktverbs
