// SPDX-License-Identifier: Apache-2.0
// ClockLine: the line that leads from a device's timestamps to a clock of the system.
#pragma once

#include <chrono>
#include <cstdint>

namespace pktverbs {

/// A value: copies may be used on any thread. Nothing here reads a clock, and the arithmetic is in integers: a
/// conversion is within 1 ns of the line.
struct ClockLine {
    std::int64_t device_ns = 0;       ///< a point of the line, as RecvPkt::timestamp() gives it
    std::int64_t reference_ns = 0;    ///< the same instant by the other clock
    std::int64_t rate = 0;            ///< how much faster than the device the other clock runs, in units of 2^-63
    std::int64_t wrap_ns = 0;         ///< the device's clock begins again after so long; 0: never
    std::int64_t error_ns = 0;        ///< at the point, either way
    std::int64_t rate_error_ppb = 0;  ///< what that grows by, with the time from the point

    /// From the point to a timestamp, in nanoseconds of the device. Across the wrap the shorter way is taken, so the
    /// point must be less than half a wrap away.
    std::int64_t since_point(std::chrono::nanoseconds timestamp) const noexcept {
        const auto delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp.count()) -
                                                     static_cast<std::uint64_t>(device_ns));
        if (wrap_ns == 0) return delta;
        if (delta > wrap_ns / 2) return delta - wrap_ns;
        return delta < -(wrap_ns / 2) ? delta + wrap_ns : delta;
    }
    /// When that was, in nanoseconds of the other clock.
    std::chrono::nanoseconds at(std::chrono::nanoseconds timestamp) const noexcept {
        const std::int64_t delta = since_point(timestamp);
        const Wide gain = (Wide{delta} * rate + (Wide{1} << 62)) >> 63;
        return std::chrono::nanoseconds{reference_ns + delta + static_cast<std::int64_t>(gain)};
    }
    /// How far off at() may be, either way.
    std::chrono::nanoseconds error(std::chrono::nanoseconds timestamp) const noexcept {
        const std::int64_t delta = since_point(timestamp);
        const Wide growth = Wide{delta < 0 ? -delta : delta} * rate_error_ppb / 1'000'000'000 + 1;
        return std::chrono::nanoseconds{error_ns + static_cast<std::int64_t>(growth)};
    }

private:
    __extension__ using Wide = __int128;
};

}  // namespace pktverbs
