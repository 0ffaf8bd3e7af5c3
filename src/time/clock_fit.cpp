// SPDX-License-Identifier: Apache-2.0
#include "time/clock_fit.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <span>

namespace pktverbs {

namespace {

constexpr double two_to_63 = 9223372036854775808.0;

double median(std::span<double> values) noexcept {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace

void ClockFit::add(const ClockReading& reading) noexcept {
    if (count_ == 0) {
        start_from(reading);
        return;
    }
    // Readings come in order, so any step back is the wrap, whole or not.
    std::int64_t elapsed = reading.device_ns - line_.device_ns;
    if (elapsed < 0 && line_.wrap_ns != 0) elapsed += line_.wrap_ns;
    const std::chrono::nanoseconds timestamp{reading.device_ns};
    const std::int64_t off = line_.at(timestamp).count() - reading.reference_ns;
    if (elapsed < 0 || std::abs(off) > line_.error(timestamp).count() + reading.width_ns) {
        ++restarts_;
        start_from(reading);
        return;
    }
    keep({kept().back().device_ns + elapsed, reading.reference_ns, reading.width_ns});
    line_.device_ns = reading.device_ns;
    fit();
}

/// Replaces the oldest if the window is full.
void ClockFit::keep(const Point& point) noexcept {
    if (count_ == window) {
        std::shift_left(readings_.begin(), readings_.end(), 1);
        --count_;
    }
    readings_[count_++] = point;
}

void ClockFit::start_from(const ClockReading& reading) noexcept {
    count_ = 0;
    keep({reading.device_ns, reading.reference_ns, reading.width_ns});
    line_.device_ns = reading.device_ns;
    line_.reference_ns = reading.reference_ns;
    // The previous rate, if any, is still the best guess, but no more than that.
    line_.error_ns = reading.width_ns;
    line_.rate_error_ppb = unknown_rate_ppb;
}

/// The Theil-Sen line: the median of the slopes, then the median of the offsets. Doubles suffice: they hold only how
/// far the clocks drifted apart within the window.
void ClockFit::fit() noexcept {
    const Point& newest = kept().back();
    std::array<Gain, window> all{};
    std::array<double, window*(window - 1) / 2> numbers;  // at most one for each pair of readings
    std::size_t count = 0;
    for (const Point& point : kept()) {
        const std::int64_t elapsed = point.device_ns - newest.device_ns;
        all[count] = {static_cast<double>(elapsed),
                      static_cast<double>(point.reference_ns - newest.reference_ns - elapsed),
                      static_cast<double>(point.width_ns)};
        numbers[count++] = static_cast<double>(point.width_ns);
    }
    // An interrupted reading is wide, and of little use.
    const double usual_width = median(std::span{numbers}.first(count));
    const auto wide = std::remove_if(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count),
                                     [&](const Gain& gain) { return gain.width > 2 * usual_width; });
    const std::span gains{all.begin(), wide};

    const double span = gains.back().elapsed - gains.front().elapsed;
    count = 0;
    for (std::size_t i = 0; i < gains.size(); ++i)
        for (std::size_t j = i + 1; j < gains.size(); ++j)
            if (const double apart = gains[j].elapsed - gains[i].elapsed; apart > 0 && apart * 2 >= span)
                numbers[count++] = (gains[j].gained - gains[i].gained) / apart;
    // Each slope is of two readings at least half the span apart, so this bounds its error.
    const double widest = std::ranges::max(gains, {}, &Gain::width).width;
    const double rate_error = span > 0 ? 4 * widest / span * 1e9 + wander_ppb : unknown_rate_ppb;
    const bool knows_rate = rate_error < unknown_rate_ppb && count != 0;
    if (knows_rate) line_.rate = std::llround(median(std::span{numbers}.first(count)) * two_to_63);

    const double rate = static_cast<double>(line_.rate) / two_to_63;
    count = 0;
    for (const Gain& gain : gains) numbers[count++] = gain.gained - rate * gain.elapsed;
    const double offset = median(std::span{numbers}.first(count));
    line_.reference_ns = newest.reference_ns + std::llround(offset);
    const auto distance = [&](const Gain& gain) { return std::abs(gain.gained - rate * gain.elapsed - offset); };
    // A rate that changes steadily bends the line into a parabola, which is 3/32 of the bend away from its chord at the
    // ends, where its slope is off by half the bend: 16/3 of that, over the span.
    double furthest = 0;
    for (const Gain& gain : gains) furthest = std::max(furthest, distance(gain));
    if (knows_rate) line_.rate_error_ppb = std::llround(rate_error + 6 * furthest / span * 1e9);

    // At each reading the line is within the reading's width and its distance from it; from there on the rate counts.
    std::optional<double> least;
    for (const Gain& gain : gains) {
        const double error =
            gain.width + distance(gain) - gain.elapsed * static_cast<double>(line_.rate_error_ppb) * 1e-9;
        if (!least || error < *least) least = error;
    }
    line_.error_ns = std::llround(std::ceil(least.value_or(0))) + 1;
}

}  // namespace pktverbs
