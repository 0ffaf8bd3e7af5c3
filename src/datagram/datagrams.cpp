// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/datagram/datagrams.hpp>

#include <pktverbs/verbs/gid.hpp>

#include "datagram/datagram_state.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t multicast_queue_pair = 0xffffff;  ///< the number that multicast datagrams are sent to

}  // namespace

verbs::Endpoint Datagrams::endpoint(std::size_t queue) const { return DatagramState::of(*this).endpoint_of(queue); }

Peer Datagrams::peer(const verbs::Endpoint& endpoint) {
    return {DatagramState::of(*this).address_handle(endpoint.gid, endpoint.lid), endpoint.queue_pair, endpoint.qkey};
}

Peer Datagrams::peer(const RecvPkt& packet) {
    DatagramState& state = DatagramState::of(*this);
    state.need_ethernet();
    const ibv_grh* const grh = packet.grh();
    if (!grh || !packet.ok()) state.refuse_reply();
    return {state.address_handle(verbs::source_of(*grh)), packet.source_queue_pair(), state.qkey()};
}

Peer Datagrams::peer(const Ipv4Address& group) { return peer(verbs::to_mapped(group)); }

Peer Datagrams::peer(const Ipv6Address& group) {
    DatagramState& state = DatagramState::of(*this);
    state.need_ethernet();
    return {state.address_handle(group), multicast_queue_pair, state.qkey()};
}

void Datagrams::join(const Ipv4Address& group, std::size_t queue) { join(verbs::to_mapped(group), queue); }
void Datagrams::join(const Ipv6Address& group, std::size_t queue) { DatagramState::of(*this).join_group(group, queue); }
void Datagrams::leave(const Ipv4Address& group, std::size_t queue) { leave(verbs::to_mapped(group), queue); }
void Datagrams::leave(const Ipv6Address& group, std::size_t queue) {
    DatagramState::of(*this).leave_group(group, queue);
}

}  // namespace pktverbs
