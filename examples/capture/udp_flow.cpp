// SPDX-License-Identifier: Apache-2.0
#include "udp_flow.hpp"

#include <fmt/format.h>

#include <cstdint>

#include "common/parse_decimal.hpp"

namespace capture {

std::optional<UdpFlow> UdpFlow::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return {};
    UdpFlow flow;
    const auto address = text.substr(0, colon);
    if (address != "any") {
        flow.address = pktverbs::Ipv4Address::parse(address);
        if (!flow.address) return {};
    }
    const auto port = example::parse_decimal<std::uint16_t>(text.substr(colon + 1));
    if (!port) return {};
    flow.port = *port;
    return flow;
}

std::string UdpFlow::to_string() const { return fmt::format("{}:{}", address ? address->to_string() : "any", port); }

pktverbs::FlowRule UdpFlow::rule() const {
    auto rule = pktverbs::FlowRule{}.udp().dst_port(port);
    if (address)
        rule.dst_ip(*address);
    else
        rule.ipv4();
    if (!is_multicast()) rule.own_mac();
    return rule;
}

}  // namespace capture
