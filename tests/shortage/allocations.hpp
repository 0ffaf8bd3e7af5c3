// SPDX-License-Identifier: Apache-2.0
// Allocations: this program's operator new, which fails on request, and counts live allocations.
#pragma once

#include <cstdint>

namespace pktverbs::testing {

/// For all threads together. allocations.cpp replaces every form of operator new and delete.
class Allocations {
public:
    /// Makes the nth from now on fail, counted from 1, or with `and_all_after` all from that one on.
    static void fail(std::uint64_t nth, bool and_all_after) noexcept;
    /// Makes each fail with a chance of one in `chances`, drawn from a generator with this seed.
    static void fail_by_chance(std::uint64_t seed, std::uint32_t chances) noexcept;
    static void stop_failing() noexcept;

    /// The number that failed since failing began.
    static std::uint64_t refused() noexcept;
    /// The number not yet freed.
    static std::int64_t live() noexcept;

    /// While it lives no allocation fails: for the test's own needs in the middle of a run.
    class Pause {
    public:
        Pause() noexcept;
        ~Pause();
        Pause(const Pause&) = delete;
        Pause& operator=(const Pause&) = delete;

    private:
        bool was_failing_;
    };
};

}  // namespace pktverbs::testing
