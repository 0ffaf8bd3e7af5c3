// SPDX-License-Identifier: Apache-2.0
// Shortage: what is short while a scenario runs, and what has to hold then.
#pragma once

#include <cstdint>
#include <string>

#include "scenario.hpp"

namespace pktverbs::testing {

struct Shortage {
    enum class Kind : std::uint8_t {
        one_allocation,      ///< the nth fails
        allocations,         ///< the nth, and all after it
        chance_allocations,  ///< one in n, drawn from `seed`
        descriptors,         ///< n can still be opened, no more
    };
    Kind kind = Kind::one_allocation;
    std::uint64_t n = 1;
    std::uint64_t seed = 0;

    /// "allocation 17 failing, and all after it".
    std::string to_string() const;
};

/// What came of one run.
struct RunResult {
    std::string fault;        ///< what did not hold: empty if all did
    bool was_short = false;   ///< something was asked for that was not to be had
    bool has_thrown = false;  ///< the run ended with an error that says so
};

/// Runs a scenario once: it ends well, or with std::bad_alloc, or with std::system_error that has the errno of the
/// shortage, and words. Afterwards as much is allocated and open as before. What ends the process, ends it: the name of
/// the scenario and the shortage are printed then.
RunResult run_short(const Scenario& scenario, const Shortage& shortage);

/// Run once with nothing short: what is made once and kept is made then.
void warm_up(const Scenario& scenario);

/// To be called first: prints what was running when the process is about to end.
void tell_of_the_end();

}  // namespace pktverbs::testing
