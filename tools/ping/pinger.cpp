// SPDX-License-Identifier: Apache-2.0
#include "pinger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "base/quantity.hpp"
#include "common/outcome.hpp"
#include "common/send_one.hpp"

namespace tool {

namespace net = pktverbs::net;
using pktverbs::FlowRule;
using pktverbs::Ipv4Address;
using pktverbs::Ipv6Address;

namespace {

// RFC 792 and RFC 4443.
constexpr std::uint8_t icmp_unreachable = 3, icmp_time_exceeded = 11;
constexpr std::uint8_t icmpv6_unreachable = 1, icmpv6_too_big = 2, icmpv6_time_exceeded = 3;

FlowRule to(const IpAddress& address) {
    FlowRule rule;
    std::visit([&](const auto& ip) { rule.dst_ip(ip); }, address);
    return rule.own_mac();
}

/// UDP's source ports: those that the kernel gives to nobody by itself are taken by nobody else.
std::uint16_t source_port(std::uint16_t identifier) { return static_cast<std::uint16_t>(0xc000 | identifier); }

}  // namespace

Pinger::Pinger(pktverbs::Context& ctx, const Job& job, std::function<void(const std::string&)> say)
    : ctx_{ctx},
      job_{job},
      say_{std::move(say)},
      probes_(0x10000),
      identifier_{static_cast<std::uint16_t>(std::random_device{}())},
      headers_{make_headers()},
      neighbours_{ctx, job.answer_for} {
    const auto icmp = is_ipv6(job.source) ? net::ip_protocol::icmpv6 : net::ip_protocol::icmp;
    flows_.push_back(ctx.install(to(job.source).protocol(icmp)));
    if (job.udp_port)
        flows_.push_back(ctx.install(to(job.source).udp().src_port(*job.udp_port).dst_port(source_port(identifier_))));
}

net::FrameTemplate Pinger::make_headers() const {
    const net::Ethernet ethernet{.dst = job_.peer_mac, .src = ctx_.limits().mac};
    const auto over = [&](const auto& ip) -> net::FrameTemplate {
        if (job_.udp_port)
            return {ethernet, ip, net::Udp{.src_port = source_port(identifier_), .dst_port = *job_.udp_port}};
        return {ethernet, ip, net::Echo{.identifier = identifier_}};
    };
    if (const auto* const peer = std::get_if<Ipv4Address>(&job_.peer))
        return over(net::Ipv4{.src = std::get<Ipv4Address>(job_.source), .dst = *peer});
    return over(net::Ipv6{.src = std::get<Ipv6Address>(job_.source), .dst = std::get<Ipv6Address>(job_.peer)});
}

void Pinger::run(const std::stop_token& stop, const std::function<void()>& report) {
    const auto start = Clock::now();
    auto next_send = start, next_report = start + std::chrono::seconds{1};
    const auto end = job_.duration == pktverbs::no_timeout ? Clock::time_point::max() : start + job_.duration;
    while (!stop.stop_requested()) {
        const auto tried = [&] { return counts_.sent + counts_.unsent; };
        if (const auto now = Clock::now(); tried() < job_.count && now >= next_send && now < end) {
            send();
            next_send = std::max(next_send + job_.interval, now);
        }
        give_up_overdue(Clock::now());
        const bool all_sent = tried() >= job_.count || next_send >= end;
        const bool all_done = oldest_ > counts_.sent;
        if (all_sent && all_done) break;
        auto wake = std::min(next_report, all_sent ? Clock::time_point::max() : next_send);
        if (!all_done) wake = std::min(wake, probe(oldest_).sent + job_.timeout);
        const auto packets = ctx_.recv(wake - Clock::now(), stop);
        const auto arrival = Clock::now();
        example::check_outcome(ctx_, packets.outcome());
        for (const auto& pkt : packets) receive(pkt.bytes(), arrival);
        if (arrival < next_report) continue;
        next_report = arrival + std::chrono::seconds{1};
        report();
    }
    for (auto number = oldest_; number <= counts_.sent; ++number)
        if (probe(number).state == State::waiting) ++counts_.pending;
}

double Pinger::deviation() const noexcept {
    if (times_.empty()) return 0;
    const double mean = times_.mean();
    return std::sqrt(std::max(0.0, sum_of_squares_ / static_cast<double>(times_.count()) - mean * mean));
}

void Pinger::send() {
    const auto number = counts_.sent + 1;
    const auto sequence = static_cast<std::uint16_t>(number);
    const bool posted = example::send_one(ctx_, headers_.frame_bytes(job_.payload_bytes), [&](net::Bytes frame) {
        auto payload = frame.subspan(headers_.header_bytes());
        if (job_.udp_port) {
            net::store(payload.data(), identifier_);
            net::store(payload.data() + 2, sequence);
            payload = payload.subspan(least_udp_payload);
        }
        for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = pattern(sequence, i);
        headers_.write(frame, job_.payload_bytes, {.sequence = sequence});
        probe(number) = {Clock::now(), State::waiting};
    });
    if (posted) {
        ++counts_.sent;
        return;
    }
    probe(number) = {};
    ++counts_.unsent;
    say_(fmt::format("seq={}: {} did not take it", sequence, ctx_.device().name));
}

/// Gives up requests whose time has passed; later replies still count.
void Pinger::give_up_overdue(Clock::time_point now) {
    for (; oldest_ <= counts_.sent; ++oldest_) {
        Probe& oldest = probe(oldest_);
        if (oldest.state != State::waiting) continue;
        if (now < oldest.sent + job_.timeout) return;
        oldest.state = State::given_up;
        say_(fmt::format("no answer for seq={}", static_cast<std::uint16_t>(oldest_)));
    }
}

void Pinger::receive(net::ConstBytes frame, Clock::time_point arrival) {
    const net::Headers found{frame};
    if (found.ethernet() && neighbours_.answer(frame)) return;
    if (report_error(found)) return;
    const auto reply = read_reply(found);
    if (!reply) return;
    Probe& asked = probe(reply->sequence);
    if (asked.state == State::unused) return report_bad("a sequence number that was not sent");
    const auto expected = job_.payload_bytes - (job_.udp_port ? least_udp_payload : 0);
    if (reply->data.size() != expected) return report_bad("wrong length");
    for (std::size_t i = 0; i < reply->data.size(); ++i)
        if (reply->data[i] != pattern(reply->sequence, i)) return report_bad("wrong payload");

    const auto elapsed = std::chrono::nanoseconds{arrival - asked.sent}.count();
    const bool duplicate = asked.state == State::answered;
    const bool late = asked.state == State::given_up;
    say_(fmt::format("{} bytes from {}: seq={} ttl={} time={}{}", job_.payload_bytes, to_string(job_.peer),
                     reply->sequence, reply->ttl, time(static_cast<double>(elapsed)),
                     duplicate ? " (duplicate)"
                     : late    ? " (late)"
                               : ""));
    if (duplicate) {
        ++counts_.duplicates;
        return;
    }
    asked.state = State::answered;
    ++counts_.received;
    times_.record(static_cast<std::uint64_t>(elapsed));
    sum_of_squares_ += static_cast<double>(elapsed) * static_cast<double>(elapsed);
}

std::optional<Pinger::Reply> Pinger::read_reply(const net::Headers<>& found) {
    Reply reply;
    if (const auto ip = found.ipv4()) {
        if (!ip.checksum_is_right() || IpAddress{ip.src()} != job_.peer || IpAddress{ip.dst()} != job_.source)
            return std::nullopt;
        reply.ttl = ip.ttl();
    } else if (const auto ipv6 = found.ipv6()) {
        if (IpAddress{ipv6.src()} != job_.peer || IpAddress{ipv6.dst()} != job_.source) return std::nullopt;
        reply.ttl = ipv6.hop_limit();
    } else {
        return std::nullopt;
    }
    std::uint16_t identifier = 0;
    reply.data = found.payload();
    if (job_.udp_port) {
        const auto udp = found.udp();
        if (!udp || udp.src_port() != *job_.udp_port || udp.dst_port() != source_port(identifier_)) return std::nullopt;
        if (reply.data.size() >= least_udp_payload) {
            identifier = net::load<std::uint16_t>(reply.data.data());
            reply.sequence = net::load<std::uint16_t>(reply.data.data() + 2);
            reply.data = reply.data.subspan(least_udp_payload);
        }
    } else if (const auto icmp = found.icmp()) {
        if (!icmp.is_echo_reply()) return std::nullopt;
        identifier = icmp.identifier();
        reply.sequence = icmp.sequence();
    } else {
        const auto icmpv6 = found.icmpv6();
        if (!icmpv6 || !icmpv6.is_echo_reply()) return std::nullopt;
        identifier = icmpv6.identifier();
        reply.sequence = icmpv6.sequence();
    }
    if (identifier != identifier_ && !job_.udp_port) return std::nullopt;  // another program's
    if (found.transport_checksum() == net::ChecksumVerdict::wrong || identifier != identifier_) {
        report_bad(identifier != identifier_ ? "wrong identifier" : "wrong checksum");
        return std::nullopt;
    }
    return reply;
}

/// Whether it is an ICMP error about a packet to the peer, which it begins with.
bool Pinger::report_error(const net::Headers<>& found) {
    std::string what, who;
    net::ConstBytes about;
    if (const auto icmp = found.icmp()) {
        if (icmp.type() == icmp_unreachable) what = "destination unreachable";
        if (icmp.type() == icmp_time_exceeded) what = "time to live exceeded";
        if (what.empty() || !icmp.checksum_is_right()) return false;
        what += fmt::format(" (code {})", icmp.code());
        about = icmp.payload();
        who = found.ipv4().src().to_string();
        // Its total length is of the whole packet, of which this may be the first bytes.
        if (about.size() < 20 || about[0] >> 4 != 4) return false;
        Ipv4Address::Bytes dst{};
        std::ranges::copy(about.subspan(16, dst.size()), dst.begin());
        if (IpAddress{Ipv4Address{dst}} != job_.peer) return false;
    } else if (const auto icmpv6 = found.icmpv6()) {
        if (icmpv6.type() == icmpv6_unreachable) what = "destination unreachable";
        if (icmpv6.type() == icmpv6_too_big) what = "packet too big";
        if (icmpv6.type() == icmpv6_time_exceeded) what = "hop limit exceeded";
        if (what.empty() || found.transport_checksum() != net::ChecksumVerdict::right) return false;
        what += fmt::format(" (code {})", icmpv6.code());
        about = icmpv6.payload();
        who = found.ipv6().src().to_string();
        if (about.size() < 40 || about[0] >> 4 != 6) return false;
        Ipv6Address::Bytes dst{};
        std::ranges::copy(about.subspan(24, dst.size()), dst.begin());
        if (IpAddress{Ipv6Address{dst}} != job_.peer) return false;
    } else {
        return false;
    }
    ++counts_.errors;
    say_(fmt::format("from {}: {}", who, what));
    return true;
}

void Pinger::report_bad(const char* why) {
    ++counts_.bad;
    say_(fmt::format("bad answer from {}: {}", to_string(job_.peer), why));
}

}  // namespace tool
