// SPDX-License-Identifier: Apache-2.0
// AddressHandle: the way to a port, for datagrams.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/endpoint.hpp>
#include <pktverbs/verbs/handle.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

namespace pktverbs::verbs {

/// From the entry of the local GID table to `gid`, on `port`; `lid` only on InfiniBand. The other fields as the man
/// page has them.
struct AddressOptions {
    Ipv6Address gid;
    std::uint32_t gid_index = 0;
    std::uint8_t port = 1;
    std::uint16_t lid = 0;
    std::uint8_t hop_limit = 64;
    std::uint8_t traffic_class = 0;
    std::uint8_t service_level = 0;

    /// As a queue pair attribute, too. Throws EINVAL for a GID index above 255, for which verbs has no room.
    PKTVERBS_EXPORT ibv_ah_attr to_attr() const;
};

/// Move-only; must outlive the datagrams that go through it. Keeps its protection domain alive.
class PKTVERBS_EXPORT AddressHandle {
public:
    /// On RoCE the driver finds the peer's MAC address now, through the kernel's neighbour table. Throws
    /// std::system_error: EINVAL or ETIMEDOUT if there is no way there.
    AddressHandle(ProtectionDomain pd, const AddressOptions& options);
    /// From the port's GID of that kind: OpenDevice::gid_towards.
    AddressHandle(const ProtectionDomain& pd, const Endpoint& peer);
    AddressHandle(AddressHandle&&) noexcept = default;
    AddressHandle& operator=(AddressHandle&&) noexcept;

    ibv_ah* raw() const noexcept { return ah_.get(); }

private:
    ProtectionDomain pd_;
    AhHandle ah_;
};

}  // namespace pktverbs::verbs
