// SPDX-License-Identifier: Apache-2.0
// Pinger: sends ICMP echo requests at an interval, checks the replies and keeps the statistics.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <stop_token>
#include <vector>

#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "arp.hpp"
#include "outcome.hpp"
#include "send_one.hpp"

namespace example {

class Pinger {
public:
    using Clock = std::chrono::steady_clock;

    struct Job {
        Ipv4Address source;
        Ipv4Address peer;
        MacAddress peer_mac;
        std::size_t payload_bytes = 56;
        std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
        /// Interval at least 1 ms and timeout at most 60 s, so that a 16-bit sequence number is not reused too soon.
        std::chrono::nanoseconds interval = std::chrono::seconds{1};
        std::chrono::nanoseconds timeout = std::chrono::seconds{1};
        /// Answers ARP requests for `source`, which the kernel does not.
        bool answer_arp = false;
    };

    /// The context must outlive it. The caller has installed flows for replies and, if wanted, for ARP.
    Pinger(pktverbs::Context& ctx, const Job& job) : ctx_{ctx}, job_{job}, probes_(0x10000) {}

    /// Sends all requests and waits for their replies; `stop` ends it early.
    void run(const std::stop_token& stop) {
        const auto start = Clock::now();
        auto next_send = start;
        for (;;) {
            if (const auto now = Clock::now(); counts_.sent < job_.count && now >= next_send) {
                send(++counts_.sent);
                next_send = std::max(next_send + job_.interval, now);
            }
            give_up_overdue(Clock::now());
            const bool all_sent = counts_.sent == job_.count;
            const bool all_done = oldest_ > counts_.sent;
            if (stop.stop_requested() || (all_sent && all_done)) break;
            auto wake = all_sent ? Clock::time_point::max() : next_send;
            if (!all_done) wake = std::min(wake, probe(oldest_).sent + job_.timeout);
            const auto packets = ctx_.recv(wake - Clock::now(), stop);
            const auto arrival = Clock::now();
            check_outcome(ctx_, packets.outcome());
            for (const auto& pkt : packets) receive(pkt.bytes(), arrival);
        }
        elapsed_ = Clock::now() - start;
    }

    struct Counts {
        std::uint64_t sent = 0;        ///< also the number of the last request; the first is 1
        std::uint64_t received = 0;    ///< requests with a correct reply, also a late one
        std::uint64_t duplicates = 0;  ///< further replies to the same request
        std::uint64_t bad = 0;         ///< replies with the wrong content
    };
    const Counts& counts() const noexcept { return counts_; }

    void print_summary() const {
        using milliseconds = std::chrono::duration<double, std::milli>;
        fmt::print("\n--- {} ping statistics ---\n{} packets transmitted, {} received, ", job_.peer, counts_.sent,
                   counts_.received);
        if (counts_.duplicates > 0) fmt::print("+{} duplicates, ", counts_.duplicates);
        if (counts_.bad > 0) fmt::print("+{} bad, ", counts_.bad);
        const std::uint64_t lost = counts_.sent - counts_.received;
        fmt::print("{:.3g}% loss, time {:.0f}ms\n",
                   counts_.sent == 0 ? 0 : 100 * static_cast<double>(lost) / static_cast<double>(counts_.sent),
                   milliseconds{elapsed_}.count());
        if (counts_.received == 0) return;
        const double mean = sum_ms_ / static_cast<double>(counts_.received);
        const double variance = sum_of_squares_ / static_cast<double>(counts_.received) - mean * mean;
        fmt::print("rtt min/avg/max/mdev = {:.3f}/{:.3f}/{:.3f}/{:.3f} ms\n", min_ms_, mean, max_ms_,
                   std::sqrt(std::max(variance, 0.0)));
    }

private:
    enum class State : std::uint8_t { unused, waiting, given_up, answered };
    struct Probe {
        Clock::time_point sent;
        State state = State::unused;
    };

    Probe& probe(std::uint64_t number) { return probes_[number & 0xffff]; }

    /// The payload's byte at `at`, which differs from packet to packet.
    static std::uint8_t pattern(std::uint16_t sequence, std::size_t at) {
        return static_cast<std::uint8_t>(at + sequence);
    }

    void send(std::uint64_t number) {
        const auto sequence = static_cast<std::uint16_t>(number);
        probe(number) = {Clock::now(), State::waiting};
        const bool posted = send_one(ctx_, headers_.frame_bytes(job_.payload_bytes), [&](net::Bytes frame) {
            const auto payload = frame.subspan(headers_.header_bytes());
            for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = pattern(sequence, i);
            headers_.write(frame, payload.size(), {.sequence = sequence});
            probe(number).sent = Clock::now();
        });
        if (!posted) fmt::print("cannot send icmp_seq={}\n", sequence);
    }

    /// Gives up requests whose time has passed; later replies still count.
    void give_up_overdue(Clock::time_point now) {
        for (; oldest_ <= counts_.sent; ++oldest_) {
            Probe& oldest = probe(oldest_);
            if (oldest.state == State::waiting) {
                if (now < oldest.sent + job_.timeout) return;
                oldest.state = State::given_up;
                fmt::print("no answer for icmp_seq={}\n", static_cast<std::uint16_t>(oldest_));
                std::fflush(stdout);
            }
        }
    }

    void receive(net::ConstBytes frame, Clock::time_point arrival) {
        if (job_.answer_arp && answer_arp(ctx_, frame, job_.source)) return;
        const net::Headers found{frame};
        const auto ip = found.ipv4();
        const auto echo = found.icmp();
        if (!echo || !ip.checksum_is_right() || ip.src() != job_.peer || ip.dst() != job_.source) return;
        if (!echo.is_echo_reply()) return;
        if (!echo.checksum_is_right()) return report_bad("wrong checksum");
        if (echo.identifier() != identifier_) return;
        const auto data = echo.payload();
        Probe& asked = probe(echo.sequence());
        if (asked.state == State::unused) return report_bad("a sequence number that was not sent");
        if (data.size() != job_.payload_bytes) return report_bad("wrong length");
        for (std::size_t i = 0; i < data.size(); ++i)
            if (data[i] != pattern(echo.sequence(), i)) return report_bad("wrong payload");

        const double ms = std::chrono::duration<double, std::milli>{arrival - asked.sent}.count();
        const bool duplicate = asked.state == State::answered;
        fmt::print("{} bytes from {}: icmp_seq={} ttl={} time={:.3f} ms{}\n", ip.payload().size(), ip.src(),
                   echo.sequence(), ip.ttl(), ms, duplicate ? " (duplicate)" : "");
        std::fflush(stdout);
        if (duplicate) {
            ++counts_.duplicates;
            return;
        }
        asked.state = State::answered;
        ++counts_.received;
        sum_ms_ += ms;
        sum_of_squares_ += ms * ms;
        min_ms_ = std::min(min_ms_, ms);
        max_ms_ = std::max(max_ms_, ms);
    }

    void report_bad(std::string_view why) {
        ++counts_.bad;
        fmt::print("bad answer from {}: {}\n", job_.peer, why);
    }

    pktverbs::Context& ctx_;
    Job job_;
    std::vector<Probe> probes_;
    std::uint16_t identifier_ = static_cast<std::uint16_t>(std::random_device{}());
    net::FrameTemplate headers_{net::Ethernet{.dst = job_.peer_mac, .src = ctx_.limits().mac},
                                net::Ipv4{.src = job_.source, .dst = job_.peer}, net::Echo{.identifier = identifier_}};
    std::uint64_t oldest_ = 1;  // the first request that may still be answered in time
    Counts counts_;
    std::chrono::nanoseconds elapsed_{};
    double sum_ms_ = 0;
    double sum_of_squares_ = 0;
    double min_ms_ = std::numeric_limits<double>::max();
    double max_ms_ = 0;
};

}  // namespace example
