// SPDX-License-Identifier: Apache-2.0
#include "trial_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

#include <pktverbs/net/net.hpp>
#include <pktverbs/ring/sequence_counter.hpp>
#include "common/outcome.hpp"
#include "traffic/sender.hpp"

namespace tool {

namespace {

namespace net = pktverbs::net;
using Clock = std::chrono::steady_clock;

/// A trial's numbers begin with its own number in these bits, so that late packets of another are none of its.
constexpr unsigned trial_shift = 40;
/// What may arrive later than it was sent, at the end, before it counts as having filled up what is between.
constexpr double slack_part = 0.01, slack_seconds = 0.01;

}  // namespace

/// What came of one trial.
struct TrialRunner::Arrivals {
    std::vector<pktverbs::SequenceCounter> flows;
    std::uint64_t first_bytes = 0, bytes = 0, packets = 0, first_packets = 0;
    Clock::time_point first{}, last{};

    std::uint64_t distinct() const {
        std::uint64_t sum = 0;
        for (const auto& flow : flows) sum += flow.received() - flow.duplicated();
        return sum;
    }
};

std::optional<Trial> TrialRunner::run(double rate, std::chrono::nanoseconds time, std::chrono::nanoseconds settle,
                                      const std::stop_token& stop) {
    ++trial_;
    Sender sender{from_, 0, streams_, {}, trial_ << trial_shift};
    SendPlan plan{.time = time};
    if (rate > 0) plan.rate = rate_like(unit_, rate);
    SendReport report;
    std::atomic<bool> is_sent = false;
    Arrivals arrivals;
    arrivals.flows.resize(1);
    auto quiet_since = Clock::time_point::max();
    {
        std::stop_source end;
        const std::stop_callback forward{stop, [&] { end.request_stop(); }};
        const std::jthread thread{[&] {
            report = sender.run(plan, end.get_token());
            is_sent = true;
        }};
        try {
            for (;;) {
                const bool was_sent = is_sent;
                if (was_sent && quiet_since == Clock::time_point::max()) quiet_since = Clock::now();
                const auto packets =
                    to_.recv(std::min<std::chrono::nanoseconds>(settle, std::chrono::milliseconds{10}));
                example::check_outcome(to_, packets.outcome());
                const auto now = Clock::now();
                for (const auto& pkt : packets) {
                    const auto payload = net::Headers{pkt.bytes()}.payload();
                    if (!pkt.ok() || payload.size() < Stream::number_bytes) continue;
                    const auto number = net::load<std::uint64_t>(payload.data());
                    if (number >> trial_shift != trial_) {
                        ++stragglers_;
                        continue;
                    }
                    arrivals.flows.front().add(number);
                    arrivals.bytes += pkt.length();
                    ++arrivals.packets;
                }
                if (!packets.empty() && arrivals.packets > 0) {
                    if (arrivals.first == Clock::time_point{}) {
                        arrivals.first = now;
                        arrivals.first_bytes = arrivals.bytes;
                        arrivals.first_packets = arrivals.packets;
                    }
                    arrivals.last = now;
                    if (was_sent) quiet_since = now;
                }
                if (!was_sent) continue;
                if (arrivals.distinct() >= sender.packets() || now - quiet_since >= settle || stop.stop_requested())
                    break;
            }
        } catch (...) {
            end.request_stop();
            throw;
        }
    }
    if (report.error != 0)
        throw std::system_error{report.error, std::generic_category(),
                                fmt::format("cannot send on {}", from_.device().name)};
    if (stop.stop_requested()) return {};
    const bool counts_packets = unit_.unit() == pktverbs::Rate::Unit::packets;
    const auto rate_of = [&](std::uint64_t packets, std::uint64_t bytes, double seconds) {
        return seconds > 0 ? static_cast<double>(counts_packets ? packets : 8 * bytes) / seconds : 0;
    };
    const double arriving = std::chrono::duration<double>{arrivals.last - arrivals.first}.count();
    Trial trial{.asked = rate, .time = time, .sent = report.packets};
    trial.offered = report.asked && !report.missed && report.achieved > 0
                        ? report.achieved
                        : rate_of(report.packets, report.bytes, report.seconds);
    trial.delivered =
        rate_of(arrivals.packets - arrivals.first_packets, arrivals.bytes - arrivals.first_bytes, arriving);
    trial.lost = report.packets - std::min(report.packets, arrivals.distinct());
    trial.is_behind = arriving > report.seconds * (1 + slack_part) + slack_seconds;
    trial.is_short = report.missed;
    return trial;
}

}  // namespace tool
