// SPDX-License-Identifier: Apache-2.0
// OpenDevice: an opened verbs device, with its capabilities, ports, addresses and asynchronous events.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/async_event.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/gid.hpp>
#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::verbs {

/// Opens a verbs device, reports what it can do, and closes it when nothing uses it any more.
///
/// A shared handle: copies are the same open device, and every object made from it holds a copy. Several threads may
/// call all members at once. All failures throw std::system_error with the verb's errno.
class PKTVERBS_EXPORT OpenDevice {
public:
    /// Opens a device. Throws ENODEV for one that find_hardware_device() did not find.
    explicit OpenDevice(Device device);
    /// Uses a device that another owner opened (rdma_cm_id::verbs) and closes after the last object made from it.
    /// Events go to one reader: one thread at a time calls next_event(), and the owner doesn't read them.
    static OpenDevice lent(ibv_context* context, std::uint8_t port = 1, const Provider& provider = hardware_provider());

    /// Returns what was opened.
    const Device& device() const noexcept;
    /// Returns the device's control verbs.
    const Provider& provider() const noexcept { return *device().provider; }
    /// Returns the device's capabilities.
    ibv_device_attr attributes() const;
    /// Returns the device's extended capabilities. If the driver has none, only orig_attr is filled.
    ibv_device_attr_ex extended_attributes() const;

    /// Returns the attributes of the port that the device was opened with.
    ibv_port_attr port() const { return port(device().port); }
    /// Returns the attributes of a port, counted from 1.
    ibv_port_attr port(std::uint8_t number) const;
    /// Returns the entries of the GID table that are in use, in ascending order of index.
    std::vector<GidEntry> gids() const { return gids(device().port); }
    std::vector<GidEntry> gids(std::uint8_t port) const;
    /// Returns the GID to send from by default: on RoCE the first of version 2 that holds an IPv4 address, or else the
    /// first of version 2, or else the first in use. Throws ENOENT if the table is empty.
    GidEntry default_gid() const { return default_gid(device().port); }
    GidEntry default_gid(std::uint8_t port) const;
    /// Returns the GID to send to `peer` from: one of its kind (IPv4, link-local or other IPv6) if there is one, else
    /// the default.
    GidEntry gid_towards(const Ipv6Address& peer) const { return gid_towards(peer, device().port); }
    GidEntry gid_towards(const Ipv6Address& peer, std::uint8_t port) const;

    /// Whether extended completion queues can be polled. False for SoftRoCE before rdma-core 55, whose provider reports
    /// false completions after an empty ibv_next_poll; use classic queues there.
    bool extended_polling_works() const noexcept;

    /// Returns a descriptor that is readable while there are asynchronous events; level-triggered, owned by the device.
    int async_fd() const noexcept { return raw()->async_fd; }
    /// Takes the next asynchronous event, and acknowledges it. Returns nullopt if there is none now. Throws EIO if the
    /// device is gone.
    std::optional<AsyncEvent> next_event();

    ibv_context* raw() const noexcept;
    /// Names an action on this device, for error messages.
    Action action(std::string_view verb, std::string_view what) const noexcept { return {verb, what, device().name}; }

private:
    struct State;
    explicit OpenDevice(std::shared_ptr<const State> state) noexcept;

    std::shared_ptr<const State> state_;
};

}  // namespace pktverbs::verbs
