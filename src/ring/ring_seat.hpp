// SPDX-License-Identifier: Apache-2.0
// RingSeat: one side of a ring, taken by this process; the kernel frees it when the process dies.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>

#include <pktverbs/ring/ring_layout.hpp>

#include "base/file_descriptor.hpp"
#include "ring/ring_mapping.hpp"

namespace pktverbs {

/// Held is a lock on one byte of the ring's file, through an open file description of its own (fcntl(2), F_OFD_SETLK):
/// it ends with the process, whatever thread took it, in any PID namespace. A forked child shares it until exec or
/// exit.
class __attribute__((visibility("hidden"))) RingSeat {
public:
    enum class Side : std::uint8_t { producer, consumer };

    /// Takes the side, and cleans up after a holder that died. Throws std::system_error: EBUSY if it is taken.
    RingSeat(std::shared_ptr<const RingMapping> mapping, Side side);
    RingSeat(const RingSeat&) = delete;
    RingSeat& operator=(const RingSeat&) = delete;
    ~RingSeat();

    const RingView& view() const noexcept { return mapping_->view(); }
    RingSide& own() const noexcept { return of(side_); }
    RingSide& other() const noexcept { return of(opposite()); }

    /// Tells the other side that something was done.
    void notify() const noexcept { notify(own()); }
    /// Until the other side's events aren't `seen` any more, `at_most` has passed, or for no reason.
    void sleep(std::uint32_t seen, std::chrono::nanoseconds at_most) const noexcept;
    /// Ends a sleep() of this side, from any thread.
    void wake() const noexcept;

    /// How it is with the other side. Cleans up after one that died.
    RingPeer look() const noexcept;

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

/// How long a side sleeps before it looks whether the other one is still alive: the kernel wakes nobody at a death.
inline constexpr std::chrono::nanoseconds look_interval = std::chrono::milliseconds{20};

}  // namespace pktverbs
