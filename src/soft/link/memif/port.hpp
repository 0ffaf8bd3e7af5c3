// SPDX-License-Identifier: Apache-2.0
// make_port(): a port over memif, for the kinds of links that are made of it.
#pragma once

#include "soft/link/link_kind.hpp"
#include "soft/link/link_string.hpp"
#include "soft/link/memif/settings.hpp"

namespace pktverbs::soft::memif {

/// Reads the keys queues, size, ring, mac, mtu and ip. Throws as LinkString::refuse().
void read_memory_and_port(const LinkString& string, Settings& settings);
LinkPort make_port(const Settings& settings);

}  // namespace pktverbs::soft::memif
