// SPDX-License-Identifier: Apache-2.0
// Placement: which processors are near a device, and keeping a thread on one.
#pragma once

#include <optional>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

/// The NUMA node that the device's interface is on; nullopt if it is on none, as virtual ones are.
PKTVERBS_EXPORT std::optional<unsigned> numa_node(const Device& device);

/// Processors that the calling thread may run on, those of the device's NUMA node if it has one and they are allowed;
/// in ascending order, never empty. Throws std::system_error.
PKTVERBS_EXPORT std::vector<unsigned> local_cpus(const Device& device);

/// Keeps the calling thread on one processor from now on. Throws std::system_error: EINVAL if there is no such
/// processor or the thread may not run there (sched_setaffinity(2)).
PKTVERBS_EXPORT void pin_this_thread(unsigned cpu);

}  // namespace pktverbs
