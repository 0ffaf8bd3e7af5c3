// SPDX-License-Identifier: Apache-2.0
// rounds(), short_or_long(): how often a test repeats something.
#pragma once

#include <cstdlib>

namespace pktverbs::testing {

/// The second in the long form (scripts/test --long), where PKTVERBS_TEST_LONG is set in the environment.
template <class Number>
Number short_or_long(Number in_short_form, Number in_long_form) {
    return std::getenv("PKTVERBS_TEST_LONG") ? in_long_form : in_short_form;
}

/// `all`; under a sanitizer a tenth of that, except in the long form.
template <class Number>
Number rounds(Number all) {
#ifdef PKTVERBS_SANITIZED
    return short_or_long(static_cast<Number>(all / 10), all);
#else
    return all;
#endif
}

}  // namespace pktverbs::testing
