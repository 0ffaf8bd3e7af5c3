// SPDX-License-Identifier: Apache-2.0
#include "context/queue_setup.hpp"

#include <pktverbs/memory/placement.hpp>

namespace pktverbs {

Memory::Placement QueueSetup::placement() const {
    return {.pages = options.pages,
            .numa_node = options.local_numa_node ? static_cast<int>(numa_node(device).value_or(-1U)) : -1};
}

}  // namespace pktverbs
