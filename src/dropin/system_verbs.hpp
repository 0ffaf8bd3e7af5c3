// SPDX-License-Identifier: Apache-2.0
// The system's libibverbs, for the devices that are not ours.
#pragma once

#include "dropin/exported.hpp"

namespace pktverbs::dropin {

const SystemLibrary& system_verbs() noexcept;

}  // namespace pktverbs::dropin

#define PKTVERBS_SYSTEM_VERB(name, version) PKTVERBS_SYSTEM(pktverbs::dropin::system_verbs(), name, version)
