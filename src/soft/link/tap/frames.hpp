// SPDX-License-Identifier: Apache-2.0
// TapFrames: sends and receives frames through a tap's descriptor.
#pragma once

#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/counter.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft {

/// One thread sends, one receives.
class TapFrames {
public:
    /// The descriptor stays the caller's.
    explicit TapFrames(int fd);

    /// As Link::send(). Takes, and counts as lost, what the kernel will never take.
    std::size_t send(std::span<const TxFrame> frames) noexcept;
    /// Counts frames as lost. From the sending thread.
    void lose(std::size_t frames) noexcept { lost_.add(frames); }
    std::uint64_t lost() const noexcept { return lost_.value(); }

    /// Delivers up to `most` frames.
    void receive(std::size_t most, Sink& sink) noexcept;
    /// Frames that came damaged, and were not delivered.
    std::uint64_t damaged() const noexcept { return damaged_.value(); }

    /// The kernel has removed the interface.
    bool found_gone() const noexcept { return gone_.load(std::memory_order_relaxed); }

private:
    static constexpr std::size_t batch = 64;
    static constexpr std::size_t pieces = 1024;  // UIO_MAXIOV
    static constexpr std::size_t max_frame = 65535 + 64;
    static constexpr std::size_t batch_bytes = batch * 2048;

    /// Sets `empty` if the kernel has no more.
    std::size_t take(std::span<RxFrame> frames, bool& empty) noexcept;

    int fd_;
    std::array<iovec, pieces> pieces_{};
    Counter lost_;
    std::vector<std::uint8_t> room_;
    Counter damaged_;
    std::atomic<bool> gone_{false};
};

}  // namespace pktverbs::soft
