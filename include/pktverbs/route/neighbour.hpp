// SPDX-License-Identifier: Apache-2.0
// Neighbour: what the kernel knows of the MAC address of an address on the link.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::route {

/// The kernel's words (linux/neighbour.h: NUD_).
enum class NeighbourState : std::uint8_t {
    none,
    incomplete,  ///< being asked for
    reachable,   ///< confirmed a short time ago
    stale,       ///< was right once, and is used until it turns out wrong
    delay,       ///< the same; used a moment ago
    probe,       ///< the same; being asked whether it is still right
    failed,      ///< was asked for, and nobody answered
    no_arp,      ///< needs no asking
    permanent,   ///< set by hand
};

struct Neighbour {
    NeighbourState state = NeighbourState::none;
    std::optional<MacAddress> mac{};

    /// The kernel would send to this MAC address.
    bool is_usable() const noexcept {
        return mac && state != NeighbourState::none && state != NeighbourState::incomplete &&
               state != NeighbourState::failed;
    }
};

/// What the kernel's table has of an address on an interface, in the network namespace of the calling thread; nullopt
/// if it is not in there. Asks nobody on the network: see resolve(). Needs Linux 5.0 (RTM_GETNEIGH for one address).
/// Any thread may call. Throws std::system_error: ENODEV for an unknown interface, and what the netlink socket fails
/// with.
PKTVERBS_EXPORT std::optional<Neighbour> neighbour(std::string_view interface, const Ipv4Address& address);
PKTVERBS_EXPORT std::optional<Neighbour> neighbour(std::string_view interface, const Ipv6Address& address);

}  // namespace pktverbs::route
