// SPDX-License-Identifier: Apache-2.0
#include "probe.hpp"

#include <fmt/format.h>

#include "common/bad_use.hpp"

namespace tool {

namespace net = pktverbs::net;
using pktverbs::Ipv4Address;
using pktverbs::Ipv6Address;

ProbePath ProbePath::of(const Flow& flow) {
    if (flow.protocol != Flow::Protocol::udp)
        throw example::BadUse{fmt::format("--flow {}: probes are UDP: such as udp:198.18.0.2:7148", flow.text)};
    ProbePath path;
    if (const auto dst = flow.dst_ipv4())
        path.dst = *dst;
    else if (const auto ipv6 = flow.dst_ipv6())
        path.dst = *ipv6;
    else if (!std::holds_alternative<std::monostate>(flow.dst))
        throw example::BadUse{fmt::format("--flow {}: probes go to one address, not to a prefix", flow.text)};
    if (const auto why = why_no_station(path.dst); !why.empty())
        throw example::BadUse{fmt::format("--flow {}: {}", flow.text, why)};
    if (is_ipv6(path.dst)) path.src = Ipv6Address{};
    if (const auto src = flow.src_ipv4()) path.src = *src;
    if (const auto src = flow.src_ipv6()) path.src = *src;
    if (path.src.index() != path.dst.index())
        throw example::BadUse{fmt::format("--flow {}: source and destination are of two IP versions", flow.text)};
    path.port = flow.port.value_or(default_port);
    path.sport = flow.sport.value_or(path.port);
    if (flow.vlan) path.vlan = net::Vlan{.id = *flow.vlan, .priority = flow.pcp.value_or(0)};
    path.tos = flow.tos.value_or(0);
    if (flow.mac) path.dst_mac = *flow.mac;
    if (flow.smac) path.src_mac = *flow.smac;
    return path;
}

net::FrameTemplate ProbePath::headers() const noexcept {
    const net::Ethernet ethernet{.dst = dst_mac, .src = src_mac, .vlan = vlan};
    if (const auto* const ipv4 = std::get_if<Ipv4Address>(&dst))
        return {ethernet, net::Ipv4{.src = std::get<Ipv4Address>(src), .dst = *ipv4, .tos = tos},
                net::Udp{.src_port = sport, .dst_port = port}};
    return {ethernet,
            net::Ipv6{.src = std::get<Ipv6Address>(src), .dst = std::get<Ipv6Address>(dst), .traffic_class = tos},
            net::Udp{.src_port = sport, .dst_port = port}};
}

pktverbs::FlowRule ProbePath::rule_at_dst() const {
    pktverbs::FlowRule rule;
    std::visit([&](const auto& ip) { rule.dst_ip(ip); }, dst);
    if (vlan) rule.vlan(vlan->id);
    return rule.own_mac().udp().dst_port(port);
}

pktverbs::FlowRule ProbePath::rule_at_src() const {
    pktverbs::FlowRule rule;
    std::visit([&](const auto& ip) { rule.dst_ip(ip); }, src);
    if (vlan) rule.vlan(vlan->id);
    return rule.own_mac().udp().dst_port(sport);
}

}  // namespace tool
