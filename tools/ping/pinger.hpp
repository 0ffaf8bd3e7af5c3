// SPDX-License-Identifier: Apache-2.0
// Pinger: sends echo requests at an interval, checks the replies, and keeps the statistics.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/counters/histogram.hpp>
#include <pktverbs/net/net.hpp>
#include "base/ip_address.hpp"
#include "base/neighbours.hpp"

namespace tool {

/// By ICMP, ICMPv6 or UDP. The context must outlive it.
class Pinger {
public:
    using Clock = std::chrono::steady_clock;

    struct Job {
        IpAddress source, peer;
        pktverbs::MacAddress peer_mac;
        std::optional<std::uint16_t> udp_port = {};  ///< nullopt: ICMP, or ICMPv6
        std::size_t payload_bytes = 56;
        std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
        std::chrono::nanoseconds duration = pktverbs::no_timeout;
        /// At least 1 ms, and the timeout at most 60 s, so that a sequence number of 16 bits is not reused too soon.
        std::chrono::nanoseconds interval = std::chrono::seconds{1};
        std::chrono::nanoseconds timeout = std::chrono::seconds{1};
        /// Those that nobody else answers ARP or neighbour discovery for.
        std::vector<IpAddress> answer_for = {};
    };
    /// UDP's payload begins with what an ICMP echo has in its header.
    static constexpr std::size_t least_udp_payload = 4;

    struct Counts {
        std::uint64_t sent = 0;        ///< also the number of the last request; the first is 1
        std::uint64_t received = 0;    ///< requests with a right reply, also a late one
        std::uint64_t duplicates = 0;  ///< further replies to the same request
        std::uint64_t bad = 0;         ///< replies with a wrong content
        std::uint64_t errors = 0;      ///< ICMP errors: unreachable, time exceeded
        std::uint64_t unsent = 0;      ///< requests that the device did not take; not among those sent
        std::uint64_t pending = 0;     ///< at the end: sent, and neither answered nor given up

        std::uint64_t lost() const noexcept { return sent - received - pending; }
    };

    /// `say` gets a line for each reply, and for each request that is given up.
    Pinger(pktverbs::Context& ctx, const Job& job, std::function<void(const std::string& line)> say);

    /// Sends all requests and waits for their replies; `stop` ends it early. Calls report() once a second.
    void run(const std::stop_token& stop, const std::function<void()>& report);

    const Counts& counts() const noexcept { return counts_; }
    const pktverbs::Histogram& times() const noexcept { return times_; }
    /// The standard deviation in nanoseconds, which ping(8) calls mdev.
    double deviation() const noexcept;

private:
    enum class State : std::uint8_t { unused, waiting, given_up, answered };
    struct Probe {
        Clock::time_point sent;
        State state = State::unused;
    };
    struct Reply {
        std::uint16_t sequence = 0;
        pktverbs::net::ConstBytes data;  ///< behind the sequence number
        std::uint8_t ttl = 0;
    };

    Probe& probe(std::uint64_t number) { return probes_[number & 0xffff]; }
    /// The payload's byte at `at`, which differs from packet to packet.
    static std::uint8_t pattern(std::uint16_t sequence, std::size_t at) {
        return static_cast<std::uint8_t>(at + sequence);
    }
    pktverbs::net::FrameTemplate make_headers() const;
    void send();
    void give_up_overdue(Clock::time_point now);
    void receive(pktverbs::net::ConstBytes frame, Clock::time_point arrival);
    bool report_error(const pktverbs::net::Headers<>& found);
    std::optional<Reply> read_reply(const pktverbs::net::Headers<>& found);
    void report_bad(const char* why);

    pktverbs::Context& ctx_;
    Job job_;
    std::function<void(const std::string&)> say_;
    std::vector<Probe> probes_;
    std::uint16_t identifier_;
    pktverbs::net::FrameTemplate headers_;
    std::vector<pktverbs::Flow> flows_;
    Neighbours neighbours_;
    std::uint64_t oldest_ = 1;  // the first request that may still be answered in time
    Counts counts_;
    pktverbs::Histogram times_;
    double sum_of_squares_ = 0;
};

}  // namespace tool
