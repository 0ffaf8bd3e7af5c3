// SPDX-License-Identifier: Apache-2.0
// PacketMembership: what a packet socket asks an interface to receive besides its own and broadcast frames;
// PacketMemberships: all that a socket asks for.
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <vector>

#include <pktverbs/address/mac_address.hpp>

#include "soft/link/packet_socket.hpp"
#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft {

struct PacketMembership {
    unsigned short type;  ///< PACKET_MR_UNICAST, PACKET_MR_MULTICAST, PACKET_MR_ALLMULTI, PACKET_MR_PROMISC
    MacAddress address;   ///< of the first two

    friend constexpr auto operator<=>(const PacketMembership&, const PacketMembership&) noexcept = default;
};

/// What an interface with this address of its own needs so that it receives what the flow wants.
std::optional<PacketMembership> find_membership(const FlowMatch& flow, const MacAddress& own);
/// The same for all flows. Sorted, each once.
std::vector<PacketMembership> find_memberships(std::span<const FlowMatch* const> flows, const MacAddress& own);

/// Not thread-safe.
class PacketMemberships {
public:
    /// The socket need not be bound, and must live longer.
    PacketMemberships(const PacketSocket& socket, int interface_index) noexcept
        : socket_{socket}, interface_index_{interface_index} {}

    /// Adds what is new in `wanted`, as find_memberships() gives it. Returns 0, and then commit() or undo() follows, or
    /// an errno, and then nothing has changed. Throws std::bad_alloc.
    int add(std::vector<PacketMembership> wanted);
    /// Drops what is no longer wanted.
    void commit() noexcept;
    void undo() noexcept;

private:
    int set(int option, const PacketMembership& membership) const noexcept;

    const PacketSocket& socket_;
    const int interface_index_;
    std::vector<PacketMembership> held_;
    std::vector<PacketMembership> wanted_;
    std::vector<PacketMembership> added_;
};

}  // namespace pktverbs::soft
