// SPDX-License-Identifier: Apache-2.0
// Endpoint: what a peer must know of a queue pair to talk to it.
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

/// A value, to be sent to the peer by any means: a TCP connection, a file, the private data of a connection manager.
struct Endpoint {
    /// gid, queue pair, sequence number, qkey, lid and mtu, each in network order.
    static constexpr std::size_t wire_bytes = 32;

    Ipv6Address gid;
    std::uint32_t queue_pair = 0;  ///< 24 bits
    std::uint32_t psn = 0;         ///< the first packet's sequence number, 24 bits
    std::uint32_t qkey = 0;        ///< of a datagram queue pair
    std::uint16_t lid = 0;         ///< on InfiniBand
    ibv_mtu mtu = IBV_MTU_1024;    ///< of its port; the lower one of both ends is used

    PKTVERBS_EXPORT std::array<std::uint8_t, wire_bytes> to_bytes() const noexcept;
    /// nullopt for another number of bytes, or numbers out of range.
    PKTVERBS_EXPORT static std::optional<Endpoint> from_bytes(std::span<const std::uint8_t> bytes) noexcept;
    /// "queue pair 17 at ::ffff:10.0.0.1".
    PKTVERBS_EXPORT std::string to_string() const;

    friend bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
};

}  // namespace pktverbs::verbs
