// SPDX-License-Identifier: Apache-2.0
// Responder: answers ARP, neighbour discovery, ICMP and ICMPv6 echo, and UDP echo, like a host.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/net/net.hpp>
#include "base/ip_address.hpp"
#include "base/neighbours.hpp"

namespace tool {

/// The context must outlive it, and nothing else may receive from it.
class Responder {
public:
    struct Counts {
        std::uint64_t icmp = 0, icmpv6 = 0, udp = 0;  ///< echo requests answered
        std::uint64_t neighbours = 0;                 ///< requests of ARP and neighbour discovery answered
        std::uint64_t ignored = 0;                    ///< other frames for these addresses, or malformed
        std::uint64_t no_room = 0;  ///< could not be answered: all packets were in flight, or were refused

        std::uint64_t echoes() const noexcept { return icmp + icmpv6 + udp; }
    };

    Responder(pktverbs::Context& ctx, const std::vector<IpAddress>& own, std::optional<std::uint16_t> udp_port);

    /// Waits for one batch of frames, and answers it.
    void serve(std::chrono::nanoseconds timeout, const std::stop_token& stop);
    const Counts& counts() const noexcept { return counts_; }

private:
    bool may_answer(const pktverbs::net::Headers<>& found) const;
    std::uint64_t* counter_of(const pktverbs::net::Headers<>& found);

    pktverbs::Context& ctx_;
    std::vector<IpAddress> own_;
    std::optional<std::uint16_t> udp_port_;
    Neighbours neighbours_;
    std::vector<pktverbs::Flow> flows_;
    Counts counts_;
};

}  // namespace tool
