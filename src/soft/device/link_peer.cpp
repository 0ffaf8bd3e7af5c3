// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/soft/link_peer.hpp>

#include "soft/nic/nic.hpp"

namespace pktverbs::soft {

std::optional<LinkPeer> link_peer(const ibv_context* context) {
    Nic* const nic = find_nic(context);
    return nic ? nic->link().innermost().peer() : std::nullopt;
}

}  // namespace pktverbs::soft
