// SPDX-License-Identifier: Apache-2.0
// Pacer: lets batches of packets go when their time has come, so that they keep a rate.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>

#include <pktverbs/export.hpp>
#include <pktverbs/send_list.hpp>
#include <pktverbs/time/rate.hpp>
#include <pktverbs/time/rate_limit.hpp>

namespace pktverbs {

class Context;

/// The clock that a Pacer goes by; tests bring their own.
struct PacerClock {
    std::uint64_t (*now)() noexcept;                    ///< nanoseconds; never goes back
    void (*sleep)(std::uint64_t nanoseconds) noexcept;  ///< about so long; may wake early
};

/// Who keeps the rate.
enum class Pacing : std::uint8_t {
    software,  ///< the Pacer
    hardware,  ///< the device (limit_rate()), or nobody
    either,    ///< the device if it can, else the Pacer
};

struct PacerOptions {
    /// How far it may fall behind and still make up for it. What is lost beyond that is forgiven, and reported.
    std::chrono::nanoseconds max_debt = std::chrono::milliseconds{10};
    /// What it makes up for goes out so much faster than asked, never in one burst. At least 1.
    double catch_up = 1.5;
    /// It sleeps while a batch's time is further away than this, and then polls the clock: the kernel wakes sleepers
    /// late by tens of microseconds. Longer than any wait: it never sleeps, and needs a whole core.
    std::chrono::nanoseconds spin = std::chrono::microseconds{100};
    /// Null: CLOCK_MONOTONIC.
    const PacerClock* clock = nullptr;
    /// What Pacer::on() tells the device.
    RateLimitOptions limit = {};
};

/// What a Pacer was asked for, and what came of it.
struct PacerReport {
    Rate::Unit unit = Rate::Unit::packets;
    double asked = 0;     ///< bits or packets per second
    double achieved = 0;  ///< the same, from the first batch to the last; 0 with fewer than two
    std::uint64_t packets = 0;
    std::uint64_t frame_bytes = 0;
    std::uint64_t batches = 0;
    std::uint64_t late = 0;                   ///< batches that went more than 10 us after their time
    std::chrono::nanoseconds longest_lag{0};  ///< how late the latest one went
    std::chrono::nanoseconds forgiven{0};     ///< time beyond PacerOptions::max_debt that was not made up for

    /// (achieved - asked) / asked.
    double error() const noexcept { return asked > 0 ? (achieved - asked) / asked : 0; }
    /// Whether it went more slowly than asked: time was lost that could not be made up for, and more than 1 % is
    /// lacking. Never of fewer than two batches, nor where the device keeps the rate: there is nothing to tell by.
    bool missed() const noexcept {
        return forgiven > std::chrono::nanoseconds::zero() && achieved > 0 && error() < -0.01;
    }
    /// Every number: "asked 10 Gbit/s of frames, achieved 9.99999 Gbit/s (-0.0001 %), packets ...".
    PKTVERBS_EXPORT std::string to_string() const;
};

/// Keeps a schedule: the time at which the next packet is to go, in fractions of 2^-64 ns, so that nothing is lost to
/// rounding in any length of time. For one thread at a time; reads its clock once per batch, and more while it waits.
class Pacer {
public:
    /// Throws std::system_error (EINVAL) for options out of their range.
    PKTVERBS_EXPORT explicit Pacer(const Rate& rate, const PacerOptions& options = {});

    /// One for a queue of a context: with Pacing::hardware or `either` the device is asked to keep the rate, and where
    /// it does so wait() only counts. The limit stays when the Pacer ends. Throws what limit_rate() throws, if it has
    /// to be the device.
    PKTVERBS_EXPORT static Pacer on(Context& ctx, const Rate& rate, Pacing pacing = Pacing::either,
                                    const PacerOptions& options = {}, std::size_t queue = 0);
    bool in_hardware() const noexcept { return in_hardware_; }
    /// Why the device doesn't keep the rate, if it was asked to; else empty.
    const std::string& note() const noexcept { return note_; }

    /// Waits until a list's time has come, and takes it as sent: its packets are to be sent now, at once. False if
    /// `stop` was requested first; then nothing is taken. The list should not be empty.
    PKTVERBS_EXPORT bool wait(const SendList& packets, const std::stop_token& stop = {}) noexcept;
    /// The same for `count` packets of `frame_bytes` each.
    PKTVERBS_EXPORT bool wait(std::size_t count, std::size_t frame_bytes, const std::stop_token& stop = {}) noexcept;
    /// For packets that send() handed back, or that were not sent for another reason: they were not taken.
    PKTVERBS_EXPORT void give_back(const SendList& packets) noexcept;
    PKTVERBS_EXPORT void give_back(std::size_t count, std::size_t frame_bytes) noexcept;

    /// How long until the next packet may go; zero: now. For event loops, that then call wait() without waiting.
    PKTVERBS_EXPORT std::chrono::nanoseconds time_left() noexcept;
    /// How many packets of that length fit into `duration`, at least 1 and no more than `most`: batches of so many come
    /// evenly, and save what they can.
    PKTVERBS_EXPORT std::size_t batch(std::size_t frame_bytes, std::size_t most,
                                      std::chrono::nanoseconds duration = std::chrono::microseconds{
                                          100}) const noexcept;

    const Rate& rate() const noexcept { return rate_; }
    /// From the beginning until now. To begin anew, at this rate or another, assign a new Pacer.
    PKTVERBS_EXPORT PacerReport report() const noexcept;

private:
    __extension__ using Time = unsigned __int128;  ///< nanoseconds above 64 bits of fraction

    struct Load {
        std::uint64_t packets = 0;
        std::uint64_t frame_bytes = 0;
        std::uint64_t weight = 0;
    };
    Load load(const SendList& packets) const noexcept;
    Load load(std::size_t count, std::size_t frame_bytes) const noexcept;
    Time turn() const noexcept { return due_ > earliest_ ? due_ : earliest_; }
    Time look() noexcept;
    bool wait(const Load& load, const std::stop_token& stop) noexcept;
    void give_back(const Load& load) noexcept;

    Rate rate_;
    PacerOptions options_;
    bool in_hardware_ = false;
    std::string note_;
    Time cost_ = 0;       ///< of a byte or a packet
    Time fast_cost_ = 0;  ///< the same at the rate of catching up
    bool started_ = false;
    Time due_ = 0;       ///< when the next packet is to go, by the rate
    Time earliest_ = 0;  ///< and before when it may not, whatever the debt
    std::uint64_t first_ns_ = 0;
    std::uint64_t last_ns_ = 0;
    std::uint64_t weight_ = 0;
    std::uint64_t last_weight_ = 0;
    std::uint64_t forgiven_ns_ = 0;
    std::uint64_t longest_lag_ns_ = 0;
    PacerReport counts_;
};

}  // namespace pktverbs
