// SPDX-License-Identifier: Apache-2.0
// ARP: finds the MAC address of an IPv4 neighbour, and answers those who look for ours.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <stop_token>

#include <pktverbs/pktverbs.hpp>
#include "cli.hpp"
#include "frame.hpp"
#include "send_one.hpp"

namespace example {

inline bool send_arp(pktverbs::Context& ctx, MacAddress dst, const Arp& arp) {
    return send_one(ctx, Ethernet::size + Arp::size, [&](Bytes frame) {
        write(frame, Ethernet{dst, arp.sender_mac, ether_type_arp});
        write(frame.subspan(Ethernet::size), arp);
    });
}

/// Requests come by broadcast, or to our own MAC address when a neighbour checks what it knows. Hold both
/// flows while answering.
struct ArpRequestFlows {
    explicit ArpRequestFlows(pktverbs::Context& ctx)
        : broadcast{ctx.install(pktverbs::FlowRule{}.dst_mac(MacAddress::broadcast()).ether_type(ether_type_arp))},
          unicast{ctx.install(pktverbs::FlowRule{}.own_mac().ether_type(ether_type_arp))} {}
    pktverbs::Flow broadcast;
    pktverbs::Flow unicast;
};

/// If the frame is an ARP request for `own`, answers it and is true.
inline bool answer_arp(pktverbs::Context& ctx, ConstBytes frame, Ipv4Address own) {
    const auto request = read_arp(frame);
    if (!request || request->operation != Arp::request || request->target_ip != own) return false;
    if (request->sender_mac.is_multicast() || request->sender_mac.is_zero()) return false;
    const MacAddress mac = ctx.limits().mac;
    return send_arp(ctx, request->sender_mac, {Arp::reply, mac, own, request->sender_mac, request->sender_ip});
}

/// Asks for `target` by broadcast, at most `tries` times a second apart. Frames of other flows that come meanwhile
/// are lost. Throws if nobody answers.
inline MacAddress resolve(pktverbs::Context& ctx, Ipv4Address source, Ipv4Address target,
                          const std::stop_token& stop = {}, int tries = 3) {
    using Clock = std::chrono::steady_clock;
    const auto replies = ctx.install(pktverbs::FlowRule{}.own_mac().ether_type(ether_type_arp));
    for (; tries > 0 && !stop.stop_requested(); --tries) {
        send_arp(ctx, MacAddress::broadcast(), {Arp::request, ctx.limits().mac, source, {}, target});
        const auto deadline = Clock::now() + std::chrono::seconds{1};
        while (Clock::now() < deadline && !stop.stop_requested()) {
            const auto packets = ctx.recv(deadline - Clock::now(), stop);
            check_outcome(ctx, packets.outcome());
            for (const auto& pkt : packets) {
                const auto arp = read_arp(pkt.bytes());
                if (arp && arp->operation == Arp::reply && arp->sender_ip == target && !arp->sender_mac.is_multicast())
                    return arp->sender_mac;
            }
        }
    }
    if (stop.stop_requested()) throw std::runtime_error{fmt::format("stopped while asking who has {}", target)};
    throw std::runtime_error{fmt::format(
        "nobody answers ARP for {}: is it on this network? If it is behind a gateway, give the gateway's MAC address",
        target)};
}

}  // namespace example
