// SPDX-License-Identifier: Apache-2.0
// Gid: a port's 128-bit address, written like an IPv6 address, and its entry in the port's table.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Converts verbs' union to an address; both are 16 bytes in network order.
PKTVERBS_EXPORT Ipv6Address to_address(const ibv_gid& gid) noexcept;
/// Converts an address to verbs' union.
PKTVERBS_EXPORT ibv_gid to_gid(const Ipv6Address& address) noexcept;
/// Returns the IPv4-mapped address with which RoCE v2 stands for an IPv4 address (InfiniBand Annex A17, A17.4.5.1).
PKTVERBS_EXPORT Ipv6Address to_mapped(const Ipv4Address& address) noexcept;
/// Returns the IPv4 address in an IPv4-mapped one; nullopt for others.
PKTVERBS_EXPORT std::optional<Ipv4Address> from_mapped(const Ipv6Address& address) noexcept;

/// Returns the source of a datagram from the 40 bytes before it. On RoCE v2 with IPv4 these end with the IPv4 header
/// (InfiniBand Annex A17, A17.4.5.2).
PKTVERBS_EXPORT Ipv6Address source_of(const ibv_grh& grh) noexcept;

/// The protocol that a GID is used with.
enum class GidType : std::uint8_t { infiniband, roce_v1, roce_v2 };

/// An entry of a port's GID table.
struct GidEntry {
    std::uint32_t index = 0;             ///< its place in the table
    Ipv6Address gid{};                   ///< the address
    GidType type = GidType::infiniband;  ///< the protocol it is used with
    std::uint32_t interface_index = 0;   ///< of the netdev that has the address; 0 if there is none

    /// Returns "3: ::ffff:10.0.0.1, RoCE v2".
    PKTVERBS_EXPORT std::string to_string() const;
};

}  // namespace pktverbs::verbs
