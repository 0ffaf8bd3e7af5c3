// SPDX-License-Identifier: Apache-2.0
// OpenDevice: an opened verbs device: what it can do, its ports and addresses, its asynchronous events.
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

/// A shared handle: copies are the same open device. It is closed when the last copy has gone, and
/// whatever is made from it holds one. All members may be called from several threads at once.
/// Everything that fails throws std::system_error with the verb's errno.
class PKTVERBS_EXPORT OpenDevice {
public:
    /// Throws ENODEV for a device that find_hardware_device() did not find.
    explicit OpenDevice(Device device);
    /// A device that somebody else opened (rdma_cm_id::verbs) and closes, after the last object made from it. Its
    /// events are for one taker: one thread at a time calls next_event(), and the owner doesn't read them.
    static OpenDevice lent(ibv_context* context, std::uint8_t port = 1, const Provider& provider = hardware_provider());

    const Device& device() const noexcept;
    const Provider& provider() const noexcept { return *device().provider; }
    ibv_device_attr attributes() const;
    /// Where the driver has no more than attributes(), only orig_attr is filled.
    ibv_device_attr_ex extended_attributes() const;

    /// Of the port that the device was opened with, or of another, counted from 1.
    ibv_port_attr port() const { return port(device().port); }
    ibv_port_attr port(std::uint8_t number) const;
    /// The entries of a port's GID table that are in use, by rising index.
    std::vector<GidEntry> gids() const { return gids(device().port); }
    std::vector<GidEntry> gids(std::uint8_t port) const;
    /// The entry to send from if nobody chose one: on RoCE the first of version 2 with an IPv4 address in it, failing
    /// that the first of version 2, failing that index 0. Throws ENOENT if the table is empty.
    GidEntry default_gid() const { return default_gid(device().port); }
    GidEntry default_gid(std::uint8_t port) const;
    /// The entry to send to `peer` from: of its kind, where there is one (IPv4, link-local or other IPv6), or else the
    /// default one.
    GidEntry gid_towards(const Ipv6Address& peer) const { return gid_towards(peer, device().port); }
    GidEntry gid_towards(const Ipv6Address& peer, std::uint8_t port) const;

    /// Whether extended completion queues can be polled: false for SoftRoCE below rdma-core 55, whose provider reports
    /// completions that are none after an empty ibv_next_poll. Those take classic ones.
    bool extended_polling_works() const noexcept;

    /// Readable while there are asynchronous events; level-triggered, owned by the device.
    int async_fd() const noexcept { return raw()->async_fd; }
    /// The next asynchronous event, acknowledged; nullopt if there is none now. Throws EIO if the device is gone.
    std::optional<AsyncEvent> next_event();

    ibv_context* raw() const noexcept;
    /// For errors: what was being done on this device.
    Action action(std::string_view verb, std::string_view what) const noexcept { return {verb, what, device().name}; }

private:
    struct State;
    explicit OpenDevice(std::shared_ptr<const State> state) noexcept;

    std::shared_ptr<const State> state_;
};

}  // namespace pktverbs::verbs
