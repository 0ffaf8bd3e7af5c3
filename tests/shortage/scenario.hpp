// SPDX-License-Identifier: Apache-2.0
// Scenario: a part of a program, run under a shortage.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace pktverbs::testing {

/// One run of a scenario. It is constructed without a shortage, and runs and ends under one: so the constructor makes
/// what run() needs but does not test.
class Play {
public:
    Play() = default;
    Play(const Play&) = delete;
    Play& operator=(const Play&) = delete;
    virtual ~Play() = default;
    /// May throw std::bad_alloc, or std::system_error with the shortage's errno. Throws Wrong if a condition fails that
    /// must hold under any shortage.
    virtual void run() = 0;
};

/// Thrown by require(); does not use operator new.
struct Wrong {
    const char* what;
    int line;
};
#define PKTVERBS_REQUIRE(condition)                                               \
    do {                                                                          \
        if (!(condition)) throw ::pktverbs::testing::Wrong{#condition, __LINE__}; \
    } while (false)

struct Scenario {
    std::string name;
    std::function<std::unique_ptr<Play>()> make;

    friend std::ostream& operator<<(std::ostream& stream, const Scenario& scenario) { return stream << scenario.name; }
};

template <class Which, class... Args>
Scenario scenario(std::string name, Args... args) {
    return {std::move(name), [args...] { return std::unique_ptr<Play>{std::make_unique<Which>(args...)}; }};
}

// Each program has its own scenarios.

std::vector<Scenario> all_scenarios();
/// Scenarios that are too long for each build.
std::vector<Scenario> long_scenarios();
/// Why they can't run here; empty if they can.
std::string unavailable();
/// Every how-manieth allocation of a program's scenarios fails in turn.
std::uint64_t allocation_step();

}  // namespace pktverbs::testing
