// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/pacer.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <system_error>

#include <pktverbs/verbs/error.hpp>

#include "time/scaled.hpp"

namespace pktverbs {

namespace {

constexpr std::uint64_t late_after_ns = 10'000;
/// The longest time for which a stop request may go unnoticed.
constexpr std::uint64_t longest_sleep_ns = 10'000'000;

std::uint64_t monotonic_now() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

void sleep_for(std::uint64_t nanoseconds) noexcept {
    const timespec time{static_cast<time_t>(nanoseconds / 1'000'000'000U),
                        static_cast<long>(nanoseconds % 1'000'000'000U)};
    nanosleep(&time, nullptr);
}

constexpr PacerClock system_clock{monotonic_now, sleep_for};

void check(const PacerOptions& options) {
    using namespace std::chrono_literals;
    if (options.max_debt < 0ns || options.max_debt > 1h || options.spin < 0ns)
        verbs::throw_message(EINVAL,
                             fmt::format("cannot pace with a debt of up to {} ns and {} ns of spinning: neither "
                                         "can be negative, and a debt not more than an hour",
                                         options.max_debt.count(), options.spin.count()));
    if (!(options.catch_up >= 1 && options.catch_up <= 1e6))
        verbs::throw_message(
            EINVAL, fmt::format("cannot catch up at {} times the rate: it must be 1 to 10^6", options.catch_up));
}

}  // namespace

Pacer::Pacer(const Rate& rate, const PacerOptions& options) : rate_{rate}, options_{options} {
    check(options);
    if (!options_.clock) options_.clock = &system_clock;
    // In integers: a double's error would exceed the resolution of the fractions. In millionths, as packet rates may be
    // low.
    const auto per_megasecond = static_cast<std::uint64_t>(std::llround(rate.per_second() * 1e6));
    const std::uint64_t bits = rate.unit() == Rate::Unit::packets ? 1 : 8;
    cost_ = (Time{bits * 1'000'000'000'000'000U} << 64) / per_megasecond;
    // 16 bits are enough for the factor, which needs no precision.
    fast_cost_ = (cost_ / static_cast<std::uint64_t>(options_.catch_up * 65536)) << 16;
    counts_.unit = rate.unit();
    counts_.asked = rate.per_second();
}

Pacer Pacer::on(Context& ctx, const Rate& rate, Pacing pacing, const PacerOptions& options, std::size_t queue) {
    Pacer pacer{rate, options};
    if (pacing == Pacing::software) return pacer;
    try {
        limit_rate(ctx, rate, options.limit, queue);
        pacer.in_hardware_ = true;
    } catch (const std::system_error& error) {
        if (pacing == Pacing::hardware) throw;
        pacer.note_ = error.what();
    }
    return pacer;
}

Pacer::Load Pacer::load(const SendList& packets) const noexcept {
    Load sum;
    for (const SendPkt& pkt : packets) {
        ++sum.packets;
        sum.frame_bytes += pkt.length();
        sum.weight += rate_.weight(pkt.length());
    }
    return sum;
}

Pacer::Load Pacer::load(std::size_t count, std::size_t frame_bytes) const noexcept {
    return {count, count * frame_bytes, count * rate_.weight(frame_bytes)};
}

bool Pacer::wait(const SendList& packets, const std::stop_token& stop) noexcept { return wait(load(packets), stop); }

bool Pacer::wait(std::size_t count, std::size_t frame_bytes, const std::stop_token& stop) noexcept {
    return wait(load(count, frame_bytes), stop);
}

void Pacer::give_back(const SendList& packets) noexcept { give_back(load(packets)); }

void Pacer::give_back(std::size_t count, std::size_t frame_bytes) noexcept { give_back(load(count, frame_bytes)); }

/// Reads the clock. The schedule starts at the first reading, and is moved forward when it is too far behind.
Pacer::Time Pacer::look() noexcept {
    const std::uint64_t now_ns = options_.clock->now();
    const Time now = Time{now_ns} << 64;
    if (!started_) {
        started_ = true;
        due_ = earliest_ = now;
    }
    const Time max_debt = Time{static_cast<std::uint64_t>(options_.max_debt.count())} << 64;
    if (!in_hardware_ && now > due_ && now - due_ > max_debt) {
        forgiven_ns_ += static_cast<std::uint64_t>((now - due_ - max_debt) >> 64);
        due_ = now - max_debt;
    }
    return now;
}

std::chrono::nanoseconds Pacer::time_left() noexcept {
    const Time now = look();
    if (in_hardware_ || now >= turn()) return std::chrono::nanoseconds::zero();
    return std::chrono::nanoseconds{static_cast<std::int64_t>((turn() - now) >> 64) + 1};
}

bool Pacer::wait(const Load& load, const std::stop_token& stop) noexcept {
    Time now = look();
    const auto spin = static_cast<std::uint64_t>(options_.spin.count());
    for (const Time turn = in_hardware_ ? now : this->turn(); now < turn; now = Time{options_.clock->now()} << 64) {
        if (stop.stop_requested()) return false;
        const auto left = static_cast<std::uint64_t>((turn - now) >> 64);
        if (left > spin) options_.clock->sleep(std::min(left - spin, longest_sleep_ns));
    }
    if (stop.stop_requested()) return false;

    const auto now_ns = static_cast<std::uint64_t>(now >> 64);
    const std::uint64_t lag_ns = in_hardware_ ? 0 : static_cast<std::uint64_t>((now - due_) >> 64);
    if (lag_ns > late_after_ns) ++counts_.late;
    longest_lag_ns_ = std::max(longest_lag_ns_, lag_ns);
    if (counts_.batches++ == 0) first_ns_ = now_ns;
    last_ns_ = now_ns;
    counts_.packets += load.packets;
    counts_.frame_bytes += load.frame_bytes;
    weight_ += load.weight;
    last_weight_ = load.weight;
    if (in_hardware_) return true;
    due_ += cost_ * load.weight;
    earliest_ = now + fast_cost_ * load.weight;
    return true;
}

void Pacer::give_back(const Load& load) noexcept {
    counts_.packets -= load.packets;
    counts_.frame_bytes -= load.frame_bytes;
    weight_ -= load.weight;
    last_weight_ -= std::min(load.weight, last_weight_);
    if (in_hardware_) return;
    due_ -= cost_ * load.weight;
    earliest_ -= fast_cost_ * load.weight;
}

std::size_t Pacer::batch(std::size_t frame_bytes, std::size_t most, std::chrono::nanoseconds duration) const noexcept {
    const Time room = Time{static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0))} << 64;
    const Time fitting = room / (cost_ * std::max<std::size_t>(rate_.weight(frame_bytes), 1));
    return static_cast<std::size_t>(std::clamp<Time>(fitting, 1, std::max<std::size_t>(most, 1)));
}

PacerReport Pacer::report() const noexcept {
    PacerReport report = counts_;
    report.longest_lag = std::chrono::nanoseconds{static_cast<std::int64_t>(longest_lag_ns_)};
    report.forgiven = std::chrono::nanoseconds{static_cast<std::int64_t>(forgiven_ns_)};
    // The last batch's time slot has only begun.
    const double bits = rate_.unit() == Rate::Unit::packets ? 1 : 8;
    if (last_ns_ > first_ns_)
        report.achieved =
            static_cast<double>(weight_ - last_weight_) * bits * 1e9 / static_cast<double>(last_ns_ - first_ns_);
    return report;
}

std::string PacerReport::to_string() const {
    const std::string_view per_second = unit == Rate::Unit::packets ? "packets/s" : "bit/s";
    return fmt::format(
        "asked {}{}, achieved {}{} ({:+.4f} %), packets {}, frame_bytes {}, batches {}, late {}, longest_lag {}, "
        "forgiven {}",
        scaled(asked), Rate::name(unit), scaled(achieved), per_second, error() * 100, packets, frame_bytes, batches,
        late, scaled(longest_lag), scaled(forgiven));
}

}  // namespace pktverbs
