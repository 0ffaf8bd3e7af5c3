// SPDX-License-Identifier: Apache-2.0
// first_packet: when the first frame had gone its way, in nanoseconds of CLOCK_MONOTONIC.
#include <fmt/core.h>

#include <chrono>
#include <exception>

#include "path.hpp"

int main(int argc, char** argv) try {
    if (argc != 2) {
        fmt::print(stderr, "usage: first_packet PATH\n");
        return 2;
    }
    const auto path = bench::NamedPath{argv[1]}.make();
    path->turn();
    path->check();
    fmt::print("{}\n", std::chrono::nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count());
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "first_packet: {}\n", error.what());
    return 1;
}
