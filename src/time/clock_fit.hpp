// SPDX-License-Identifier: Apache-2.0
// ClockFit: the line through readings of two clocks, fitted again for every reading.
#pragma once

#include <pktverbs/time/clock_line.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pktverbs {

/// At the instant when the device's clock said `device_ns`, the other one was within `width_ns` of `reference_ns`. That
/// is no estimate: the device was read between two readings of the other clock.
struct ClockReading {
    std::int64_t device_ns = 0;
    std::int64_t reference_ns = 0;
    std::int64_t width_ns = 0;
};

class ClockFit {
public:
    /// How far two clocks' rates may be apart where nothing better is known yet: 100 ppm for an oscillator, and what
    /// the kernel adds to correct its own (adjtimex(2): 500 ppm).
    static constexpr std::int64_t unknown_rate_ppb = 600'000;
    /// How much a rate may wander within the window, by temperature or by corrections of the system's clock.
    static constexpr std::int64_t wander_ppb = 100;
    static constexpr std::size_t window = 32;

    /// `wrap_ns`: see ClockLine.
    explicit ClockFit(std::int64_t wrap_ns = 0) noexcept { line_.wrap_ns = wrap_ns; }

    /// Takes a reading; the device's clock must not have wrapped twice since the last one. One that contradicts the
    /// line (a clock was set, or its rate changed) makes all before it worthless: the line starts again from it.
    void add(const ClockReading& reading) noexcept;

    /// Of no use before the first reading. From one line to the next, times go back by no more than both lines' errors
    /// together, but for a restart.
    const ClockLine& line() const noexcept { return line_; }
    std::size_t readings() const noexcept { return count_; }
    std::uint64_t restarts() const noexcept { return restarts_; }

private:
    struct Point {
        std::int64_t device_ns;  ///< unwrapped
        std::int64_t reference_ns;
        std::int64_t width_ns;
    };
    /// With the newest reading as the origin: how much further the other clock went than the device.
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
