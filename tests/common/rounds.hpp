// SPDX-License-Identifier: Apache-2.0
// rounds(): how often a test does what it repeats.
#pragma once

#include <cstdlib>

namespace pktverbs::testing {

/// `all`; under a sanitizer a tenth of that, unless PKTVERBS_TEST_LONG is set in the environment (scripts/test --long).
template <class Number>
Number rounds(Number all) {
#ifdef PKTVERBS_SANITIZED
    if (!std::getenv("PKTVERBS_TEST_LONG")) return static_cast<Number>(all / 10);
#endif
    return all;
}

}  // namespace pktverbs::testing
