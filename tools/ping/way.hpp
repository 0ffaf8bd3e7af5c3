// SPDX-License-Identifier: Apache-2.0
// Way: where packets to a peer come from, and who takes them on.
#pragma once

#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/verbs/device.hpp>
#include "base/ip_address.hpp"

namespace tool {

struct Way {
    IpAddress source;
    IpAddress next_hop;  ///< the peer itself, or the gateway to it
};

/// The kernel's way, where the device is an interface of it and the component pktverbs::route was built; else from an
/// address on the peer's subnet, straight to the peer. `source` is kept if it is given. Throws BadUse if no source is
/// known.
Way find_way(const pktverbs::Device& device, pktverbs::MacAddress mac, const IpAddress& peer,
             const std::optional<IpAddress>& source);

}  // namespace tool
