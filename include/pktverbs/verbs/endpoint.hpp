// SPDX-License-Identifier: Apache-2.0
// Endpoint: the address of a queue pair, for its peer.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::verbs {

/// Tells a peer how to reach a queue pair.
///
/// A value; send it to the peer by any means: a TCP connection, a file, the private data of a connection manager.
struct Endpoint {
    /// The length of to_bytes(): gid, queue pair, sequence number, qkey, lid and mtu, each in network order.
    static constexpr std::size_t wire_bytes = 32;

    Ipv6Address gid;               ///< the GID of its port
    std::uint32_t queue_pair = 0;  ///< 24 bits
    std::uint32_t psn = 0;         ///< the first packet's sequence number, 24 bits
    std::uint32_t qkey = 0;        ///< of a datagram queue pair
    std::uint16_t lid = 0;         ///< on InfiniBand
    ibv_mtu mtu = IBV_MTU_1024;    ///< of its port; the lower one of both ends is used

    /// Returns it as bytes, to send to a peer.
    PKTVERBS_EXPORT std::array<std::uint8_t, wire_bytes> to_bytes() const noexcept;
    /// Parses to_bytes(). Returns nullopt for another length, or for numbers out of range.
    PKTVERBS_EXPORT static std::optional<Endpoint> from_bytes(std::span<const std::uint8_t> bytes) noexcept;
    /// Returns "queue pair 17 at ::ffff:10.0.0.1".
    PKTVERBS_EXPORT std::string to_string() const;

    friend bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
};

}  // namespace pktverbs::verbs
