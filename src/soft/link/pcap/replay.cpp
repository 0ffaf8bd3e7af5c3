// SPDX-License-Identifier: Apache-2.0
#include "soft/link/pcap/replay.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/frame_sizes.hpp"

namespace pktverbs::soft::pcap {

Replay::Replay(CaptureReader reader, const Settings& settings)
    : reader_{std::move(reader)},
      schedule_{settings.speed},
      at_recorded_times_{settings.at_recorded_times},
      rounds_wanted_{settings.rounds},
      max_frame_{settings.max_frame()},
      bytes_(batch * std::size_t{max_frame_}) {}

void Replay::start(std::uint64_t now) noexcept {
    has_started_ = true;
    schedule_.start(now);
}

std::span<const RxFrame> Replay::due(std::uint64_t now, std::size_t most) noexcept {
    look(now);
    const std::size_t first = next_ % batch;
    const std::size_t limit = std::min({most, end_ - next_, batch - first});
    std::size_t count = 0;
    while (count < limit && dues_[first + count] <= now) ++count;
    return std::span{frames_}.subspan(first, count);
}

void Replay::take(std::size_t count, std::uint64_t now) noexcept {
    if (at_recorded_times_)
        for (const std::uint64_t due : std::span{dues_}.subspan(next_ % batch, count)) {
            max_lateness_.raise_to(now - due);
            sum_lateness_.add(now - due);
        }
    next_ += count;
    taken_.add(count);
}

void Replay::read_ahead() noexcept {
    if (end_ - next_ < batch && !has_ended_) read();
}

/// Reads what is due at that time, and one frame more.
void Replay::fill(std::uint64_t now) noexcept {
    next_ = end_ = 0;
    while (end_ < batch && read())
        if (dues_[end_ - 1] > now) return;
}

/// Reads one frame. False if there is none now.
bool Replay::read() noexcept {
    while (!has_ended_) {
        CapturedFrame frame{};
        switch (reader_.read(frame)) {
            case CaptureReader::Result::frame:
                if (add(frame)) return true;
                break;
            case CaptureReader::Result::nothing_yet:
                return false;
            case CaptureReader::Result::end:
                has_ended_ = !next_round();
                break;
            case CaptureReader::Result::failed:
                has_ended_ = true;
                break;
        }
    }
    return false;
}

/// False if the one that ends was the last.
bool Replay::next_round() noexcept {
    rounds_.add(1);
    // One without frames would be read for ever.
    if (rounds_.value() == rounds_wanted_ || !round_has_frames_ || !reader_.rewind()) return false;
    round_has_frames_ = false;
    schedule_.begin_round();
    return true;
}

/// False if it does not fit Ethernet.
bool Replay::add(const CapturedFrame& frame) noexcept {
    const std::uint64_t due = at_recorded_times_ ? schedule_.due(frame.time_ns) : 0;
    if (frame.length < ethernet_bytes || frame.length > max_frame_) {
        unfit_.add(1);
        return false;
    }
    round_has_frames_ = true;
    const std::size_t slot = end_ % batch;
    std::uint8_t* const copy = &bytes_[slot * max_frame_];
    std::memcpy(copy, frame.data, frame.length);
    // For the device, 0 means that the frame has no time.
    frames_[slot] = {copy, frame.length, false, std::max<std::uint64_t>(frame.time_ns, 1)};
    dues_[slot] = due;
    ++end_;
    return true;
}

}  // namespace pktverbs::soft::pcap
