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

/// Reads no more at once than it must, because the frame that is due next would be late by as long as that takes: what
/// is due already, and one frame more. The rest is read ahead while nothing is due.
///
/// Times are of CLOCK_MONOTONIC, in nanoseconds. One thread at a time, but any thread reads the counters.
class Replay {
public:
    Replay(CaptureReader reader, const Settings& settings);

    bool has_started() const noexcept { return has_started_; }
    void start(std::uint64_t now) noexcept;

    /// Frames that are due at that time, the next ones, at most `most`; they stay the next until they are taken. None
    /// only if none is due.
    std::span<const RxFrame> due(std::uint64_t now, std::size_t most) noexcept;
    /// They were given to the device, at that time.
    void take(std::size_t count, std::uint64_t now) noexcept;
    /// Reads a frame more, if there is room for it.
    void read_ahead() noexcept;
    /// When the next frame is due; Alarm::never if there is none to be had now.
    std::uint64_t next_due() noexcept {
        look(0);
        return next_ == end_ ? Alarm::never : dues_[next_ % batch];
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

    void look(std::uint64_t now) noexcept {
        if (next_ == end_ && !has_ended_) fill(now);
    }
    void fill(std::uint64_t now) noexcept;
    bool read() noexcept;
    bool next_round() noexcept;
    bool add(const CapturedFrame& frame) noexcept;

    CaptureReader reader_;
    Schedule schedule_;
    const bool at_recorded_times_;
    const std::uint64_t rounds_wanted_;
    const std::uint32_t max_frame_;
    bool has_started_ = false;
    bool has_ended_ = false;
    bool round_has_frames_ = false;

    // Those from next_ up to end_ are read ahead, each at its number % batch.
    std::size_t next_ = 0;
    std::size_t end_ = 0;
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
