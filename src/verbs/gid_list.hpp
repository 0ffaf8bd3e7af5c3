// SPDX-License-Identifier: Apache-2.0
// list_gids: reads a port's GID table by one call. Tables have up to a thousand entries, of which a few are in use.
#pragma once

#include <cstdint>
#include <vector>

#include <pktverbs/verbs/provider.hpp>

namespace pktverbs::verbs {

/// Puts the port's entries that are in use into `entries`, in the table's order. The result is an errno, or 0. Throws
/// std::bad_alloc.
int list_gids(const Provider& provider, ibv_context* context, std::uint8_t port, std::vector<ibv_gid_entry>& entries);

}  // namespace pktverbs::verbs
