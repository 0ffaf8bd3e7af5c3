// SPDX-License-Identifier: Apache-2.0
// ARP: finds the MAC address of an IPv4 neighbour, and answers requests for our own.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <stop_token>
#include <string_view>

#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "outcome.hpp"
#include "send_one.hpp"

namespace example {

using pktverbs::Ipv4Address;
using pktverbs::MacAddress;

inline bool send_arp(pktverbs::Context& ctx, MacAddress dst, const net::Arp& arp) {
    const net::FrameTemplate whole{net::Ethernet{.dst = dst, .src = arp.sender_mac}, arp};
    return send_one(ctx, whole.frame_bytes(0), [&](net::Bytes frame) { whole.write(frame, 0); });
}

/// Requests come by broadcast, or to our own MAC address when a neighbour checks its entry. Hold both flows while
/// answering.
struct ArpRequestFlows {
    explicit ArpRequestFlows(pktverbs::Context& ctx)
        : broadcast{ctx.install(
              pktverbs::FlowRule{}.dst_mac(MacAddress::broadcast()).ether_type(net::ether_type::arp))},
          unicast{ctx.install(pktverbs::FlowRule{}.own_mac().ether_type(net::ether_type::arp))} {}
    pktverbs::Flow broadcast;
    pktverbs::Flow unicast;
};

/// Answers the frame if it is an ARP request for `own`. Returns whether it was.
inline bool answer_arp(pktverbs::Context& ctx, net::ConstBytes frame, Ipv4Address own) {
    const auto request = net::Headers{frame}.arp();
    if (!request || request.operation() != net::Arp::request || request.target_ip() != own) return false;
    const MacAddress asker = request.sender_mac();
    if (asker.is_multicast() || asker.is_zero()) return false;
    return send_arp(ctx, asker, {net::Arp::reply, ctx.limits().mac, own, asker, request.sender_ip()});
}

/// Asks for `target` by broadcast, at most `tries` times a second apart. Frames of other flows that come meanwhile
/// are lost. Throws if there is no reply, with the name of the program's option for the MAC address.
inline MacAddress resolve(pktverbs::Context& ctx, Ipv4Address source, Ipv4Address target, std::string_view option,
                          const std::stop_token& stop = {}, int tries = 3) {
    using Clock = std::chrono::steady_clock;
    const auto replies = ctx.install(pktverbs::FlowRule{}.own_mac().ether_type(net::ether_type::arp));
    for (; tries > 0 && !stop.stop_requested(); --tries) {
        send_arp(ctx, MacAddress::broadcast(), {net::Arp::request, ctx.limits().mac, source, {}, target});
        const auto deadline = Clock::now() + std::chrono::seconds{1};
        while (Clock::now() < deadline && !stop.stop_requested()) {
            const auto packets = ctx.recv(deadline - Clock::now(), stop);
            check_outcome(ctx, packets.outcome());
            for (const auto& pkt : packets) {
                const auto arp = net::Headers{pkt.bytes()}.arp();
                if (arp && arp.operation() == net::Arp::reply && arp.sender_ip() == target &&
                    !arp.sender_mac().is_multicast())
                    return arp.sender_mac();
            }
        }
    }
    if (stop.stop_requested())
        throw std::runtime_error{fmt::format("stopped while waiting for an ARP reply from {}", target)};
    throw std::runtime_error{
        fmt::format("no ARP reply from {}: is it on this network? If it is behind a gateway, give {} with the "
                    "gateway's MAC address",
                    target, option)};
}

}  // namespace example
