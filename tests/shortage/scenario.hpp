// SPDX-License-Identifier: Apache-2.0
// Scenario: a part of a program, to be run while something is short.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace pktverbs::testing {

/// One run of a scenario. It is made with nothing short, and runs and ends while something is: so what run() needs and
/// is not about is made by the constructor.
class Play {
public:
    Play() = default;
    Play(const Play&) = delete;
    Play& operator=(const Play&) = delete;
    virtual ~Play() = default;
    /// May throw std::bad_alloc, or std::system_error with the errno of what is short. Wrong for what must hold
    /// whatever is short.
    virtual void run() = 0;
};

/// Thrown by require(); takes no memory of operator new's.
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

// Each program has its own.

std::vector<Scenario> all_scenarios();
/// And those that are too long for each build.
std::vector<Scenario> long_scenarios();
/// Why they can't be played here; empty if they can.
std::string unavailable();

}  // namespace pktverbs::testing
