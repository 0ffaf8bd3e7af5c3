// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_flows.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <utility>

#include "soft/link/packet_filter.hpp"
#include "soft/steering/frame_key.hpp"

namespace pktverbs::soft {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

/// As the filter has it (compile_packet_filter()), for frames that are not malformed.
bool wants(const FlowMatch& flow, const FrameKey& key) noexcept {
    if (!flow.wants_frames()) return false;
    if (flow.type == IBV_FLOW_ATTR_MC_DEFAULT && (key.dst_mac[0] & 1) == 0) return false;
    return flow.matches(key) || ((key.flags & FrameKey::is_fragment) != 0 && flow.misses(key));
}

}  // namespace

PacketFlows::PacketFlows(PacketFanout& rings, PacketBell& bell, int interface_index,
                         std::chrono::nanoseconds filter_time)
    : rings_{rings},
      bell_{bell},
      max_allowance_{filter_time},
      memberships_{rings.first(), interface_index},
      allowance_{filter_time} {}

PacketFlows::Places PacketFlows::places() const noexcept {
    Places places{};
    rings_.ends(places);
    return places;
}

int PacketFlows::attach(std::span<const sock_filter> filter) {
    const int error = rings_.attach_filter(filter);
    if (error == 0 && bell_.attach_filter(filter) == ENOMEM) bell_.attach_filter(accept_all_filter());
    return error;
}

int PacketFlows::attach_exact() {
    std::vector<const FlowMatch*> flows;
    for (const auto& [address, entry] : flows_) flows.push_back(&entry.flow);
    const int error = attach(compile_packet_filter(flows));
    if (error == 0) accepts_all_ = false;
    return error;
}

int PacketFlows::attach_timed(Clock::time_point now) {
    const int error = attach_exact();
    allowance_ -= Clock::now() - now;
    return error;
}

/// Not while flows change one after the other, once it was too much.
bool PacketFlows::may_attach(Clock::time_point now) noexcept {
    if (always_filters_) return true;
    allowance_ = std::min(max_allowance_, allowance_ + (now - refilled_) / share_of_time);
    refilled_ = now;
    return allowance_ > Clock::duration::zero() && (state_ != State::loose || now - changed_ >= quiet_time);
}

void PacketFlows::set_state(State state, Clock::time_point now) noexcept {
    state_ = state;
    changed_ = now;
    is_unsettled_.store(state != State::exact, std::memory_order_relaxed);
}

/// Whether frames that were not refused by a filter may be in the rings, or come.
bool PacketFlows::is_checking() const noexcept {
    for (std::size_t ring = 0; ring < until_.size(); ++ring)
        if (taken_[ring].load(std::memory_order_relaxed) < until_[ring].load(std::memory_order_relaxed)) return true;
    return false;
}

/// From now on the filter may accept more than the flows want. Before it does.
void PacketFlows::loosen(Clock::time_point now) noexcept {
    if (state_ == State::exact) {
        if (!is_checking()) {
            checked_from_ = places();
            gone_.clear();
        }
        // Release: who reads a place sees the flows, and takes the lock for them anyhow.
        for (auto& until : until_) until.store(never, std::memory_order_release);
    }
    set_state(State::loose, now);
}

/// A flow goes: what came for it before is still wanted.
void PacketFlows::keep_gone(const Entry& entry) noexcept {
    if (!is_checking()) return;
    const Places now = places();
    bool has_frames = false;
    for (std::size_t ring = 0; ring < now.size(); ++ring)
        has_frames |= std::max({entry.since[ring], checked_from_[ring], taken_[ring].load()}) < now[ring];
    if (!has_frames) return;
    if (gone_.size() >= max_gone)
        std::erase_if(gone_, [&](const Entry& gone) {
            for (std::size_t ring = 0; ring < now.size(); ++ring)
                if (gone.until[ring] > taken_[ring].load()) return false;
            return true;
        });
    try {
        if (gone_.size() < max_gone) {
            gone_.push_back(entry);
            gone_.back().until = now;
            return;
        }
    } catch (const std::bad_alloc&) {
    }
    // What is in the rings is not refused here, and the device looks at it.
    checked_from_ = now;
    gone_.clear();
}

int PacketFlows::acquire(const std::optional<PacketMembership>& membership) {
    if (!membership) return 0;
    const auto [at, is_new] = held_.try_emplace(*membership, 0);
    if (is_new) {
        std::vector<PacketMembership> wanted;
        try {
            for (const auto& [held, count] : held_) wanted.push_back(held);
            if (const int error = memberships_.add(std::move(wanted))) {
                held_.erase(at);
                return error;
            }
        } catch (...) {
            held_.erase(at);
            throw;
        }
        memberships_.commit();
    }
    ++at->second;
    return 0;
}

/// The interface keeps it until drop_memberships().
void PacketFlows::release(const std::optional<PacketMembership>& membership) noexcept {
    if (membership) --held_.at(*membership);
}

void PacketFlows::drop_memberships() {
    std::vector<PacketMembership> wanted;
    for (const auto& [held, count] : held_)
        if (count != 0) wanted.push_back(held);
    if (wanted.size() == held_.size()) return;
    if (memberships_.add(std::move(wanted)) != 0) return;
    memberships_.commit();
    std::erase_if(held_, [](const auto& held) { return held.second == 0; });
}

int PacketFlows::set(std::span<const FlowMatch* const> flows, const MacAddress& own) {
    const std::lock_guard lock{mutex_};
    const Places now = places();
    std::map<const FlowMatch*, Entry> entries;
    std::map<PacketMembership, std::size_t> wanted;
    std::vector<PacketMembership> memberships;
    for (const FlowMatch* flow : flows) {
        const auto old = flows_.find(flow);
        entries.insert_or_assign(
            flow, Entry{*flow, find_membership(*flow, own), old == flows_.end() ? now : old->second.since, {}});
    }
    for (const auto& [address, entry] : entries)
        if (entry.membership) ++wanted[*entry.membership];
    for (const auto& [membership, count] : wanted) memberships.push_back(membership);
    // What may fail goes first and can be undone; what is dropped last can't.
    if (const int error = memberships_.add(std::move(memberships))) return error;
    flows_.swap(entries);
    int error = ENOMEM;
    try {
        error = attach_exact();
    } catch (const std::bad_alloc&) {
    }
    if (error != 0) {
        flows_.swap(entries);
        memberships_.undo();
        return error;
    }
    memberships_.commit();
    held_.swap(wanted);
    for (const auto& [address, entry] : entries)
        if (!flows_.contains(address)) keep_gone(entry);
    if (state_ != State::exact) set_state(State::closing, Clock::now());
    return 0;
}

/// What the flows want, one of which is new.
int PacketFlows::let_through(Clock::time_point now) {
    if (may_attach(now)) {
        const int error = attach_timed(now);
        if (error == 0 && state_ != State::exact) set_state(State::closing, now);
        return error;
    }
    loosen(now);
    if (accepts_all_) return 0;
    const int error = attach(accept_all_filter());
    accepts_all_ = error == 0;
    return error;
}

int PacketFlows::add(const FlowMatch& flow, const MacAddress& own) {
    const std::lock_guard lock{mutex_};
    const auto now = Clock::now();
    const auto entry = flows_.insert_or_assign(&flow, Entry{flow, find_membership(flow, own), places(), {}}).first;
    int error = ENOMEM;
    bool has_membership = false;
    try {
        error = acquire(entry->second.membership);
        has_membership = error == 0;
        if (error == 0) error = let_through(now);
    } catch (const std::bad_alloc&) {
    }
    if (error == 0) return 0;
    if (has_membership) release(entry->second.membership);
    flows_.erase(entry);
    drop_memberships();
    return error;
}

void PacketFlows::remove(const FlowMatch& flow) {
    const std::lock_guard lock{mutex_};
    const auto entry = flows_.find(&flow);
    if (entry == flows_.end()) return;
    const auto now = Clock::now();
    const bool attaches = may_attach(now);
    if (!attaches) loosen(now);
    keep_gone(entry->second);
    release(entry->second.membership);
    flows_.erase(entry);
    if (!attaches) return;
    try {
        if (attach_timed(now) == 0) {
            if (state_ != State::exact) set_state(State::closing, now);
            drop_memberships();
            return;
        }
    } catch (const std::bad_alloc&) {
    }
    loosen(now);  // tries again
}

void PacketFlows::settle(bool waits) noexcept try {
    std::unique_lock lock{mutex_, std::defer_lock};
    if (waits)
        lock.lock();
    else if (!lock.try_lock())
        return;  // they change
    const auto now = Clock::now();
    const bool are_quiet = now - changed_ >= quiet_time;
    if (state_ == State::loose && (waits || are_quiet)) {
        changed_ = now;  // if it fails, again later
        if (attach_exact() != 0) return;
        drop_memberships();
        set_state(State::closing, now);
    } else if (state_ == State::closing && are_quiet) {
        // No frame is still between a filter of before and its ring.
        const Places end = places();
        for (std::size_t ring = 0; ring < end.size(); ++ring) until_[ring].store(end[ring], std::memory_order_release);
        set_state(State::exact, now);
    }
} catch (const std::bad_alloc&) {
}

std::span<RxFrame> PacketFlows::check(std::span<RxFrame> frames, std::size_t ring) noexcept {
    const std::lock_guard lock{mutex_};
    if (flows_.size() > max_checked) return frames;
    std::size_t kept = 0;
    for (const RxFrame& frame : frames) {
        const std::uint64_t place = rings_.place_of(frame);
        const bool is_checked = place >= checked_from_[ring] && place < until_[ring].load(std::memory_order_relaxed);
        if (!is_checked || is_wanted(frame, ring, place)) frames[kept++] = frame;
    }
    return frames.first(kept);
}

bool PacketFlows::is_wanted(const RxFrame& frame, std::size_t ring, std::uint64_t place) const noexcept {
    const FrameKey key = parse_frame({frame.data, frame.length});
    const auto is_of = [&](const auto& one) { return one.second.since[ring] <= place && wants(one.second.flow, key); };
    return std::ranges::any_of(flows_, is_of) || std::ranges::any_of(gone_, [&](const Entry& entry) {
               return entry.since[ring] <= place && place < entry.until[ring] && wants(entry.flow, key);
           });
}

}  // namespace pktverbs::soft
