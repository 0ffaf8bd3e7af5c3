// SPDX-License-Identifier: Apache-2.0
// LinkPeer: what is known about the program at the other end of a soft device's link.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <pktverbs/export.hpp>

struct ibv_context;

namespace pktverbs::soft {

/// Describes the other end of a `memif:` or `pipe:` device, for messages to people: its texts are the peer's own words.
///
/// While `connected` is false, the rest is what was known at the end of the last connection.
struct LinkPeer {
    bool connected = false;        ///< now
    bool is_client = false;        ///< the peer is: this end is the server
    std::uint32_t id = 0;          ///< of the interface, which both ends have
    std::string program;           ///< "DPDK 22.11.11"; what is not printable ASCII comes as '?'
    std::string interface;         ///< what the peer calls its end: "net_memif0"
    std::uint32_t send_rings = 0;  ///< towards the peer
    std::uint32_t recv_rings = 0;  ///< from the peer
    std::uint32_t ring_slots = 0;  ///< of each ring; a frame takes one or more
    /// Why the last connection ended, or could not be made, by either end: "wrong secret for id 0". Empty if none has.
    std::string last_end;
};

/// Returns the peer of a context, Context::raw(), as it is now. nullopt for a device that is not a soft one, or whose
/// link has no peer of its own. Any thread. Throws std::bad_alloc.
PKTVERBS_EXPORT std::optional<LinkPeer> link_peer(const ibv_context* context);

}  // namespace pktverbs::soft
