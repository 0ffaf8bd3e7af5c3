// SPDX-License-Identifier: Apache-2.0
// faulty_verbs: the soft device's verbs, failing as a plan says.
#pragma once

#include <infiniband/verbs.h>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "dropin/fault_plan.hpp"

namespace pktverbs::dropin {

/// Makes it this process's plan, and counts calls from 1 again. Don't call it while another thread calls verbs.
/// Contexts that already have faults follow the new plan in the verbs that the old one named.
void set_faults(FaultPlan plan, const verbs::Provider& provider = soft::provider());

/// Returns the given provider with the verbs that the plan names replaced: these may fail before they have done
/// anything, each as its man page says.
const verbs::Provider& faulty_provider() noexcept;

/// The same for the verbs that infiniband/verbs.h reaches through an opened soft device: posting and polling, and those
/// of verbs_context. Null pointers, and verbs that the plan does not name, are unchanged. Any thread; before the
/// context is used.
void add_faults(ibv_context& context);

}  // namespace pktverbs::dropin
