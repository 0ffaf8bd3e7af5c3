// SPDX-License-Identifier: Apache-2.0
// Placement: finds the processors near a device, and keeps a thread on one.
#pragma once

#include <optional>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/verbs/device.hpp>

namespace pktverbs {

/// Returns the NUMA node of the device's interface; nullopt if it has none, like a virtual interface.
PKTVERBS_EXPORT std::optional<unsigned> numa_node(const Device& device);

/// Returns the processors that the calling thread may run on, in ascending order and never empty: those of the device's
/// NUMA node if it has one and they are allowed, else all. Throws std::system_error.
PKTVERBS_EXPORT std::vector<unsigned> local_cpus(const Device& device);

/// Keeps the calling thread on one processor from now on. Throws std::system_error: EINVAL if there is no such
/// processor or the thread may not run there (sched_setaffinity(2)).
PKTVERBS_EXPORT void pin_this_thread(unsigned cpu);

}  // namespace pktverbs
