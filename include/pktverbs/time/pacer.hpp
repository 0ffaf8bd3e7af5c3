// SPDX-License-Identifier: Apache-2.0
// Pacer: keeps the sending of packets at a rate.
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

/// The clock that a Pacer uses; tests provide their own.
struct PacerClock {
    std::uint64_t (*now)() noexcept;                    ///< returns nanoseconds; never goes back
    void (*sleep)(std::uint64_t nanoseconds) noexcept;  ///< sleeps about this long; may wake early
};

/// Whether the device or the library keeps a rate.
enum class Pacing : std::uint8_t {
    software,  ///< the Pacer does
    hardware,  ///< the device does (limit_rate()), or the call fails
    either,    ///< the device does if it can, else the Pacer
};

/// Adjusts how a Pacer waits and catches up.
struct PacerOptions {
    /// How far it may fall behind and still catch up. Time lost beyond this is given up, and reported.
    std::chrono::nanoseconds max_debt = std::chrono::milliseconds{10};
    /// How much faster than asked it sends while it catches up; never in one burst. At least 1.
    double catch_up = 1.5;
    /// It sleeps while a batch is due later than this, and then polls the clock, as the kernel wakes sleepers tens of
    /// microseconds late. Longer than any wait: it never sleeps, and takes a whole core.
    std::chrono::nanoseconds spin = std::chrono::microseconds{100};
    /// nullptr: CLOCK_MONOTONIC.
    const PacerClock* clock = nullptr;
    /// What Pacer::on() requests from the device.
    RateLimitOptions limit = {};
};

/// Reports the rate that a Pacer was asked for and the rate that it achieved.
struct PacerReport {
    Rate::Unit unit = Rate::Unit::packets;  ///< what the rates count: bits or packets
    double asked = 0;                       ///< the rate asked for, in bits or packets per second
    double achieved = 0;            ///< the rate from the first batch to the last; 0 with fewer than two batches
    std::uint64_t packets = 0;      ///< packets sent
    std::uint64_t frame_bytes = 0;  ///< bytes in their frames
    std::uint64_t batches = 0;      ///< batches sent
    std::uint64_t late = 0;         ///< batches sent more than 10 us after they were due
    std::chrono::nanoseconds longest_lag{0};  ///< how late the latest batch was
    std::chrono::nanoseconds forgiven{0};     ///< lost time beyond PacerOptions::max_debt, which was not caught up

    /// Returns (achieved - asked) / asked.
    double error() const noexcept { return asked > 0 ? (achieved - asked) / asked : 0; }
    /// Whether sending was slower than asked: time was given up, and the rate is more than 1 % short. Always false for
    /// fewer than two batches, and where the device keeps the rate, as nothing shows it.
    bool missed() const noexcept {
        return forgiven > std::chrono::nanoseconds::zero() && achieved > 0 && error() < -0.01;
    }
    /// Returns every number: "asked 10 Gbit/s of frames, achieved 9.99999 Gbit/s (-0.0001 %), packets ...".
    PKTVERBS_EXPORT std::string to_string() const;
};

/// Makes a sender wait until each batch of packets is due, so that it keeps a rate.
///
/// The schedule is the time of the next packet in fractions of 2^-64 ns, so that no rounding adds up, however long it
/// runs. For one thread at a time; it reads its clock once per batch, and more often while it waits.
class Pacer {
public:
    /// Throws std::system_error (EINVAL) for options out of range.
    PKTVERBS_EXPORT explicit Pacer(const Rate& rate, const PacerOptions& options = {});

    /// Makes a Pacer for a queue of a context. With Pacing::hardware or `either`, asks the device to keep the rate;
    /// where it does, wait() only counts. The limit stays when the Pacer ends. With Pacing::hardware, throws what
    /// limit_rate() throws.
    PKTVERBS_EXPORT static Pacer on(Context& ctx, const Rate& rate, Pacing pacing = Pacing::either,
                                    const PacerOptions& options = {}, std::size_t queue = 0);
    /// Whether the device keeps the rate.
    bool in_hardware() const noexcept { return in_hardware_; }
    /// Returns why the device does not keep the rate, if it was asked to; else empty.
    const std::string& note() const noexcept { return note_; }

    /// Waits until a list is due, and counts it as sent: send its packets at once. Returns false if `stop` was
    /// requested first; then nothing is counted. The list should not be empty.
    PKTVERBS_EXPORT bool wait(const SendList& packets, const std::stop_token& stop = {}) noexcept;
    /// Waits likewise for `count` packets of `frame_bytes` each.
    PKTVERBS_EXPORT bool wait(std::size_t count, std::size_t frame_bytes, const std::stop_token& stop = {}) noexcept;
    /// Takes back the count of packets that were not sent, such as those that send() returned.
    PKTVERBS_EXPORT void give_back(const SendList& packets) noexcept;
    PKTVERBS_EXPORT void give_back(std::size_t count, std::size_t frame_bytes) noexcept;

    /// Returns how long until the next packet is due; zero: now. For event loops, which then call wait() without
    /// waiting.
    PKTVERBS_EXPORT std::chrono::nanoseconds time_left() noexcept;
    /// Returns how many packets of that length are due in `duration`, at least 1 and at most `most`: a batch size that
    /// keeps sending even and still saves doorbells.
    PKTVERBS_EXPORT std::size_t batch(std::size_t frame_bytes, std::size_t most,
                                      std::chrono::nanoseconds duration = std::chrono::microseconds{
                                          100}) const noexcept;

    /// Returns the rate to keep.
    const Rate& rate() const noexcept { return rate_; }
    /// Returns the counts from the start until now. To start again, at this or another rate, assign a new Pacer.
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
    Time due_ = 0;       ///< when the next packet is due, by the rate
    Time earliest_ = 0;  ///< the time before which it may not go, whatever the debt
    std::uint64_t first_ns_ = 0;
    std::uint64_t last_ns_ = 0;
    std::uint64_t weight_ = 0;
    std::uint64_t last_weight_ = 0;
    std::uint64_t forgiven_ns_ = 0;
    std::uint64_t longest_lag_ns_ = 0;
    PacerReport counts_;
};

}  // namespace pktverbs
