// SPDX-License-Identifier: Apache-2.0
// Gid: a port's 128-bit address, written like an IPv6 address, and its place in the port's table.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Between verbs' union and an address; both are 16 bytes in network order.
PKTVERBS_EXPORT Ipv6Address to_address(const ibv_gid& gid) noexcept;
PKTVERBS_EXPORT ibv_gid to_gid(const Ipv6Address& address) noexcept;
/// ::ffff:a.b.c.d, which is how RoCE v2 writes an IPv4 address (InfiniBand Annex A17, A17.4.5.1).
PKTVERBS_EXPORT Ipv6Address to_mapped(const Ipv4Address& address) noexcept;
/// The IPv4 address inside such a one; nullopt for others.
PKTVERBS_EXPORT std::optional<Ipv4Address> from_mapped(const Ipv6Address& address) noexcept;

/// Where a datagram came from, by the 40 bytes before it. On RoCE v2 with IPv4 these end with the IPv4 header
/// (InfiniBand Annex A17, A17.4.5.2).
PKTVERBS_EXPORT Ipv6Address source_of(const ibv_grh& grh) noexcept;

enum class GidType : std::uint8_t { infiniband, roce_v1, roce_v2 };

struct GidEntry {
    std::uint32_t index = 0;
    Ipv6Address gid{};
    GidType type = GidType::infiniband;
    std::uint32_t interface_index = 0;  ///< of the netdev that the address is on; 0 if there is none

    /// "3: ::ffff:10.0.0.1, RoCE v2".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs::verbs
