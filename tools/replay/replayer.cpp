// SPDX-License-Identifier: Apache-2.0
#include "replayer.hpp"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include <pktverbs/net/net.hpp>

namespace tool {

using namespace std::chrono_literals;

namespace {

/// Of what is replayed, all turns together: a hundred years.
constexpr std::chrono::nanoseconds max_length = std::chrono::hours{24 * 365 * 100};

/// Nanoseconds, as far as the clock's own times reach: what is due later never comes.
std::chrono::nanoseconds in_time(double nanoseconds) noexcept {
    constexpr double never = 3.15e17;  // ten years, as far from the end of 64 bits as from a program's
    return std::chrono::nanoseconds{static_cast<std::int64_t>(std::min(nanoseconds, never))};
}

/// What the frames of a flow have in common: the addresses of IP packets; else the MAC addresses.
std::uint64_t flow_hash(std::span<const std::uint8_t> frame) noexcept {
    // FNV-1a, 64 bits.
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto add = [&](std::span<const std::uint8_t> bytes) {
        for (const auto byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
    };
    const pktverbs::net::Headers headers{frame};
    if (const auto ipv4 = headers.ipv4()) {
        add(ipv4.src().bytes());
        add(ipv4.dst().bytes());
    } else if (const auto ipv6 = headers.ipv6()) {
        add(ipv6.src().bytes());
        add(ipv6.dst().bytes());
    } else {
        add(frame.first(std::min<std::size_t>(frame.size(), 12)));
    }
    // Ports are left out: later fragments have none.
    return hash ^ hash >> 32;
}

}  // namespace

ReplayCounts& ReplayCounts::operator+=(const ReplayCounts& other) noexcept {
    sent += other.sent;
    bytes += other.bytes;
    too_long += other.too_long;
    too_short += other.too_short;
    cut += other.cut;
    backwards += other.backwards;
    return *this;
}

Replayer::Replayer(pktverbs::Queue& queue, ReplayPlan plan, std::size_t index, std::size_t queues)
    : queue_{queue}, plan_{std::move(plan)}, index_{index}, queues_{queues}, file_{plan_.file} {}

bool Replayer::is_mine(std::span<const std::uint8_t> frame) const noexcept {
    return queues_ == 1 || flow_hash(frame) % queues_ == index_;
}

std::chrono::nanoseconds Replayer::due(const CaptureFile::Frame& frame) {
    if (plan_.at_once) return 0ns;
    if (plan_.rate) {
        const auto at = scheduled_;
        scheduled_ += 1 / plan_.rate->packets_per_second(frame.bytes.size());
        return in_time(1e9 * at);
    }
    if (!first_) first_ = frame.time;
    auto recorded = begun_ + (frame.time - *first_);  // of times from 1970 to 2262: no overflow
    if (recorded > max_length) recorded = max_length;
    if (recorded < last_) {
        if (is_mine(frame.bytes)) ++counts_.backwards;
        recorded = last_;
    }
    last_ = recorded;
    return in_time(static_cast<double>(recorded.count()) / plan_.speed);
}

std::optional<Replayer::Due> Replayer::next() {
    while (true) {
        const auto frame = file_.next();
        if (!frame) {
            if (turn_ == plan_.turns || frames_in_turn_ == 0) return {};
            ++turn_;
            file_.rewind();
            // As if the recording went on after one more mean distance.
            const auto length = last_ - begun_;
            begun_ = last_ + (frames_in_turn_ > 1 ? length / static_cast<std::int64_t>(frames_in_turn_ - 1) : 0ns);
            first_.reset();
            frames_in_turn_ = 0;
            continue;
        }
        ++frames_in_turn_;
        if (frames_ >= plan_.count) return {};
        const bool is_mine_too = is_mine(frame->bytes);
        auto* const reason = frame->bytes.size() < 14                      ? &counts_.too_short
                             : frame->is_cut                               ? &counts_.cut
                             : frame->bytes.size() > plan_.max_frame_bytes ? &counts_.too_long
                                                                           : nullptr;
        // What is left out takes its time all the same, unless the rate is given.
        if (reason != nullptr) {
            if (is_mine_too) ++*reason;
            if (!plan_.rate) due(*frame);
            continue;
        }
        ++frames_;
        const auto at = due(*frame);
        if (is_mine_too) return Due{*frame, at};
    }
}

bool Replayer::wait(Clock::time_point time, const std::stop_token& stop) const {
    // The kernel wakes sleepers some 50 us late (prctl(2), PR_SET_TIMERSLACK): the rest is polled.
    constexpr auto spin = 200us;
    for (auto now = Clock::now(); now < time; now = Clock::now()) {
        if (stop.stop_requested()) return false;
        if (const auto left = time - now; left > spin)
            std::this_thread::sleep_for(std::min<Clock::duration>(left - spin, 50ms));
    }
    return true;
}

bool Replayer::send(const Due& due, Clock::time_point start, const std::stop_token& stop) {
    auto packets = queue_.acquire(1);
    while (packets.empty()) {
        if (stop.stop_requested()) return false;
        if (queue_.in_error()) {
            error_ = EIO;
            return false;
        }
        packets = queue_.acquire(1, 100ms, stop);
    }
    auto& pkt = packets.front();
    const auto& bytes = due.frame.bytes;
    std::ranges::copy(bytes, pkt.buffer().begin());
    pkt.set_length(bytes.size());
    plan_.rewrite.apply(pkt.bytes());
    const auto time = start + due.at;
    if (!plan_.at_once && !wait(time, stop)) return false;
    const auto refused = queue_.send(std::move(packets));
    if (!refused.empty()) {
        error_ = refused.error();
        return false;
    }
    if (!plan_.at_once)
        lateness_.record(static_cast<std::uint64_t>(std::max<std::int64_t>((Clock::now() - time).count(), 0)));
    sent_.store(sent_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes.size(), std::memory_order_relaxed);
    return true;
}

void Replayer::run(Clock::time_point start, const std::stop_token& stop) {
    const auto end = plan_.time == pktverbs::no_timeout ? Clock::time_point::max() : start + plan_.time;
    while (true) {
        const auto frame = next();
        if (!frame || start + frame->at >= end || (plan_.at_once && Clock::now() >= end)) break;
        is_cut_short_ = stop.stop_requested() || !send(*frame, start, stop);
        if (is_cut_short_) break;
    }
    queue_.flush(2s);
    counts_.sent = sent();
    counts_.bytes = bytes();
}

}  // namespace tool
