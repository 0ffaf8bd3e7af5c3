// SPDX-License-Identifier: Apache-2.0
// Whether a test runs in the machine of scripts/softroce, with rxe0 and rxe1.
#pragma once

#include <cstdlib>

namespace pktverbs::testing {

inline bool in_machine() { return std::getenv("PKTVERBS_SOFTROCE") != nullptr; }

}  // namespace pktverbs::testing
