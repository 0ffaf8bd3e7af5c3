// SPDX-License-Identifier: Apache-2.0
// DeviceClock: packet timestamps in a clock of the system.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>
#include <pktverbs/time/clock_line.hpp>
#include <pktverbs/verbs/open_device.hpp>

namespace pktverbs {

class Context;

/// Converts the timestamps of received packets from their device's clock to a clock of the system.
///
/// It reads both clocks side by side now and then, and keeps the line through the last readings: how far the clocks are
/// apart, and how fast they drift. Call update() about once a second; conversions read no clock. One thread at a time;
/// other threads use copies of line().
class PKTVERBS_EXPORT DeviceClock {
public:
    /// `reference` is any clock that clock_gettime(2) reads: CLOCK_REALTIME for UTC, CLOCK_TAI (equal to UTC until an
    /// NTP daemon has set the kernel's offset for leap seconds), CLOCK_MONOTONIC_RAW, or a PTP clock. The context must
    /// outlive this object, and so must the device's provider. Throws std::system_error: EOPNOTSUPP if the device has
    /// no clock, or none that can be read; EINVAL for an unknown reference.
    explicit DeviceClock(Context& ctx, clockid_t reference = CLOCK_REALTIME);
    explicit DeviceClock(verbs::OpenDevice device, clockid_t reference = CLOCK_REALTIME);
    DeviceClock(DeviceClock&&) noexcept;
    DeviceClock& operator=(DeviceClock&&) noexcept;
    ~DeviceClock();

    /// Reads both clocks again, which takes some microseconds. Throws std::system_error, and then keeps the line.
    void update();

    /// Converts a packet's timestamp to the reference clock, in nanoseconds since its epoch. The packet must have one,
    /// less than half of wrap() from the last update.
    std::chrono::nanoseconds at(std::chrono::nanoseconds timestamp) const noexcept { return line().at(timestamp); }
    /// Returns how far off at() may be, either way.
    std::chrono::nanoseconds error(std::chrono::nanoseconds timestamp) const noexcept {
        return line().error(timestamp);
    }
    /// Returns the line, to copy it for another thread.
    const ClockLine& line() const noexcept;

    /// Returns the reference clock.
    clockid_t reference() const noexcept;
    /// Returns the time after which the device's clock wraps around; zero: not in this century.
    std::chrono::nanoseconds wrap() const noexcept { return std::chrono::nanoseconds{line().wrap_ns}; }
    /// Returns how often a reading contradicted all before it, as after a clock was set.
    std::uint64_t restarts() const noexcept;

    /// Returns "CLOCK_TAI of mlx5_0/1: error 214 ns, rate +12.345 ppm, 32 readings".
    std::string to_string() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace pktverbs
