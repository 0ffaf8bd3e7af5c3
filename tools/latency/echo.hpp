// SPDX-License-Identifier: Apache-2.0
// Echo: sends probes back to where they came from.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

#include <pktverbs/context.hpp>
#include "base/neighbours.hpp"
#include "latency/probe.hpp"

namespace tool {

/// Answers ARP or neighbour discovery for the probes' destination, too. The context must outlive it, and nothing else
/// may receive from it.
class Echo {
public:
    struct Counts {
        std::uint64_t echoed = 0;
        std::uint64_t neighbours = 0;  ///< requests for the MAC address
        std::uint64_t ignored = 0;     ///< no requests of a prober
        std::uint64_t no_room = 0;     ///< requests that could not be answered: all packets were in flight, or refused
    };

    Echo(pktverbs::Context& ctx, const ProbePath& path);
    /// Waits for one batch of frames, and answers it.
    void serve(std::chrono::nanoseconds timeout, const std::stop_token& stop);
    const Counts& counts() const noexcept { return counts_; }

private:
    bool is_request(pktverbs::net::ConstBytes frame) const noexcept;
    void turn_round(pktverbs::net::Bytes frame) const noexcept;

    pktverbs::Context& ctx_;
    Neighbours neighbours_;
    pktverbs::Flow flow_;
    Counts counts_;
};

}  // namespace tool
