// SPDX-License-Identifier: Apache-2.0
// Neighbour: an entry of the kernel's table of MAC addresses on the link.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::route {

/// The state of a neighbour, in the kernel's words (linux/neighbour.h: NUD_).
enum class NeighbourState : std::uint8_t {
    none,        ///< no state
    incomplete,  ///< being resolved for the first time
    reachable,   ///< confirmed a short time ago
    stale,       ///< was right once, and is used until proved wrong
    delay,       ///< stale, and used a moment ago
    probe,       ///< stale, and being verified
    failed,      ///< did not answer
    no_arp,      ///< needs no resolution
    permanent,   ///< set by hand
};

/// What the kernel knows about a neighbour's MAC address.
struct Neighbour {
    NeighbourState state = NeighbourState::none;  ///< how sure the kernel is
    std::optional<MacAddress> mac{};              ///< nullopt if it is not known

    /// Whether the kernel would send to this MAC address.
    bool is_usable() const noexcept {
        return mac && state != NeighbourState::none && state != NeighbourState::incomplete &&
               state != NeighbourState::failed;
    }
};

/// Looks up an address in the kernel's neighbour table of an interface, in the calling thread's network namespace.
/// Returns nullopt if it is not there. Sends nothing; for that see resolve(). Needs Linux 5.0 (RTM_GETNEIGH for one
/// address). Any thread may call it. Throws std::system_error: ENODEV for an unknown interface, or the error of the
/// netlink socket.
PKTVERBS_EXPORT std::optional<Neighbour> neighbour(std::string_view interface, const Ipv4Address& address);
PKTVERBS_EXPORT std::optional<Neighbour> neighbour(std::string_view interface, const Ipv6Address& address);

}  // namespace pktverbs::route
