// SPDX-License-Identifier: Apache-2.0
// list_gids: lists the GIDs of a soft device's port as a RoCE NIC does.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <vector>

namespace pktverbs::soft {

/// The link-local address of the MAC address, then each address of the interface, with a pair of entries for each.
constexpr std::uint32_t gid_table_size = 32;

/// The current entries, from index 0 on, without a gap. Throws std::bad_alloc.
std::vector<ibv_gid_entry> list_gids(ibv_context* context);

}  // namespace pktverbs::soft
