// SPDX-License-Identifier: Apache-2.0
#include "responder.hpp"

#include <algorithm>
#include <utility>

#include "common/outcome.hpp"

namespace tool {

namespace net = pktverbs::net;
using pktverbs::FlowRule;
using pktverbs::MacAddress;

namespace {

FlowRule to(const IpAddress& address) {
    FlowRule rule;
    std::visit([&](const auto& ip) { rule.dst_ip(ip); }, address);
    return rule.own_mac();
}

/// Makes the answer of a request, whose checksum is right: from where it went, to where it came from.
void turn_round(net::Bytes frame) {
    constexpr std::uint8_t new_ttl = 64;
    std::swap_ranges(frame.begin(), frame.begin() + MacAddress::size, frame.begin() + MacAddress::size);
    const net::Headers found{frame};
    if (const auto ip = found.ipv4()) {
        const auto src = ip.src();
        ip.set_src(ip.dst());
        ip.set_dst(src);
        ip.set_ttl(new_ttl);
    } else if (const auto ipv6 = found.ipv6()) {
        const auto src = ipv6.src();
        ipv6.set_src(ipv6.dst());
        ipv6.set_dst(src);
        ipv6.set_hop_limit(new_ttl);
    }
    if (const auto icmp = found.icmp()) icmp.set_type(net::icmp_type::echo_reply);
    if (const auto icmpv6 = found.icmpv6()) icmpv6.set_type(net::icmpv6_type::echo_reply);
    if (const auto udp = found.udp()) {
        const auto src = udp.src_port();
        udp.set_src_port(udp.dst_port());
        udp.set_dst_port(src);
    }
    found.fill_checksums();
}

}  // namespace

Responder::Responder(pktverbs::Context& ctx, const std::vector<IpAddress>& own, std::optional<std::uint16_t> udp_port)
    : ctx_{ctx}, own_{own}, udp_port_{udp_port}, neighbours_{ctx, own} {
    for (const auto& ip : own) {
        flows_.push_back(ctx.install(to(ip).protocol(is_ipv6(ip) ? net::ip_protocol::icmpv6 : net::ip_protocol::icmp)));
        if (udp_port) flows_.push_back(ctx.install(to(ip).udp().dst_port(*udp_port)));
    }
}

void Responder::serve(std::chrono::nanoseconds timeout, const std::stop_token& stop) {
    const auto packets = ctx_.recv(timeout, stop);
    example::check_outcome(ctx_, packets.outcome());
    if (packets.empty()) return;
    for (const auto& pkt : packets) {
        const auto frame = pkt.bytes();
        const net::Headers found{frame};
        auto* const counter = may_answer(found) ? counter_of(found) : nullptr;
        if (!counter) {
            ++(found.ethernet() && neighbours_.answer(frame) ? counts_.neighbours : counts_.ignored);
            continue;
        }
        auto answer = ctx_.acquire(1);
        if (answer.empty() || frame.size() > answer.front().buffer().size()) {
            ++counts_.no_room;
            continue;
        }
        answer.front().set_length(frame.size());
        std::ranges::copy(frame, answer.front().bytes().begin());
        turn_round(answer.front().bytes());
        ++*(ctx_.send(std::move(answer)).empty() ? counter : &counts_.no_room);
    }
}

bool Responder::may_answer(const net::Headers<>& found) const {
    // A group must not be answered, nor in its name (RFC 1122, 3.2.1.3; RFC 4443, 2.4).
    const auto is_ours = [&](const auto& src, const auto& dst) {
        return !src.is_multicast() && !src.is_zero() && std::ranges::find(own_, IpAddress{dst}) != own_.end();
    };
    if (!found.ethernet() || found.ethernet().src().is_multicast() || found.ethernet().dst().is_multicast())
        return false;
    if (found.transport_checksum() == net::ChecksumVerdict::wrong) return false;
    if (const auto ip = found.ipv4()) {
        // Options of the way there are not those of the way back.
        constexpr std::size_t without_options = 20;
        return ip.checksum_is_right() && is_ours(ip.src(), ip.dst()) && ip.header().size() == without_options;
    }
    const auto ipv6 = found.ipv6();
    return ipv6 && is_ours(ipv6.src(), ipv6.dst()) && ipv6.next_header() == found.protocol();
}

std::uint64_t* Responder::counter_of(const net::Headers<>& found) {
    if (const auto icmp = found.icmp()) return icmp.is_echo_request() ? &counts_.icmp : nullptr;
    if (const auto icmpv6 = found.icmpv6()) return icmpv6.is_echo_request() ? &counts_.icmpv6 : nullptr;
    const auto udp = found.udp();
    // From the port itself: another one that answers, with which it would go on for ever.
    if (!udp || !udp_port_ || udp.dst_port() != *udp_port_ || udp.src_port() == *udp_port_) return nullptr;
    return &counts_.udp;
}

}  // namespace tool
