// SPDX-License-Identifier: Apache-2.0
#include "udp_flow.hpp"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

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
    const auto digits = text.substr(colon + 1);
    // One port has one text, and some readers take a leading zero for octal.
    if (digits.size() > 1 && digits.front() == '0') return {};
    const auto* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, flow.port);
    if (error != std::errc{} || stop != end) return {};
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
