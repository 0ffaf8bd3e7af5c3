// SPDX-License-Identifier: Apache-2.0
// Neighbours: ARP and IPv6 neighbour discovery, to find others and to be found.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <vector>

#include <pktverbs/context.hpp>
#include <pktverbs/net/net.hpp>
#include "base/ip_address.hpp"

namespace tool {

/// Answers those who ask for the MAC address of one of our own addresses, while it lives.
///
/// The context must outlive it. It installs the flows of requests, and receives nothing itself. Neighbour solicitations
/// to an IPv6 address itself come by the caller's flow of ICMPv6 to that address.
class Neighbours {
public:
    Neighbours(pktverbs::Context& ctx, std::vector<IpAddress> own);

    /// Answers a frame if it is a request for one of the addresses. Returns whether it was.
    bool answer(pktverbs::net::ConstBytes frame);

private:
    pktverbs::Context& ctx_;
    std::vector<IpAddress> own_;
    std::vector<pktverbs::Flow> flows_;
};

/// Asks for the MAC address of `target`, three times at most, and waits `patience` for each answer. Call it before
/// Neighbours are made, which install the same flows; frames of other flows that come meanwhile are lost. Returns
/// nullopt if there is no answer, or if `stop` was requested.
std::optional<pktverbs::MacAddress> resolve(pktverbs::Context& ctx, const IpAddress& source, const IpAddress& target,
                                            const std::stop_token& stop,
                                            std::chrono::nanoseconds patience = std::chrono::seconds{1});

}  // namespace tool
