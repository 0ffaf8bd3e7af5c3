// SPDX-License-Identifier: Apache-2.0
// Counter: a number with one writer at a time that any thread may read.
#pragma once

#include <atomic>
#include <cstdint>

namespace pktverbs {

/// As cheap as a plain integer for its writer: no locked instruction.
class Counter {
public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void raise_to(std::uint64_t n) noexcept {
        if (n > value()) value_.store(n, std::memory_order_relaxed);
    }
    std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace pktverbs
