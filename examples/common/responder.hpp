// SPDX-License-Identifier: Apache-2.0
// Responder: answers ARP and ICMP echo for one IPv4 address, like a host.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stop_token>

#include <pktverbs/pktverbs.hpp>
#include "arp.hpp"
#include "frame.hpp"
#include "send_one.hpp"

namespace example {

/// The context must outlive it, and be received from by nobody else.
class Responder {
public:
    struct Counts {
        std::uint64_t echo = 0;     ///< echo requests answered
        std::uint64_t arp = 0;      ///< ARP requests answered
        std::uint64_t ignored = 0;  ///< for somebody else, or malformed
    };

    Responder(pktverbs::Context& ctx, Ipv4Address address)
        : ctx_{ctx},
          address_{address},
          arp_{ctx},
          echo_{ctx.install(pktverbs::FlowRule{}.own_mac().dst_ip(address).protocol(protocol_icmp))} {}

    /// Waits for one batch of frames, and answers it.
    void serve(std::chrono::nanoseconds timeout = pktverbs::forever, const std::stop_token& stop = {}) {
        const auto packets = ctx_.recv(timeout, stop);
        check_outcome(ctx_, packets.outcome());
        for (const auto& pkt : packets) {
            if (answer_arp(ctx_, pkt.bytes(), address_))
                ++counts_.arp;
            else if (answer_echo(pkt.bytes()))
                ++counts_.echo;
            else
                ++counts_.ignored;
        }
    }

    const Counts& counts() const noexcept { return counts_; }

private:
    bool answer_echo(ConstBytes request) {
        const auto ip = read_ipv4(request);
        if (!ip || ip->protocol != protocol_icmp || ip->dst != address_) return false;
        // Nobody can be answered at a group address (RFC 1122, 3.2.1.3).
        const MacAddress asker = read_ethernet(request)->src;
        if (ip->src.is_multicast() || ip->src.is_zero() || asker.is_multicast()) return false;
        const auto echo = read_echo(ip->payload);
        if (!echo || echo->type != Echo::request) return false;

        return send_one(ctx_, Ethernet::size + Ipv4::size + ip->payload.size(), [&](Bytes frame) {
            const Bytes packet = frame.subspan(Ethernet::size);
            const Bytes message = packet.subspan(Ipv4::size);
            write(frame, Ethernet{asker, ctx_.limits().mac, ether_type_ipv4});
            write(packet, Ipv4{address_, ip->src, protocol_icmp, 64, message});
            std::ranges::copy(echo->data, message.subspan(Echo::size).begin());
            write(message, Echo{Echo::reply, echo->identifier, echo->sequence, {}});
        });
    }

    pktverbs::Context& ctx_;
    Ipv4Address address_;
    ArpRequestFlows arp_;
    pktverbs::Flow echo_;
    Counts counts_;
};

}  // namespace example
