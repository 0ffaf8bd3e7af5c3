// SPDX-License-Identifier: Apache-2.0
// The settings in this process's environment: its soft devices, and their faults. A program with other privileges than
// its caller's has neither.
#pragma once

#include <infiniband/verbs.h>

#include <pktverbs/verbs/provider.hpp>

#include "dropin/devices.hpp"

namespace pktverbs::dropin {

/// The devices in PKTVERBS_DEVICES, read at the first call. Errors are reported on stderr.
const Devices& devices();

/// The soft devices' control verbs, with the faults in PKTVERBS_FAULTS. If that is malformed, it is reported on stderr,
/// and no soft device can be opened (EINVAL): a test that expects faults must not succeed because there are none.
const verbs::Provider& control();

/// Waits until the port of a soft device that was just opened is active, if that takes another program: as long as
/// PKTVERBS_WAIT says, in seconds. Without it, or for other devices, returns at once.
void wait_for_peer(ibv_context& context);

inline bool is_soft(const ibv_context* context) noexcept { return devices().owns(context->device); }

}  // namespace pktverbs::dropin
