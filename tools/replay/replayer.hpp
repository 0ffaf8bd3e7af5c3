// SPDX-License-Identifier: Apache-2.0
// Replayer: sends the frames of a file when they are due.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>

#include <pktverbs/counters/histogram.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/time/rate.hpp>
#include "replay/address_rewrite.hpp"
#include "replay/capture_file.hpp"

namespace tool {

/// What is to be replayed, and when.
struct ReplayPlan {
    std::string file;
    /// When: at the recorded times, so many times as fast; or at a rate; or, with neither, as fast as it goes.
    double speed = 1;
    std::optional<pktverbs::Rate> rate = {};
    bool at_once = false;
    std::uint64_t turns = 1;  ///< the recording goes on in the next one after the mean distance of its frames
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();  ///< of frames that are sent, by all queues
    std::chrono::nanoseconds time = pktverbs::no_timeout;
    AddressRewrite rewrite = {};
    std::size_t max_frame_bytes = 0;  ///< longer ones are left out
};

/// What became of the frames; those of several queues can be added.
struct ReplayCounts {
    std::uint64_t sent = 0, bytes = 0;
    std::uint64_t too_long = 0;   ///< left out: longer than the device sends
    std::uint64_t too_short = 0;  ///< left out: less than an Ethernet header
    std::uint64_t cut = 0;        ///< left out: the file has only their beginning
    std::uint64_t backwards = 0;  ///< recorded before the frame before them: sent at once
    std::uint64_t left_out() const noexcept { return too_long + too_short + cut; }
    ReplayCounts& operator+=(const ReplayCounts& other) noexcept;
};

/// Sends, in one thread on one queue, every frame of the file whose flow is this queue's.
class Replayer {
public:
    using Clock = std::chrono::steady_clock;

    /// Of `queues` replayers this is the `index`th: they share the flows, so that each flow stays in order. The queue
    /// must outlive it.
    Replayer(pktverbs::Queue& queue, ReplayPlan plan, std::size_t index, std::size_t queues);

    /// Frames are due from `start` on. Ends at the end of the file, of the plan, on a stop, and if the device refuses a
    /// frame. Throws as CaptureFile does.
    void run(Clock::time_point start, const std::stop_token& stop);

    /// Any thread.
    std::uint64_t sent() const noexcept { return sent_.load(std::memory_order_relaxed); }
    std::uint64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }
    /// After the end.
    const ReplayCounts& counts() const noexcept { return counts_; }
    /// By how much the frames were handed to the device later than they were due, in nanoseconds.
    const pktverbs::Histogram& lateness() const noexcept { return lateness_; }
    /// Whether it was stopped, or the device refused a frame, before all that the plan wants was sent.
    bool is_cut_short() const noexcept { return is_cut_short_; }
    int error() const noexcept { return error_; }  ///< the errno with which the device refused a frame

private:
    struct Due {
        CaptureFile::Frame frame;
        std::chrono::nanoseconds at;  ///< from the start
    };

    std::optional<Due> next();
    bool is_mine(std::span<const std::uint8_t> frame) const noexcept;
    /// When the frame is due by the plan.
    std::chrono::nanoseconds due(const CaptureFile::Frame& frame);
    bool wait(Clock::time_point time, const std::stop_token& stop) const;
    bool send(const Due& due, Clock::time_point start, const std::stop_token& stop);

    pktverbs::Queue& queue_;
    ReplayPlan plan_;
    std::size_t index_, queues_;
    CaptureFile file_;
    std::uint64_t turn_ = 1;
    std::uint64_t frames_ = 0;                       ///< read, of all queues
    std::optional<std::chrono::nanoseconds> first_;  ///< the first frame's recorded time
    std::chrono::nanoseconds last_{0}, begun_{0};    ///< of this turn, from the first turn's start, as recorded
    std::uint64_t frames_in_turn_ = 0;
    double scheduled_ = 0;  ///< seconds, by a rate
    std::atomic<std::uint64_t> sent_{0}, bytes_{0};
    ReplayCounts counts_;
    pktverbs::Histogram lateness_;
    int error_ = 0;
    bool is_cut_short_ = false;
};

}  // namespace tool
