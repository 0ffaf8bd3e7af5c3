// SPDX-License-Identifier: Apache-2.0
// Shortage: what is short while a scenario runs, and what must hold then.
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
        descriptors,         ///< only n more can be opened
    };
    Kind kind = Kind::one_allocation;
    std::uint64_t n = 1;
    std::uint64_t seed = 0;

    /// "allocation 17 failing, and all after it".
    std::string to_string() const;
};

/// The result of one run.
struct RunResult {
    std::string fault;        ///< the condition that failed; empty if all held
    bool was_short = false;   ///< a request could not be met
    bool has_thrown = false;  ///< the run ended with an error that reports it
};

/// Runs a scenario once: it succeeds, or throws std::bad_alloc, or a std::system_error with the shortage's errno and a
/// message. Afterwards as much is allocated and open as before. If the process ends, the names of the scenario and the
/// shortage are printed.
RunResult run_short(const Scenario& scenario, const Shortage& shortage);

/// Runs it once without a shortage, so that objects made once and kept exist.
void warm_up(const Scenario& scenario);

/// Call it first: prints the running scenario when the process is about to end.
void tell_of_the_end();

}  // namespace pktverbs::testing
