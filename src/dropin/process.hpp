// SPDX-License-Identifier: Apache-2.0
// What the environment of this process says: its soft devices, and the faults that they are to have. A program with
// other privileges than its caller's has neither.
#pragma once

#include <infiniband/verbs.h>

#include <pktverbs/verbs/provider.hpp>

#include "dropin/devices.hpp"

namespace pktverbs::dropin {

/// Those of PKTVERBS_DEVICES, read at the first call. Complaints go to stderr.
const Devices& devices();

/// The control verbs of the soft devices, as PKTVERBS_FAULTS wants them. If that can't be read, it is told on stderr,
/// and no soft device can be opened (EINVAL): whoever looks for faults must not take their absence for a success.
const verbs::Provider& control();

inline bool is_soft(const ibv_context* context) noexcept { return devices().owns(context->device); }

}  // namespace pktverbs::dropin
