// SPDX-License-Identifier: Apache-2.0
// PacketMembership: what a packet socket asks an interface to receive besides its own and broadcast frames.
#pragma once

#include <compare>
#include <span>
#include <vector>

#include <pktverbs/address/mac_address.hpp>

#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft {

struct PacketMembership {
    unsigned short type;  ///< PACKET_MR_UNICAST, PACKET_MR_MULTICAST, PACKET_MR_ALLMULTI, PACKET_MR_PROMISC
    MacAddress address;   ///< of the first two

    friend constexpr auto operator<=>(const PacketMembership&, const PacketMembership&) noexcept = default;
};

/// What an interface with this address of its own needs so that it receives all that the flows match. Sorted,
/// each once.
std::vector<PacketMembership> find_memberships(std::span<const FlowMatch* const> flows, const MacAddress& own);

}  // namespace pktverbs::soft
