// SPDX-License-Identifier: Apache-2.0
// Datagrams: the endpoints, peers and multicast groups of a context on datagram queue pairs.
#pragma once

#include <cstddef>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/datagram/peer.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/recv_pkt.hpp>
#include <pktverbs/verbs/endpoint.hpp>

namespace pktverbs {

/// Tells peers where to send datagrams, makes peers to send to, and joins multicast groups.
///
/// A Context with Transport::datagram owns it; see Context::datagrams(). Any thread may use it. Everything throws
/// std::system_error with the errno of the verb that failed, or EINVAL for a queue that there is not.
class PKTVERBS_EXPORT Datagrams {
public:
    Datagrams(const Datagrams&) = delete;
    Datagrams& operator=(const Datagrams&) = delete;

    /// Returns the address of a queue, which peers need to send datagrams to it.
    verbs::Endpoint endpoint(std::size_t queue = 0) const;
    /// Returns the peer behind an endpoint, for SendPkt::set_peer. The device looks up the route now, once for each
    /// GID, and keeps it in one address handle until the Context closes.
    Peer peer(const verbs::Endpoint& endpoint);
    /// Returns the sender of a datagram, as a peer to reply to. The sender must use this context's key. Fails with
    /// EOPNOTSUPP on an InfiniBand port, as groups do.
    Peer peer(const RecvPkt& packet);
    /// Returns a multicast group as a peer: datagrams go to all members.
    Peer peer(const Ipv4Address& group);
    Peer peer(const Ipv6Address& group);
    /// Receives datagrams sent to a group as well, until leave() or until the Context closes. Joins the group on the
    /// device's interface.
    void join(const Ipv4Address& group, std::size_t queue = 0);
    void join(const Ipv6Address& group, std::size_t queue = 0);
    /// Leaves a group. A group that was not joined is no error.
    void leave(const Ipv4Address& group, std::size_t queue = 0);
    void leave(const Ipv6Address& group, std::size_t queue = 0);

protected:
    // What is behind it is the library's own, derived from it.
    Datagrams() noexcept = default;
    ~Datagrams() = default;
};

}  // namespace pktverbs
