// SPDX-License-Identifier: Apache-2.0
// The code in docs/counters.md: see api_snippets.cpp.
#include <gtest/gtest.h>

#include <chrono>

#include <pktverbs/counters/histogram.hpp>
#include <pktverbs/pktverbs.hpp>

namespace counters_snippets {
namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

TEST(CountersSnippets, Histogram) {
    Histogram of_another_thread;
    of_another_thread.record(2'000'000);
    const std::chrono::nanoseconds latency = 1ms;
    // [histogram]
    Histogram latencies;
    latencies.record(static_cast<std::uint64_t>(latency.count()));
    latencies.merge(of_another_thread);
    const std::uint64_t p99 = latencies.percentile(99);
    // [/histogram]
    EXPECT_EQ(p99, 2'000'000u);
}

}  // namespace
}  // namespace counters_snippets
