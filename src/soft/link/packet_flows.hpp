// SPDX-License-Identifier: Apache-2.0
// PacketFlows: the flows of a packet link, and what its sockets and its interface let through for them.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <pktverbs/address/mac_address.hpp>

#include "soft/link/link.hpp"
#include "soft/link/packet_bell.hpp"
#include "soft/link/packet_fanout.hpp"
#include "soft/link/packet_membership.hpp"
#include "soft/link/packet_settings.hpp"
#include "soft/steering/flow_match.hpp"

namespace pktverbs::soft {

/// A filter takes as long to make and attach as thousands of flows take to be changed. So only the first changes each
/// replace it, for as long as that takes no more than `filter_time` together; that time comes back slowly. With more,
/// the sockets accept everything, and the frames that the filter would have refused are refused here, after the ring.
/// The filter follows once flows have not changed for a while, or before a thread waits.
///
/// A frame is wanted if a flow wanted it when it came. The kernel says of each ring how far it has written it: those
/// places are written down as a flow comes and goes, and compared with a frame's.
class PacketFlows {
public:
    PacketFlows(PacketFanout& rings, PacketBell& bell, int interface_index, std::chrono::nanoseconds filter_time);

    /// From now on every change is one of the filter: for links that never wake in vain. Before the first of them.
    void filter_at_once() noexcept { always_filters_ = true; }

    // As the Link's. `own`: the interface's address. Return 0 or an errno; throw std::bad_alloc. Any thread.
    int set(std::span<const FlowMatch* const> flows, const MacAddress& own);
    int add(const FlowMatch& flow, const MacAddress& own);
    void remove(const FlowMatch& flow);

    // By the thread that takes frames.
    /// Whether settle() has something to do, now or later.
    bool is_unsettled() const noexcept { return is_unsettled_.load(std::memory_order_relaxed); }
    /// `waits`: a thread is going to wait for frames.
    void settle(bool waits) noexcept;
    /// Leaves out what no flow wanted, of frames that the rings have just given.
    std::span<RxFrame> keep_wanted(std::span<RxFrame> frames) noexcept {
        const std::size_t ring = rings_.current();
        const std::uint64_t place = rings_.place_of(frames.front());
        taken_[ring].store(place, std::memory_order_relaxed);
        if (place >= until_[ring].load(std::memory_order_acquire)) [[likely]]
            return frames;
        return check(frames, ring);
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds quiet_time{10};
    static constexpr int share_of_time = 50;         ///< of all time comes back as filter_time
    static constexpr std::size_t max_checked = 512;  ///< flows: a filter of more than about as many accepts everything
    static constexpr std::size_t max_gone = 512;

    using Places = std::array<std::uint64_t, PacketSettings::max_queues>;
    struct Entry {
        FlowMatch flow;
        std::optional<PacketMembership> membership;
        Places since;  ///< of each ring, the first that it wanted frames from
        Places until;  ///< the first that it no longer did; while in force, unused
    };
    enum class State {
        exact,   ///< the filter is that of the flows
        loose,   ///< it accepts what no flow wants
        closing  ///< it is that of the flows again; a frame may be on its way that passed the one before
    };

    Places places() const noexcept;
    int attach(std::span<const sock_filter> filter);
    int attach_exact();
    int attach_timed(Clock::time_point now);
    int let_through(Clock::time_point now);
    bool may_attach(Clock::time_point now) noexcept;
    bool is_checking() const noexcept;
    void loosen(Clock::time_point now) noexcept;
    void keep_gone(const Entry& entry) noexcept;
    void set_state(State state, Clock::time_point now) noexcept;
    int acquire(const std::optional<PacketMembership>& membership);
    void release(const std::optional<PacketMembership>& membership) noexcept;
    void drop_memberships();
    std::span<RxFrame> check(std::span<RxFrame> frames, std::size_t ring) noexcept;
    bool is_wanted(const RxFrame& frame, std::size_t ring, std::uint64_t place) const noexcept;

    PacketFanout& rings_;
    PacketBell& bell_;
    const Clock::duration max_allowance_;
    bool always_filters_ = false;

    std::mutex mutex_;  ///< of what follows, but for the atomics
    PacketMemberships memberships_;
    std::map<PacketMembership, std::size_t> held_;  ///< and how many flows want it
    std::map<const FlowMatch*, Entry> flows_;
    std::vector<Entry> gone_;  ///< flows no longer in force that frames in the rings may have come for
    State state_ = State::exact;
    bool accepts_all_ = false;
    Clock::time_point changed_{};  ///< the flows, or the state
    Clock::duration allowance_;    ///< to attach filters at once
    Clock::time_point refilled_{};
    Places checked_from_{};  ///< frames before were refused by the kernel, if at all

    std::atomic<bool> is_unsettled_{false};
    std::array<std::atomic<std::uint64_t>, PacketSettings::max_queues> until_{};  ///< frames are checked
    std::array<std::atomic<std::uint64_t>, PacketSettings::max_queues> taken_{};  ///< all before are taken
};

}  // namespace pktverbs::soft
