// SPDX-License-Identifier: Apache-2.0
// Allocations: operator new of this program, which fails when it is told to, and counts what lives.
#pragma once

#include <cstdint>

namespace pktverbs::testing {

/// Of all threads together. allocations.cpp replaces every form of operator new and delete.
class Allocations {
public:
    /// Lets the nth from now on fail, counted from 1, or with `and_all_after` all from that one on.
    static void fail(std::uint64_t nth, bool and_all_after) noexcept;
    /// Lets each fail with a chance of one in `chances`, drawn from a generator with this seed.
    static void fail_by_chance(std::uint64_t seed, std::uint32_t chances) noexcept;
    static void stop_failing() noexcept;

    /// Since failing began: those that failed.
    static std::uint64_t refused() noexcept;
    /// Not freed yet.
    static std::int64_t live() noexcept;

    /// While it lives nothing fails: for what a test itself needs, in the middle of a run.
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
