// SPDX-License-Identifier: Apache-2.0
// DeviceClock: tells when packets were received by a clock of the system, from their device's own timestamps.
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

/// Reads the device's clock and one of the system's side by side, now and then, and keeps the line through the last
/// readings: so it knows how far the clocks are apart, and how fast they drift. Call update() about once a second;
/// conversions read no clock. One thread at a time; other threads use copies of line().
class PKTVERBS_EXPORT DeviceClock {
public:
    /// `reference` is any clock that clock_gettime(2) reads: CLOCK_REALTIME for UTC, CLOCK_TAI (UTC until somebody has
    /// told the kernel how many leap seconds there were, as NTP daemons do), CLOCK_MONOTONIC_RAW, a PTP clock's own.
    /// The context must outlive it, and so must its device's provider.
    /// Throws std::system_error: EOPNOTSUPP if the device has no clock, or one that can't be read; EINVAL for an
    /// unknown reference.
    explicit DeviceClock(Context& ctx, clockid_t reference = CLOCK_REALTIME);
    explicit DeviceClock(verbs::OpenDevice device, clockid_t reference = CLOCK_REALTIME);
    DeviceClock(DeviceClock&&) noexcept;
    DeviceClock& operator=(DeviceClock&&) noexcept;
    ~DeviceClock();

    /// Reads both clocks again, which takes some microseconds. Throws std::system_error, and keeps the line.
    void update();

    /// When that was by the reference, in nanoseconds since its epoch. For timestamps of packets that carry one, less
    /// than half of wrap() from the last update.
    std::chrono::nanoseconds at(std::chrono::nanoseconds timestamp) const noexcept { return line().at(timestamp); }
    /// How far off that may be, either way.
    std::chrono::nanoseconds error(std::chrono::nanoseconds timestamp) const noexcept {
        return line().error(timestamp);
    }
    const ClockLine& line() const noexcept;

    clockid_t reference() const noexcept;
    /// When the device's clock begins again; zero: not in this century.
    std::chrono::nanoseconds wrap() const noexcept { return std::chrono::nanoseconds{line().wrap_ns}; }
    /// How often a reading contradicted all before it, as after a clock was set.
    std::uint64_t restarts() const noexcept;

    /// "CLOCK_TAI of mlx5_0/1: error 214 ns, rate +12.345 ppm, 32 readings".
    std::string to_string() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace pktverbs
