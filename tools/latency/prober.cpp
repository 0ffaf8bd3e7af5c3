// SPDX-License-Identifier: Apache-2.0
#include "prober.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <ctime>
#include <random>
#include <utility>

#include "common/outcome.hpp"

namespace tool {

namespace net = pktverbs::net;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t max_batch = 32;

/// How many probes may be on their way: those of the time after which one is given up.
std::size_t slots_for(const Prober::Job& job) {
    const double seconds = std::chrono::duration<double>{job.timeout}.count();
    const auto wanted = static_cast<std::size_t>(std::min(job.per_second * seconds, 4e6)) + 64;
    return std::bit_ceil(wanted);
}

/// From CLOCK_REALTIME to Clock's, read as close to each other as two calls are.
std::int64_t realtime_offset() {
    timespec real{};
    ::clock_gettime(CLOCK_REALTIME, &real);
    const auto mono = Prober::Clock::now().time_since_epoch().count();
    return mono - (std::int64_t{real.tv_sec} * 1'000'000'000 + real.tv_nsec);
}

}  // namespace

Prober::Prober(pktverbs::Context& from, pktverbs::Context& to, const Job& job)
    : from_{from},
      to_{to},
      job_{job},
      headers_{job.path.headers()},
      session_{std::random_device{}()},
      slots_(slots_for(job)) {
    if (job.arrival == Arrival::device) clock_.emplace(to, CLOCK_MONOTONIC);
    if (job.keep_values) {
        const double seconds = std::chrono::duration<double>{job.duration}.count();
        const double expected = std::min(seconds * job.per_second, static_cast<double>(job.count));
        values_.reserve(static_cast<std::size_t>(std::min(expected + 1, 1e7)));
    }
}

std::int64_t Prober::due_ns(std::uint64_t number) const noexcept {
    return start_ns_ + static_cast<std::int64_t>(static_cast<double>(number) * (1e9 / job_.per_second));
}

void Prober::begin() {
    start_ns_ = now_ns();
    last_sent_ns_ = start_ns_;
}

/// Sends what is due, takes what has come, and waits until more is due, or until `wake`. Returns whether to go on.
bool Prober::step(const std::stop_token& stop, Clock::time_point wake) {
    if (!stopping_ && stop.stop_requested()) {
        // What is on its way still has its time to come.
        stopping_ = true;
        job_.count = counts_.due = counts_.sent;
    }
    auto now = now_ns();
    const auto end = job_.duration == pktverbs::no_timeout ? std::numeric_limits<std::int64_t>::max()
                                                           : start_ns_ + job_.duration.count();
    while (counts_.due < job_.count && due_ns(counts_.due) <= now && due_ns(counts_.due) < end) ++counts_.due;
    send_due(now);
    const bool more = !stopping_ && counts_.due < job_.count && due_ns(counts_.due) < end;
    const bool unsent = counts_.sent < counts_.due;
    const auto given_up = last_sent_ns_ + job_.timeout.count();
    if (!more && ((!unsent && waiting_ == 0) || now >= given_up)) return false;

    auto until = std::min<std::int64_t>(wake.time_since_epoch().count(), more ? due_ns(counts_.due) : given_up);
    if (unsent) until = std::min(until, now + 100'000);
    const std::chrono::nanoseconds patience{job_.spin ? 0 : std::max<std::int64_t>(0, until - now)};
    const auto packets = to_.recv(patience, stopping_ ? std::stop_token{} : stop);
    if (packets.empty()) {
        example::check_outcome(to_, packets.outcome());
        return true;
    }
    now = now_ns();
    const auto offset = job_.arrival == Arrival::kernel ? realtime_offset() : 0;
    for (const auto& pkt : packets) receive(pkt, now, offset);
    return true;
}

void Prober::send_due(std::int64_t now) {
    while (counts_.sent < counts_.due) {
        auto packets = from_.acquire(std::min<std::uint64_t>(max_batch, counts_.due - counts_.sent));
        if (packets.empty()) return;
        const auto filled = packets.size();
        auto number = counts_.sent;
        for (auto& pkt : packets) {
            pkt.set_length(job_.frame_bytes);
            const auto payload = pkt.bytes().subspan(headers_.header_bytes());
            Probe{Probe::Kind::request, session_, number++}.write(payload);
            std::ranges::fill(payload.subspan(Probe::bytes), std::uint8_t{0});
            headers_.write(pkt.bytes(), payload.size());
        }
        number = counts_.sent;
        now = now_ns();
        for (std::size_t i = 0; i < filled; ++i, ++number) {
            auto& slot = slots_[number & (slots_.size() - 1)];
            if (!slot.waiting) ++waiting_;
            slot = {number, due_ns(number), now, true};
        }
        const auto refused = from_.send(std::move(packets));
        counts_.sent += filled - refused.size();
        if (counts_.sent != number) {
            ++counts_.refused;
            for (auto left = counts_.sent; left < number; ++left) {
                slots_[left & (slots_.size() - 1)].waiting = false;
                --waiting_;
            }
            return;
        }
        last_sent_ns_ = now;
    }
}

void Prober::receive(const pktverbs::RecvPkt& pkt, std::int64_t now, std::int64_t kernel_offset) {
    if (!pkt.ok()) return;  // counted by the context
    const net::Headers found{pkt.bytes()};
    const auto probe = found.udp() ? Probe::read(found.payload()) : std::nullopt;
    if (probe && probe->kind == Probe::Kind::load && probe->session == 0) {
        ++counts_.load;
        counts_.load_bytes += pkt.length();
        return;
    }
    if (!probe || probe->kind != job_.comes_back_as || probe->session != session_ || probe->number >= counts_.sent ||
        found.transport_checksum() == net::ChecksumVerdict::wrong) {
        ++counts_.strange;
        return;
    }
    auto& slot = slots_[probe->number & (slots_.size() - 1)];
    if (slot.number != probe->number) {
        ++counts_.strange;  // long given up
        return;
    }
    if (!slot.waiting) {
        ++counts_.duplicates;
        return;
    }
    slot.waiting = false;
    --waiting_;
    auto arrived = now;
    if (job_.arrival == Arrival::kernel) arrived = pkt.timestamp().count() + kernel_offset;
    if (clock_) arrived = clock_->at(pkt.timestamp()).count();
    if (arrived < slot.sent_ns) {
        ++counts_.too_early;
        arrived = slot.sent_ns;
    }
    ++counts_.received;
    const auto from_due = static_cast<std::uint64_t>(arrived - slot.due_ns);
    from_due_.record(from_due);
    from_sent_.record(static_cast<std::uint64_t>(arrived - slot.sent_ns));
    if (job_.keep_values) values_.push_back(from_due);
}

}  // namespace tool
