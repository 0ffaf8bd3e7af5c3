// SPDX-License-Identifier: Apache-2.0
// flow_has: whether a frame is a flow's, by its headers.
#pragma once

#include <pktverbs/net/headers.hpp>
#include "base/flow.hpp"

namespace tool {

/// By protocol, addresses, ports, VLAN and EtherType: what tells the frames of several flows apart that a device has
/// let through. A fragment has no ports, so it belongs to no flow that names one.
bool flow_has(const Flow& flow, const pktverbs::net::Headers<const std::uint8_t>& headers) noexcept;

}  // namespace tool
