// SPDX-License-Identifier: Apache-2.0
// Prober: sends probes by a schedule, and measures how long each takes.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/counters/histogram.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/time/device_clock.hpp>
#include "latency/probe.hpp"

namespace tool {

/// Measures from when a probe was due, not only from when it was sent: a sender that is held up would otherwise leave
/// out just the times in which it was (coordinated omission). One thread sends and receives.
class Prober {
public:
    using Clock = std::chrono::steady_clock;

    /// Which clock says when a probe arrived.
    enum class Arrival : std::uint8_t {
        program,  ///< the program's, as recv returned it
        kernel,   ///< the kernel's, as it received the frame
        device,   ///< the NIC's, by DeviceClock
    };

    struct Job {
        ProbePath path;
        Probe::Kind comes_back_as = Probe::Kind::request;  ///< reply: with an echo
        double per_second = 1000;
        std::size_t frame_bytes = 64;
        std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
        std::chrono::nanoseconds duration = pktverbs::no_timeout;
        std::chrono::nanoseconds timeout = std::chrono::seconds{1};
        bool spin = true;  ///< polls without a pause
        bool keep_values = false;
        Arrival arrival = Arrival::program;
    };

    struct Counts {
        std::uint64_t due = 0;  ///< probes that should have been sent
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
        std::uint64_t duplicates = 0;  ///< copies of one that had come
        std::uint64_t strange = 0;     ///< frames of the flow that are no probe of this run, or are damaged
        std::uint64_t load = 0;        ///< frames of the load
        std::uint64_t load_bytes = 0;
        std::uint64_t refused = 0;    ///< times that the device took no frame
        std::uint64_t too_early = 0;  ///< by a clock of another's, arrived before they were sent: counted as 0

        /// Of those due: what was never sent, or never came.
        std::uint64_t lost() const noexcept { return due - received; }
    };

    /// Both may be the same context. They must outlive it, and the flows be installed.
    Prober(pktverbs::Context& from, pktverbs::Context& to, const Job& job);

    /// Calls report() once a second. Returns when all has come, or the last one's time has passed, or on `stop`.
    template <class Report>
    void run(const std::stop_token& stop, Report&& report) {
        begin();
        auto due = Clock::now() + std::chrono::seconds{1};
        while (step(stop, due)) {
            if (Clock::now() < due) continue;
            due += std::chrono::seconds{1};
            if (clock_) clock_->update();
            report();
        }
    }

    const Counts& counts() const noexcept { return counts_; }
    /// From when the probe was due, and from when it was sent.
    const pktverbs::Histogram& from_due() const noexcept { return from_due_; }
    const pktverbs::Histogram& from_sent() const noexcept { return from_sent_; }
    /// Nanoseconds from due of each probe, as they came.
    const std::vector<std::uint64_t>& values() const noexcept { return values_; }

private:
    struct Slot {
        std::uint64_t number = 0;
        std::int64_t due_ns = 0, sent_ns = 0;
        bool waiting = false;
    };

    void begin();
    bool step(const std::stop_token& stop, Clock::time_point wake);
    void send_due(std::int64_t now);
    void receive(const pktverbs::RecvPkt& pkt, std::int64_t now, std::int64_t kernel_offset);
    std::int64_t due_ns(std::uint64_t number) const noexcept;
    static std::int64_t now_ns() noexcept { return Clock::now().time_since_epoch().count(); }

    pktverbs::Context& from_;
    pktverbs::Context& to_;
    Job job_;
    pktverbs::net::FrameTemplate headers_;
    std::uint32_t session_;
    std::vector<Slot> slots_;  // a power of two, so that a number finds its slot by its low bits
    std::optional<pktverbs::DeviceClock> clock_;
    std::int64_t start_ns_ = 0, last_sent_ns_ = 0;
    std::uint64_t waiting_ = 0;
    bool stopping_ = false;
    Counts counts_;
    pktverbs::Histogram from_due_, from_sent_;
    std::vector<std::uint64_t> values_;
};

}  // namespace tool
