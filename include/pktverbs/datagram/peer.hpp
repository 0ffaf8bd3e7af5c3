// SPDX-License-Identifier: Apache-2.0
// Peer: where datagrams go.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>

#include <pktverbs/send_pkt.hpp>

namespace pktverbs {

/// A value, made by Context::peer(); good until its Context closes.
class Peer {
public:
    std::uint32_t queue_pair() const noexcept { return queue_pair_; }
    std::uint32_t qkey() const noexcept { return qkey_; }
    /// Owned by the Context.
    ibv_ah* raw() const noexcept { return address_; }

private:
    friend class Context;
    Peer(ibv_ah* address, std::uint32_t queue_pair, std::uint32_t qkey) noexcept
        : address_{address}, queue_pair_{queue_pair}, qkey_{qkey} {}

    ibv_ah* address_;
    std::uint32_t queue_pair_;
    std::uint32_t qkey_;
};

inline void SendPkt::set_peer(const Peer& peer) noexcept {
    wr_.wr.ud = {peer.raw(), peer.queue_pair(), peer.qkey()};
}

}  // namespace pktverbs
