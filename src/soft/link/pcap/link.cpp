// SPDX-License-Identifier: Apache-2.0
#include "soft/link/pcap/link.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

#include <fmt/core.h>

namespace pktverbs::soft::pcap {
namespace {

std::uint64_t monotonic_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

// The file to write to comes last: it is emptied.
PcapLink::PcapLink(const Settings& settings) : settings_{settings} {
    if (!settings_.in.empty()) replay_.emplace(CaptureReader{settings_.in}, settings_);
    if (!settings_.out.empty()) recorder_.emplace(settings_.out, settings_.max_frame());
}

void PcapLink::attach(Sink& sink) {
    sink_.store(&sink);
    wants_receive_.store(replay_.has_value(), std::memory_order_relaxed);
}

void PcapLink::detach() noexcept {
    wants_receive_.store(false, std::memory_order_relaxed);
    const std::lock_guard lock{receive_mutex_};
    sink_.store(nullptr);
}

std::size_t PcapLink::send(std::span<const TxFrame> frames) noexcept {
    if (recorder_ && recorder_->record(frames)) {
        recorded_.add(frames.size());
        return frames.size();
    }
    unsent_.add(frames.size());
    if (recorder_ && out_error_.load(std::memory_order_relaxed) == 0) {
        out_error_.store(recorder_->error(), std::memory_order_relaxed);
        go_down();
    }
    return frames.size();
}

int PcapLink::set_flows(std::span<const FlowMatch* const> flows) noexcept {
    has_flows_.store(!flows.empty());
    if (replay_ && !flows.empty()) alarm_.set(Alarm::at_once);
    return 0;
}

void PcapLink::receive(std::size_t most) noexcept {
    const std::lock_guard lock{receive_mutex_};
    const bool waited = waited_.exchange(false, std::memory_order_relaxed);
    if (!sink_.load(std::memory_order_relaxed) || has_ended_.load(std::memory_order_relaxed)) return;
    if (!has_flows_.load() && (!replay_->has_started() || !settings_.at_recorded_times)) {
        alarm_.set(Alarm::never);
        if (has_flows_.load()) alarm_.set(Alarm::at_once);  // set_flows() came in between
        return;
    }
    if (!replay_->has_started()) replay_->start(monotonic_ns());
    if (deliver(most) == 0 && waited) {
        spin_until_due();
        deliver(most);
    }
    if (replay_->is_over()) return end();
    set_alarm();
}

std::size_t PcapLink::deliver(std::size_t most) noexcept {
    std::size_t delivered = 0;
    lacks_receive_ = false;
    while (delivered < most && !lacks_receive_) {
        const auto frames = replay_->due(monotonic_ns(), most - delivered);
        if (frames.empty()) {
            // But not in the call after one that delivered: a thread has its frames when a poll has found no more.
            if (is_idle_ && delivered == 0) replay_->read_ahead();
            is_idle_ = delivered == 0;
            break;
        }
        std::size_t taken = frames.size();
        if (settings_.at_recorded_times)
            sink_.load(std::memory_order_relaxed)->deliver(frames);
        else
            taken = sink_.load(std::memory_order_relaxed)->offer(frames);
        lacks_receive_ = taken < frames.size();
        replay_->take(taken, monotonic_ns());
        delivered += taken;
    }
    return delivered;
}

/// For a thread that the alarm has woken.
void PcapLink::spin_until_due() noexcept {
    const std::uint64_t due = replay_->next_due();
    if (lacks_receive_ || due > monotonic_ns() + lead_ns) return;
    while (monotonic_ns() < due) {
    }
}

void PcapLink::set_alarm() noexcept {
    if (lacks_receive_) return alarm_.set(monotonic_ns() + receive_retry_ns);
    const std::uint64_t due = replay_->next_due(), now = monotonic_ns();
    if (due == Alarm::never) return alarm_.set(now + pipe_retry_ns);
    // Not to times that have passed: a further one is a further system call, of microseconds.
    alarm_.set(due > now + lead_ns ? due - lead_ns : Alarm::at_once);
}

void PcapLink::end() noexcept {
    wants_receive_.store(false, std::memory_order_relaxed);
    alarm_.set(Alarm::never);
    has_ended_.store(true, std::memory_order_release);
    go_down();
}

void PcapLink::go_down() noexcept {
    if (!up_.exchange(false)) return;
    if (Sink* const sink = sink_.load()) sink->link_changed(false);
}

PcapReport PcapLink::report() const {
    PcapReport report{.recorded = recorded_.value()};
    if (const int error = out_error_.load(std::memory_order_relaxed); error != 0)
        report.out_error =
            fmt::format("cannot record to {}: {}", settings_.out, std::generic_category().message(error));
    if (!replay_) return report;
    report.ended = has_ended_.load(std::memory_order_acquire);
    report.replayed = replay_->taken();
    report.rounds = replay_->rounds();
    report.max_lateness = std::chrono::nanoseconds{replay_->max_lateness()};
    report.mean_lateness =
        std::chrono::nanoseconds{replay_->sum_lateness() / std::max<std::uint64_t>(replay_->taken(), 1)};
    // The reader is used no more.
    if (report.ended && !replay_->error().empty())
        report.in_error = fmt::format("cannot read {} to its end: {}", settings_.in, replay_->error());
    return report;
}

}  // namespace pktverbs::soft::pcap
