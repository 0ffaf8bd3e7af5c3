// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/device_clock.hpp>

#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include <pktverbs/context.hpp>
#include <pktverbs/verbs/error.hpp>

#include "time/clock_fit.hpp"
#include "verbs/ticks.hpp"

namespace pktverbs {

namespace {

/// The best of this many readings is taken: most are not interrupted, and the first one fills caches.
constexpr int tries = 8;

std::string name_of(clockid_t clock) {
    switch (clock) {
        case CLOCK_REALTIME:
            return "CLOCK_REALTIME";
        case CLOCK_TAI:
            return "CLOCK_TAI";
        case CLOCK_MONOTONIC:
            return "CLOCK_MONOTONIC";
        case CLOCK_MONOTONIC_RAW:
            return "CLOCK_MONOTONIC_RAW";
        case CLOCK_BOOTTIME:
            return "CLOCK_BOOTTIME";
        default:
            return fmt::format("clock {}", clock);
    }
}

}  // namespace

struct DeviceClock::State {
    State(verbs::OpenDevice opened, std::string device_name, clockid_t clock)
        : device{std::move(opened)}, name{std::move(device_name)}, reference{clock} {
        ibv_device_attr_ex attr = device.extended_attributes();
        khz = attr.hca_core_clock;
        mask = attr.completion_timestamp_mask;
        if (khz == 0 || mask == 0)
            verbs::throw_error(EOPNOTSUPP, "read the clock of " + name,
                               "it has none: its packets carry no timestamps either");
        fit = ClockFit{wrap_nanoseconds(mask, khz)};
        fit.add(read());
    }

    std::int64_t read_reference() const {
        timespec now{};
        if (clock_gettime(reference, &now) != 0)
            verbs::throw_error(errno, "read " + name_of(reference), "it is no clock that clock_gettime(2) knows");
        return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    }

    /// In nanoseconds, like RecvPkt::timestamp(). mlx4 and mlx5 return ticks, all of them in tv_nsec (rdma-core,
    /// mlx5_query_rt_values); so does the soft device.
    std::int64_t read_device() const {
        ibv_values_ex values{};
        values.comp_mask = IBV_VALUES_MASK_RAW_CLOCK;
        verbs::check_result(verbs::Action{"query_rt_values_ex", "read the clock of", name}, [&] {
            const int result = device.provider().query_rt_values_ex(device.raw(), &values);
            // It removes values that it could not read from the mask.
            return result == 0 && (values.comp_mask & IBV_VALUES_MASK_RAW_CLOCK) == 0 ? EOPNOTSUPP : result;
        });
        const auto ticks = static_cast<std::uint64_t>(values.raw_clock.tv_sec) * 1'000'000'000U +
                           static_cast<std::uint64_t>(values.raw_clock.tv_nsec);
        return static_cast<std::int64_t>(to_nanoseconds(ticks & mask, khz));
    }

    ClockReading read() const {
        std::optional<ClockReading> best;
        for (int i = 0; i < tries; ++i) {
            const std::int64_t before = read_reference();
            const std::int64_t device_ns = read_device();
            const std::int64_t after = read_reference();
            if (after < before) continue;  // the clock was set meanwhile
            // A slow counter may have shown the same value for up to a tick.
            const auto tick_ns = static_cast<std::int64_t>(1'000'000 / khz);
            const ClockReading reading{device_ns, before + (after - before) / 2, (after - before) / 2 + tick_ns + 1};
            if (!best || reading.width_ns < best->width_ns) best = reading;
        }
        if (!best)
            verbs::throw_error(EAGAIN, "compare the clock of " + name,
                               name_of(reference) + " keeps going back: it is being set");
        return *best;
    }

    verbs::OpenDevice device;
    std::string name;
    clockid_t reference;
    std::uint64_t khz = 0;
    std::uint64_t mask = 0;
    ClockFit fit;
};

DeviceClock::DeviceClock(verbs::OpenDevice device, clockid_t reference)
    : state_{std::make_unique<State>(device, device.device().name, reference)} {}

DeviceClock::DeviceClock(Context& ctx, clockid_t reference)
    : state_{std::make_unique<State>(verbs::OpenDevice::lent(ctx.raw(), ctx.device().port, *ctx.device().provider),
                                     ctx.device().name, reference)} {}

DeviceClock::DeviceClock(DeviceClock&&) noexcept = default;
DeviceClock& DeviceClock::operator=(DeviceClock&&) noexcept = default;
DeviceClock::~DeviceClock() = default;

void DeviceClock::update() { state_->fit.add(state_->read()); }

const ClockLine& DeviceClock::line() const noexcept { return state_->fit.line(); }

clockid_t DeviceClock::reference() const noexcept { return state_->reference; }

std::uint64_t DeviceClock::restarts() const noexcept { return state_->fit.restarts(); }

std::string DeviceClock::to_string() const {
    constexpr double ppm = 1e6 / 9223372036854775808.0;
    return fmt::format("{} of {}: error {} ns, rate {:+.3f} ppm, {} readings", name_of(reference()), state_->name,
                       line().error_ns, static_cast<double>(line().rate) * ppm, state_->fit.readings());
}

}  // namespace pktverbs
