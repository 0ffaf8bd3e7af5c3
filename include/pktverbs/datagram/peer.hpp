// SPDX-License-Identifier: Apache-2.0
// Peer: a destination of datagrams, ready to send to.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include <pktverbs/send_pkt.hpp>

namespace pktverbs {

/// A destination of datagrams: the way to a queue pair or a multicast group.
///
/// A value, made by Datagrams::peer() and passed to SendPkt::set_peer(). Valid until its Context closes.
class Peer {
public:
    /// Returns the number of the queue pair to send to.
    std::uint32_t queue_pair() const noexcept { return queue_pair_; }
    /// Returns the key that datagrams to it carry.
    std::uint32_t qkey() const noexcept { return qkey_; }
    /// Returns the address handle, which the Context owns.
    ibv_ah* raw() const noexcept { return address_; }

private:
    friend class Datagrams;
    Peer(ibv_ah* address, std::uint32_t queue_pair, std::uint32_t qkey) noexcept
        : address_{address}, queue_pair_{queue_pair}, qkey_{qkey} {}

    ibv_ah* address_;
    std::uint32_t queue_pair_;
    std::uint32_t qkey_;
};

inline void SendPkt::set_peer(const Peer& peer) noexcept { wr_.wr.ud = {peer.raw(), peer.queue_pair(), peer.qkey()}; }

}  // namespace pktverbs
