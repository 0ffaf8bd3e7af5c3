// SPDX-License-Identifier: Apache-2.0
// rules: how many rules a device installs and removes in a second, with as many in force.
#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include <pktverbs/pktverbs.hpp>

#include "measure.hpp"
#include "path.hpp"

namespace pv = pktverbs;

int main(int argc, char** argv) try {
    if (argc != 4) {
        fmt::print(stderr,
                   "usage: rules DEVICE SECONDS PATH, as in \"rules wire:a 1 wire,rules=1000,steering=mixed\"\n");
        return 2;
    }
    pv::Context ctx{argv[1], {.send_packets = pv::none, .recv_packets = 64}};
    const auto rules = bench::Stream{bench::NamedPath{argv[3]}.options().shape}.rules();
    std::vector<pv::Flow> flows;
    for (const auto& rule : rules) flows.push_back(ctx.install(rule));
    // Each goes and comes again, the oldest first, while all others are in force.
    std::uint64_t turns = 0;
    const measure::Stopwatch watch;
    for (; watch.seconds() < std::stod(argv[2]); ++turns) {
        const std::size_t index = turns % rules.size();
        flows[index].remove();
        flows[index] = ctx.install(rules[index]);
    }
    fmt::print("{{\"rules\": {}, \"per_second\": {:.0f}, \"cpu_share\": {:.3f}}}\n", rules.size(),
               static_cast<double>(turns) / watch.seconds(), watch.cpu_share());
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "rules: {}\n", error.what());
    return 1;
}
