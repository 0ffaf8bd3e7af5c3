// SPDX-License-Identifier: Apache-2.0
// Responder: answers ARP and ICMP echo for one IPv4 address, like a host.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stop_token>

#include <pktverbs/pktverbs.hpp>
#include "arp.hpp"
#include "outcome.hpp"
#include "send_one.hpp"

namespace example {

/// The context must outlive it, and nothing else may receive from it.
class Responder {
public:
    struct Counts {
        std::uint64_t echo = 0;     ///< echo requests answered
        std::uint64_t arp = 0;      ///< ARP requests answered
        std::uint64_t ignored = 0;  ///< for other addresses, or malformed
    };

    Responder(pktverbs::Context& ctx, Ipv4Address address)
        : ctx_{ctx},
          address_{address},
          arp_{ctx},
          echo_{ctx.install(pktverbs::FlowRule{}.own_mac().dst_ip(address).protocol(net::ip_protocol::icmp))} {}

    /// Waits for one batch of frames, and answers it.
    void serve(std::chrono::nanoseconds timeout = pktverbs::no_timeout, const std::stop_token& stop = {}) {
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
    bool answer_echo(net::ConstBytes request) {
        const net::Headers found{request};
        const auto ip = found.ipv4();
        const auto echo = found.icmp();
        if (!echo || !ip.checksum_is_right() || ip.dst() != address_) return false;
        if (!echo.is_echo_request() || !echo.checksum_is_right()) return false;
        // A group address must not be answered (RFC 1122, 3.2.1.3).
        const MacAddress asker = found.ethernet().src();
        if (ip.src().is_multicast() || ip.src().is_zero() || asker.is_multicast()) return false;

        const net::FrameTemplate headers{net::Ethernet{.dst = asker, .src = ctx_.limits().mac},
                                         net::Ipv4{.src = address_, .dst = ip.src()},
                                         net::Echo{.is_reply = true, .identifier = echo.identifier()}};
        const auto data = echo.payload();
        return send_one(ctx_, headers.frame_bytes(data.size()), [&](net::Bytes frame) {
            std::ranges::copy(data, frame.subspan(headers.header_bytes()).begin());
            headers.write(frame, data.size(), {.sequence = echo.sequence()});
        });
    }

    pktverbs::Context& ctx_;
    Ipv4Address address_;
    ArpRequestFlows arp_;
    pktverbs::Flow echo_;
    Counts counts_;
};

}  // namespace example
