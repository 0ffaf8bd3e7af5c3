// SPDX-License-Identifier: Apache-2.0
// cache_line: how long a cache line takes from one processor to another and back, in nanoseconds.
#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include <pktverbs/memory/placement.hpp>

#include "measure.hpp"

namespace {

struct alignas(128) Line {
    std::atomic<std::uint64_t> value{0};
};

/// The median of several measurements of many round trips each.
double round_trip_ns(unsigned here, unsigned there) {
    constexpr std::uint64_t trips = 5000;
    constexpr std::uint64_t measurements = 11;
    Line to, back;
    std::jthread other{[&] {
        pktverbs::pin_this_thread(there);
        for (std::uint64_t i = 1; i <= trips * measurements; ++i) {
            while (to.value.load(std::memory_order_acquire) != i) {
            }
            back.value.store(i, std::memory_order_release);
        }
    }};
    pktverbs::pin_this_thread(here);
    std::vector<double> ns;
    std::uint64_t number = 0;
    for (std::uint64_t i = 0; i < measurements; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::uint64_t trip = 0; trip < trips; ++trip) {
            to.value.store(++number, std::memory_order_release);
            while (back.value.load(std::memory_order_acquire) != number) {
            }
        }
        ns.push_back(std::chrono::duration<double, std::nano>{std::chrono::steady_clock::now() - begin}.count() /
                     static_cast<double>(trips));
    }
    return measure::median(ns);
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3) {
        fmt::print(stderr, "usage: cache_line PROCESSOR PROCESSOR\n");
        return 2;
    }
    fmt::print("{:.1f}\n",
               round_trip_ns(static_cast<unsigned>(std::stoul(argv[1])), static_cast<unsigned>(std::stoul(argv[2]))));
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "cache_line: {}\n", error.what());
    return 1;
}
