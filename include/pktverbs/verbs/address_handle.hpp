// SPDX-License-Identifier: Apache-2.0
// AddressHandle: the route that datagrams take to a port.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

namespace pktverbs::verbs {

/// Describes the route from an entry of the local GID table to a peer's GID (ibv_create_ah(3)).
struct AddressOptions {
    Ipv6Address gid;                 ///< the peer's GID
    std::uint32_t gid_index = 0;     ///< the entry of the local GID table to send from
    std::uint8_t port = 1;           ///< the local port
    std::uint16_t lid = 0;           ///< the peer's LID, on InfiniBand only
    std::uint8_t hop_limit = 64;     ///< hop limit of the packets
    std::uint8_t traffic_class = 0;  ///< DSCP and ECN of the packets
    std::uint8_t service_level = 0;  ///< InfiniBand service level

    /// Returns them for verbs, also as an attribute of a queue pair. Throws EINVAL for a GID index above 255, for which
    /// verbs has no room.
    PKTVERBS_EXPORT ibv_ah_attr to_attr() const;
};

/// Holds the route to a port, which datagrams are sent along.
///
/// Move-only. It must outlive the datagrams sent through it, and it keeps its protection domain alive.
class PKTVERBS_EXPORT AddressHandle {
public:
    /// Resolves the route. On RoCE the driver finds the peer's MAC address now, through the kernel's neighbour table.
    /// Throws std::system_error: EINVAL or ETIMEDOUT if there is no route.
    AddressHandle(ProtectionDomain pd, const AddressOptions& options);
    /// Resolves the route to an endpoint, from the port's GID of the same kind (OpenDevice::gid_towards).
    AddressHandle(const ProtectionDomain& pd, const Endpoint& peer);
    AddressHandle(AddressHandle&&) noexcept = default;
    AddressHandle& operator=(AddressHandle&&) noexcept;

    ibv_ah* raw() const noexcept { return ah_.get(); }

private:
    ProtectionDomain pd_;
    AhHandle ah_;
};

}  // namespace pktverbs::verbs
