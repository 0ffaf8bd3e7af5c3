// SPDX-License-Identifier: Apache-2.0
// RingSeat: one side of a ring, held by this process; the kernel frees it when the process dies.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>

#include <pktverbs/ring/ring_layout.hpp>

#include "base/deadline.hpp"
#include "base/file_descriptor.hpp"
#include "base/process_id.hpp"
#include "ring/ring_mapping.hpp"

namespace pktverbs {

/// It holds a lock on one byte of the ring's file, through its own open file description (fcntl(2), F_OFD_SETLK): the
/// lock ends with the process, whichever thread took it, in any PID namespace. A forked child shares it until exec or
/// exit. No wait on a lock is longer than lock_limit: any process that can open the file can hold it.
class __attribute__((visibility("hidden"))) RingSeat {
public:
    enum class Side : std::uint8_t { producer, consumer };

    /// Takes the side, and cleans up after a holder that died. Throws std::system_error: EBUSY if it is taken,
    /// ETIMEDOUT if another process keeps the lock for cleaning up.
    RingSeat(std::shared_ptr<const RingMapping> mapping, Side side);
    RingSeat(const RingSeat&) = delete;
    RingSeat& operator=(const RingSeat&) = delete;
    ~RingSeat();

    const RingView& view() const noexcept { return mapping_->view(); }
    RingSide& own() const noexcept { return of(side_); }
    RingSide& other() const noexcept { return of(opposite()); }

    /// Signals an event to the other side.
    void notify() const noexcept { notify(own()); }
    /// Sleeps until the other side's events are no longer `seen`, or `at_most` has passed; may wake spuriously.
    void sleep(std::uint32_t seen, std::chrono::nanoseconds at_most) const noexcept;
    /// Ends a sleep() of this side, from any thread.
    void wake() const noexcept;

    /// The other side's state. Cleans up after one that died, unless another process is doing so.
    RingPeer look() const noexcept;

    /// Whether this process took the seat, or used it last; false in a child forked since. A seat that isn't ours ends
    /// without any effect.
    bool is_ours() const noexcept { return process_.load(std::memory_order_relaxed) == process_id(); }
    void use() const noexcept { process_.store(process_id(), std::memory_order_relaxed); }

private:
    Side opposite() const noexcept { return side_ == Side::producer ? Side::consumer : Side::producer; }
    RingSide& of(Side side) const noexcept {
        RingHeader& header = view().header();
        return side == Side::producer ? header.producer : header.consumer;
    }
    static void notify(RingSide& side) noexcept;
    void recover(Side side) const noexcept;

    std::shared_ptr<const RingMapping> mapping_;
    FileDescriptor lock_;
    Side side_;
    mutable std::atomic<pid_t> process_ = process_id();
};

/// Ends sleep() when stop is requested.
class __attribute__((visibility("hidden"))) SeatStop {
public:
    SeatStop(const std::stop_token& stop, const RingSeat& seat) : callback_{stop, Wake{&seat}} {}

private:
    struct Wake {
        const RingSeat* seat;
        void operator()() const noexcept { seat->wake(); }
    };
    std::stop_callback<Wake> callback_;
};

/// How long a side sleeps before it checks whether the other one is still alive: a death wakes no sleeper.
inline constexpr std::chrono::nanoseconds look_interval = std::chrono::milliseconds{20};
/// How long an attaching side waits for one that cleans up, which only reads some bitmaps.
inline constexpr std::chrono::nanoseconds lock_limit = std::chrono::milliseconds{500};

/// Waits for the other side: call begin(), check the condition, sleep(), and repeat.
class __attribute__((visibility("hidden"))) SeatWait {
public:
    explicit SeatWait(const RingSeat& seat) noexcept : seat_{seat} {}

    /// An event after this ends the sleep().
    std::uint32_t begin() const noexcept { return seat_.other().events.load(std::memory_order_seq_cst); }
    /// Checks the other side afterwards if there was no event, or if there have been events for a while, whatever their
    /// source.
    void sleep(std::uint32_t seen, const Deadline& deadline) noexcept {
        seat_.sleep(seen, deadline.left_at_most(look_interval));
        if (seat_.other().events.load(std::memory_order_relaxed) != seen && !look_due_.passed()) return;
        seat_.look();
        look_due_ = Deadline{look_interval};
    }

private:
    const RingSeat& seat_;
    Deadline look_due_{look_interval};
};

}  // namespace pktverbs
