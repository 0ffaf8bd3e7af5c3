// SPDX-License-Identifier: Apache-2.0
// Replay: the frames of a capture, read ahead, each with the time at which it is due.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/counter.hpp"
#include "soft/link/alarm.hpp"
#include "soft/link/link.hpp"
#include "soft/link/pcap/capture_reader.hpp"
#include "soft/link/pcap/schedule.hpp"
#include "soft/link/pcap/settings.hpp"

namespace pktverbs::soft::pcap {

/// Times are of CLOCK_MONOTONIC, in nanoseconds. One thread at a time, but any thread reads the counters.
class Replay {
public:
    Replay(CaptureReader reader, const Settings& settings);

    bool has_started() const noexcept { return has_started_; }
    void start(std::uint64_t now) noexcept;

    /// The next frames that are due at that time, at most `most`; they stay the next until they are taken.
    std::span<const RxFrame> due(std::uint64_t now, std::size_t most) noexcept;
    void take(std::size_t count, std::uint64_t now) noexcept;
    /// When the next frame is due; Alarm::never if there is none to be had now.
    std::uint64_t next_due() noexcept {
        look();
        return next_ == count_ ? Alarm::never : dues_[next_];
    }
    /// Every frame was taken, and there is none any more.
    bool is_over() noexcept { return next_due() == Alarm::never && has_ended_; }

    /// Why the capture could not be read to its end; empty if it could. After is_over().
    std::string_view error() const noexcept { return reader_.error(); }

    // Any thread.
    std::uint64_t taken() const noexcept { return taken_.value(); }
    std::uint64_t rounds() const noexcept { return rounds_.value(); }
    /// Frames too short or too long for Ethernet.
    std::uint64_t unfit() const noexcept { return unfit_.value(); }
    std::uint64_t max_lateness() const noexcept { return max_lateness_.value(); }
    std::uint64_t sum_lateness() const noexcept { return sum_lateness_.value(); }

private:
    static constexpr std::size_t batch = 64;

    void look() noexcept {
        if (next_ == count_ && !has_ended_) fill();
    }
    void fill() noexcept;
    bool next_round() noexcept;
    void add(const CapturedFrame& frame) noexcept;

    CaptureReader reader_;
    Schedule schedule_;
    const bool at_recorded_times_;
    const std::uint64_t rounds_wanted_;
    const std::uint32_t max_frame_;
    bool has_started_ = false;
    bool has_ended_ = false;
    bool round_has_frames_ = false;

    // Read ahead; those before next_ were taken.
    std::size_t next_ = 0;
    std::size_t count_ = 0;
    std::array<RxFrame, batch> frames_{};
    std::array<std::uint64_t, batch> dues_{};
    std::vector<std::uint8_t> bytes_;

    Counter taken_;
    Counter rounds_;
    Counter unfit_;
    Counter max_lateness_;
    Counter sum_lateness_;
};

}  // namespace pktverbs::soft::pcap
