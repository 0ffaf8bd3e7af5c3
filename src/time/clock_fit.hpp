// SPDX-License-Identifier: Apache-2.0
// ClockFit: the line through readings of two clocks, refitted for every reading.
#pragma once

#include <pktverbs/time/clock_line.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs {

/// When the device's clock read `device_ns`, the other one was within `width_ns` of `reference_ns`. That is not an
/// estimate: the device was read between two readings of the other clock.
struct ClockReading {
    std::int64_t device_ns = 0;
    std::int64_t reference_ns = 0;
    std::int64_t width_ns = 0;
};

class ClockFit {
public:
    /// The assumed bound on the difference of two clocks' rates while nothing better is known: 100 ppm for an
    /// oscillator, and the kernel's correction of its own clock (adjtimex(2): 500 ppm).
    static constexpr std::int64_t unknown_rate_ppb = 600'000;
    /// How far a rate may wander within the window, through temperature or corrections of the system's clock.
    static constexpr std::int64_t wander_ppb = 100;
    static constexpr std::size_t window = 32;

    /// `wrap_ns`: see ClockLine.
    explicit ClockFit(std::int64_t wrap_ns = 0) noexcept { line_.wrap_ns = wrap_ns; }

    /// Takes a reading; the device's clock must not have wrapped twice since the last one. A reading that contradicts
    /// the line (a clock was set, or its rate changed) invalidates all earlier ones: the line restarts from it.
    void add(const ClockReading& reading) noexcept;

    /// Invalid before the first reading. From one line to the next, times go back by no more than the sum of both
    /// lines' errors, except at a restart.
    const ClockLine& line() const noexcept { return line_; }
    std::size_t readings() const noexcept { return count_; }
    std::uint64_t restarts() const noexcept { return restarts_; }

private:
    struct Point {
        std::int64_t device_ns;  ///< unwrapped
        std::int64_t reference_ns;
        std::int64_t width_ns;
    };
    /// With the newest reading as the origin: how much farther the other clock advanced than the device.
    struct Gain {
        double elapsed;
        double gained;
        double width;
    };

    void start_from(const ClockReading& reading) noexcept;
    void keep(const Point& point) noexcept;
    std::span<const Point> kept() const noexcept { return std::span{readings_}.first(count_); }
    void fit() noexcept;

    ClockLine line_;
    std::array<Point, window> readings_{};  ///< the first `count_`, oldest first
    std::size_t count_ = 0;
    std::uint64_t restarts_ = 0;
};

}  // namespace pktverbs
