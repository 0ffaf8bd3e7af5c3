// SPDX-License-Identifier: Apache-2.0
// The soft device: a verbs device in software, with raw packet queue pairs and flow steering.
#pragma once

#include <pktverbs/export.hpp>

namespace pktverbs::verbs {
struct Provider;
}

namespace pktverbs::soft {

/// Returns the control verbs of soft devices, which find_device() finds by their device strings (docs/devices.md).
PKTVERBS_EXPORT const verbs::Provider& provider() noexcept;

}  // namespace pktverbs::soft
