// SPDX-License-Identifier: Apache-2.0
// Device: something that can be opened, and the control verbs that go with it.
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

/// Frames that reached a device but no queue, by reason. What a device does not count stays 0.
/// Soft devices count from when they were opened, hardware from when its driver was loaded:
/// for the latter, subtract a first reading.
struct DeviceDrops {
    std::uint64_t out_of_buffer = 0;  ///< a flow matched, but its queue had no packet posted
    std::uint64_t unmatched = 0;      ///< no flow matched
    std::uint64_t fragments = 0;      ///< the same, but a flow that asks for ports would have, were it no fragment
    std::uint64_t by_rule = 0;        ///< a drop rule matched
    std::uint64_t not_ready = 0;      ///< a flow matched, but its queue was not ready to receive
    std::uint64_t oversize = 0;       ///< longer than the port's MTU allows
    std::uint64_t link = 0;           ///< lost below the device: the kernel's ring was full
    std::uint64_t unsent = 0;         ///< not received ones: frames that completed as sent, and that the link then lost

    /// Frames that came and were not received, wanted or not.
    std::uint64_t total() const noexcept {
        return out_of_buffer + unmatched + fragments + by_rule + not_ready + oversize + link;
    }
    /// Wanted frames that were lost: not those that no flow matched, or that a rule dropped, and not unsent ones. Not
    /// fragments: nothing tells whose ports they would have had.
    std::uint64_t lost() const noexcept { return out_of_buffer + not_ready + oversize + link; }
};

/// A value, cheap to copy. What it names is opened by provider->open_device(handle.get());
/// `handle` and `provider` must outlive the opened context.
struct Device {
    /// The device string it came from: "mlx5_0/1", "packet:eth0", "wire:test".
    std::string name;
    /// The port to use, counted from 1.
    std::uint8_t port = 1;
    std::shared_ptr<ibv_device> handle;
    const Provider* provider = nullptr;
    /// The netdev behind the port ("eth4"), by its first name when it was found; empty if there is none.
    std::string interface;
    /// Multicast groups are joined through the kernel, on `interface`; false where no kernel is behind the port.
    bool joins_groups = true;
    /// The MTU of the port in bytes, without the Ethernet header; 0 if it isn't known.
    std::uint32_t mtu = 0;
    /// What the user should be told about how this device was chosen; mostly empty.
    std::string note;
    /// Reads the drop counters of an opened context; null if the device has none. Throws std::bad_alloc.
    DeviceDrops (*read_drops)(const Device&, ibv_context*) = nullptr;
    /// What the timestamps of its completions are read from, where it has any.
    TimestampClock timestamp_clock = TimestampClock::device;
    /// A string that opens a device which *can* do raw packets on the same interface; empty if none is known.
    std::string alternative;
    /// That netdev, by its number in the network namespace of the thread that found it. Null: a Context finds it by its
    /// name, when it is opened.
    std::shared_ptr<const Interface> netdev = nullptr;
};

/// The devices that libibverbs knows of, one per port. Empty on a machine without RDMA.
PKTVERBS_EXPORT std::vector<Device> list_hardware_devices();

/// The verbs device and port behind a netdev, found by sysfs and, failing that, by the
/// GID that holds its MAC address. Empty handle if there is none.
PKTVERBS_EXPORT Device find_hardware_device(std::string_view interface);

/// The verbs device `name` ("mlx5_0", or "mlx5_0/2" with its port).
/// Throws std::system_error: ENODEV if libibverbs has no such device, EINVAL for a bad port.
PKTVERBS_EXPORT Device hardware_device(std::string_view name);

}  // namespace pktverbs::verbs

namespace pktverbs {

using verbs::Device;

}  // namespace pktverbs
