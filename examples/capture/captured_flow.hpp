// SPDX-License-Identifier: Apache-2.0
// CapturedFlow: packets to capture: the rule that a device steers them by, and which packets belong to it.
#pragma once

#include <functional>
#include <string>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/net/headers.hpp>
#include "udp_flow.hpp"

namespace capture {

/// A value.
struct CapturedFlow {
    std::string text;  ///< as people read it
    pktverbs::FlowRule rule;
    /// Whether a packet belongs to it, by its headers.
    std::function<bool(const pktverbs::net::Headers<const std::uint8_t>&)> has;

    CapturedFlow(std::string flow_text, pktverbs::FlowRule flow_rule,
                 std::function<bool(const pktverbs::net::Headers<const std::uint8_t>&)> belongs)
        : text{std::move(flow_text)}, rule{std::move(flow_rule)}, has{std::move(belongs)} {}
    CapturedFlow(const UdpFlow& flow)  // not explicit: a UdpFlow is one
        : CapturedFlow{flow.to_string(), flow.rule(), [flow](const pktverbs::net::Headers<const std::uint8_t>& found) {
                           return found.ipv4() && found.udp() && flow.port == found.udp().dst_port() &&
                                  (!flow.address || *flow.address == found.ipv4().dst());
                       }} {}
};

}  // namespace capture
