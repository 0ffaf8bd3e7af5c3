// SPDX-License-Identifier: Apache-2.0
// ClockLine: a linear relation between a device's clock and a clock of the system.
#pragma once

#include <chrono>
#include <cstdint>

namespace pktverbs {

/// Converts a device's timestamps to a clock of the system, along a line through one point.
///
/// A value: copies may be used on any thread. It reads no clock, and its arithmetic is in integers: a conversion is
/// within 1 ns of the line.
struct ClockLine {
    std::int64_t device_ns = 0;       ///< the point's time by the device's clock, as RecvPkt::timestamp() gives it
    std::int64_t reference_ns = 0;    ///< the same instant by the other clock
    std::int64_t rate = 0;            ///< by how much the other clock runs faster than the device's, in units of 2^-63
    std::int64_t wrap_ns = 0;         ///< the device's clock wraps around after this time; 0: never
    std::int64_t error_ns = 0;        ///< the uncertainty at the point, either way
    std::int64_t rate_error_ppb = 0;  ///< how fast the uncertainty grows with the distance from the point

    /// Returns the time from the point to a timestamp, in nanoseconds of the device. It takes the shorter way across a
    /// wrap, so the point must be less than half a wrap away.
    std::int64_t since_point(std::chrono::nanoseconds timestamp) const noexcept {
        const auto delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp.count()) -
                                                     static_cast<std::uint64_t>(device_ns));
        if (wrap_ns == 0) return delta;
        if (delta > wrap_ns / 2) return delta - wrap_ns;
        return delta < -(wrap_ns / 2) ? delta + wrap_ns : delta;
    }
    /// Returns the time of a timestamp, in nanoseconds of the other clock.
    std::chrono::nanoseconds at(std::chrono::nanoseconds timestamp) const noexcept {
        const std::int64_t delta = since_point(timestamp);
        const Wide gain = (Wide{delta} * rate + (Wide{1} << 62)) >> 63;
        return std::chrono::nanoseconds{reference_ns + delta + static_cast<std::int64_t>(gain)};
    }
    /// Returns how far off at() may be, either way.
    std::chrono::nanoseconds error(std::chrono::nanoseconds timestamp) const noexcept {
        const std::int64_t delta = since_point(timestamp);
        const Wide growth = Wide{delta < 0 ? -delta : delta} * rate_error_ppb / 1'000'000'000 + 1;
        return std::chrono::nanoseconds{error_ns + static_cast<std::int64_t>(growth)};
    }

private:
    __extension__ using Wide = __int128;
};

}  // namespace pktverbs
