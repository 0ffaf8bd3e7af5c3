// SPDX-License-Identifier: Apache-2.0
// The long form: random scenarios with random shortages, for as long as wanted.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "scenario.hpp"
#include "shortage.hpp"

namespace pktverbs::testing {

namespace {

constexpr int exit_skipped = 77;
constexpr const char* usage =
    "%s [--seconds N [--seed N]]: without, the tests, as gtest has it; with, runs scenarios with random shortages\n";

Shortage any_shortage(std::mt19937_64& random) {
    const auto below = [&](std::uint64_t end) { return random() % end; };
    switch (below(4)) {
        case 0:
            return {.kind = Shortage::Kind::one_allocation, .n = 1 + below(2000)};
        case 1:
            return {.kind = Shortage::Kind::allocations, .n = 1 + below(2000)};
        case 2:
            return {.kind = Shortage::Kind::descriptors, .n = below(60)};
        default:
            return {.kind = Shortage::Kind::chance_allocations, .n = 2 + below(200), .seed = random()};
    }
}

int run_at_random(double seconds, std::uint64_t seed) {
    if (const std::string why = unavailable(); !why.empty()) {
        fmt::print("NOT TESTED: {}\n", why);
        return exit_skipped;
    }
    std::vector<Scenario> scenarios = all_scenarios();
    for (Scenario& longer : long_scenarios()) scenarios.push_back(std::move(longer));
    std::mt19937_64 random{seed};
    fmt::print("{} scenarios, seed {}\n", scenarios.size(), seed);
    for (const Scenario& scenario : scenarios) warm_up(scenario);
    std::uint64_t runs = 0, shortages = 0, errors = 0, faults = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>{seconds};
    while (std::chrono::steady_clock::now() < end) {
        const Scenario& scenario = scenarios[random() % scenarios.size()];
        const RunResult result = run_short(scenario, any_shortage(random));
        ++runs;
        shortages += result.was_short ? 1U : 0U;
        errors += result.has_thrown ? 1U : 0U;
        if (result.fault.empty()) continue;
        ++faults;
        fmt::print("{}\n", result.fault);
    }
    fmt::print("{} runs, {} with a shortage, {} of which ended with an error; {} faults\n", runs, shortages, errors,
               faults);
    return faults == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

}  // namespace pktverbs::testing

int main(int argc, char** argv) {
    using namespace pktverbs::testing;
    tell_of_the_end();
    testing::InitGoogleTest(&argc, argv);
    double seconds = 0;
    std::uint64_t seed = 20261128;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--seconds" && i + 1 < argc) {
            seconds = std::atof(argv[++i]);
        } else if (option == "--seed" && i + 1 < argc) {
            seed = std::strtoull(argv[++i], nullptr, 10);
        } else {
            std::fprintf(stderr, usage, argv[0]);
            return 2;
        }
    }
    return seconds > 0 ? run_at_random(seconds, seed) : RUN_ALL_TESTS();
}
