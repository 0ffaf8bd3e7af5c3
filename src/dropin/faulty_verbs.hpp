// SPDX-License-Identifier: Apache-2.0
// faulty_verbs: the soft device's verbs, failing as a plan has it.
#pragma once

#include <infiniband/verbs.h>

#include <pktverbs/soft/device.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "dropin/fault_plan.hpp"

namespace pktverbs::dropin {

/// Makes it this process's plan, and counts calls from 1 again. Not while another thread calls verbs. Contexts
/// that have faults already obey the new plan in the verbs that the old one named.
void set_faults(FaultPlan plan, const verbs::Provider& provider = soft::provider());

/// The provider that was given, as it is but for the verbs that the plan names: these may fail, each in the way
/// of its man page, before they have done anything.
const verbs::Provider& faulty_provider() noexcept;

/// The same for the verbs that infiniband/verbs.h reaches through an opened soft device: posting and polling, and those
/// of verbs_context. What is null stays null, and what the plan does not name stays as it is. Any thread; before the
/// context is used.
void add_faults(ibv_context& context);

}  // namespace pktverbs::dropin
