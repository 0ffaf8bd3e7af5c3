// SPDX-License-Identifier: Apache-2.0
#include "flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <stdexcept>
#include <utility>

#include "common/parse_decimal.hpp"

namespace tool {

namespace {

using pktverbs::Ipv4Address;
using pktverbs::Ipv4Prefix;
using pktverbs::Ipv6Address;
using pktverbs::Ipv6Prefix;
using pktverbs::MacAddress;

constexpr std::array<std::pair<std::string_view, Flow::Protocol>, 7> protocols{{
    {"udp", Flow::Protocol::udp},
    {"tcp", Flow::Protocol::tcp},
    {"ip", Flow::Protocol::ip},
    {"ip4", Flow::Protocol::ip},
    {"ip6", Flow::Protocol::ip6},
    {"eth", Flow::Protocol::eth},
    {"all", Flow::Protocol::all},
}};

[[noreturn]] void refuse(std::string_view flow, std::string_view reason) {
    throw std::invalid_argument{
        fmt::format("'{}' is not a flow: {}; for example udp:239.2.1.150:7148,vlan=100, "
                    "udp:[ff15::42]:7148, tcp:any:80,src=10.0.0.0/8, eth,type=0x88b5",
                    flow, reason)};
}

/// Decimal, or hexadecimal after 0x, at most `max`.
std::uint16_t number(std::string_view flow, std::string_view key, std::string_view text, std::uint16_t max) {
    std::optional<std::uint16_t> value;
    if (text.starts_with("0x")) {
        std::uint16_t hexadecimal = 0;
        const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), hexadecimal, 16);
        if (error == std::errc{} && end == text.data() + text.size()) value = hexadecimal;
    } else {
        value = example::parse_decimal<std::uint16_t>(text);
    }
    if (!value || *value > max) refuse(flow, fmt::format("{} '{}' is not a number from 0 to {}", key, text, max));
    return *value;
}

/// An address with or without a prefix length, IPv6 with or without brackets.
Flow::Address address(std::string_view flow, std::string_view text) {
    if (text == "any" || text.empty()) return {};
    std::string bare{text};
    if (bare.starts_with('[')) {
        const auto close = bare.find(']');
        if (close == std::string::npos) refuse(flow, fmt::format("'{}' has no closing bracket", text));
        bare.erase(close, 1).erase(0, 1);
        if (const auto prefix = Ipv6Prefix::parse(bare)) return *prefix;
        refuse(flow, fmt::format("'{}' is not an IPv6 address", text));
    }
    if (const auto prefix = Ipv4Prefix::parse(bare)) return *prefix;
    if (const auto prefix = Ipv6Prefix::parse(bare)) return *prefix;
    refuse(flow, fmt::format("'{}' is not an IP address", text));
}

MacAddress mac_address(std::string_view flow, std::string_view text) {
    const auto mac = MacAddress::parse(text);
    if (!mac) refuse(flow, fmt::format("'{}' is not a MAC address", text));
    return *mac;
}

/// Splits at the last colon outside of brackets, if there is one with an address before it.
std::pair<std::string_view, std::optional<std::string_view>> split_port(std::string_view flow, std::string_view text) {
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) refuse(flow, "an IPv6 address has no closing bracket");
        const auto colon = text.find(':', close);
        if (colon == std::string_view::npos) return {text, {}};
        return {text.substr(0, colon), text.substr(colon + 1)};
    }
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return {text, {}};
    if (text.find(':', colon + 1) != std::string_view::npos)
        refuse(flow, "an IPv6 address stands in brackets, as in udp:[ff15::42]:7148");
    return {text.substr(0, colon), text.substr(colon + 1)};
}

template <class Prefix>
const Prefix* prefix_of(const Flow::Address& address) {
    return std::get_if<Prefix>(&address);
}

template <class Prefix>
auto only_address(const Flow::Address& address, std::uint8_t bits)
    -> std::optional<std::remove_cvref_t<decltype(std::declval<Prefix>().address)>> {
    const auto* prefix = prefix_of<Prefix>(address);
    if (!prefix || prefix->length != bits) return {};
    return prefix->address;
}

}  // namespace

Flow Flow::parse(std::string_view text) {
    Flow flow;
    flow.text = text;
    std::vector<std::string_view> parts;
    for (auto rest = text;;) {
        const auto comma = rest.find(',');
        parts.push_back(rest.substr(0, comma));
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    const auto head = parts.front();
    const auto name = head.substr(0, head.find(':'));
    const auto* known = std::ranges::find(protocols, name, &decltype(protocols)::value_type::first);
    if (known == protocols.end())
        refuse(text, fmt::format("there is no protocol '{}' (udp, tcp, ip, ip6, eth, all)", name));
    flow.protocol = known->second;
    const bool has_ports = flow.protocol == Protocol::udp || flow.protocol == Protocol::tcp;
    const bool has_ip = has_ports || flow.protocol == Protocol::ip || flow.protocol == Protocol::ip6;
    if (head.size() != name.size()) {
        if (!has_ip) refuse(text, fmt::format("{} takes no IP address", name));
        const auto [ip, port] = split_port(text, head.substr(name.size() + 1));
        // "udp:7148" is a port of any address, as people write it.
        const bool is_port_only = has_ports && !port && example::parse_decimal<std::uint16_t>(ip);
        if (!is_port_only) flow.dst = address(text, ip);
        const auto port_text = is_port_only ? std::optional{ip} : port;
        if (port_text) {
            if (!has_ports) refuse(text, fmt::format("{} has no ports", name));
            if (*port_text != "any") flow.port = number(text, "port", *port_text, 65535);
        }
    }
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto equals = parts[i].find('=');
        const auto key = parts[i].substr(0, equals);
        if (equals == std::string_view::npos || equals + 1 == parts[i].size())
            refuse(text, fmt::format("'{}' is not KEY=VALUE", parts[i]));
        const auto value = parts[i].substr(equals + 1);
        const auto small = [&](std::uint16_t max) { return static_cast<std::uint8_t>(number(text, key, value, max)); };
        if (key == "src" && has_ip)
            flow.src = address(text, value);
        else if (key == "sport" && has_ports)
            flow.sport = number(text, key, value, 65535);
        else if (key == "vlan")
            flow.vlan = number(text, key, value, 4095);
        else if (key == "pcp")
            flow.pcp = small(7);
        else if (key == "mac" && value == "any")
            flow.any_mac = true;
        else if (key == "mac")
            flow.mac = mac_address(text, value);
        else if (key == "smac")
            flow.smac = mac_address(text, value);
        else if (key == "type" && flow.protocol == Protocol::eth)
            flow.type = number(text, key, value, 65535);
        else if (key == "proto" && has_ip && !has_ports)
            flow.proto = small(255);
        else if (key == "tos" && has_ip)
            flow.tos = small(255);
        else if (key == "ttl" && has_ip)
            flow.ttl = small(255);
        else if (key == "prio")
            flow.priority = number(text, key, value, 65535);
        else
            refuse(text, fmt::format("{} has no key '{}'", name, key));
    }
    if (prefix_of<Ipv4Prefix>(flow.dst) && flow.protocol == Protocol::ip6) refuse(text, "ip6 with an IPv4 address");
    if (prefix_of<Ipv6Prefix>(flow.dst) && flow.protocol == Protocol::ip) refuse(text, "ip with an IPv6 address");
    try {
        flow.rule().check();
    } catch (const std::exception& error) {
        refuse(text, error.what());
    }
    return flow;
}

bool Flow::is_multicast() const noexcept {
    if (const auto* ipv4 = prefix_of<Ipv4Prefix>(dst)) return ipv4->address.is_multicast();
    if (const auto* ipv6 = prefix_of<Ipv6Prefix>(dst)) return ipv6->address.is_multicast();
    return mac && mac->is_multicast();
}

bool Flow::is_ipv6() const noexcept {
    return protocol == Protocol::ip6 || prefix_of<Ipv6Prefix>(dst) || prefix_of<Ipv6Prefix>(src);
}

pktverbs::FlowRule Flow::rule() const {
    pktverbs::FlowRule rule;
    if (protocol == Protocol::all) return rule.sniffer();
    if (protocol == Protocol::udp) rule.udp();
    if (protocol == Protocol::tcp) rule.tcp();
    if (protocol == Protocol::ip) rule.ipv4();
    if (protocol == Protocol::ip6) rule.ipv6();
    std::visit(
        [&](const auto& to) {
            if constexpr (requires { to.length; }) rule.dst_ip(to);
        },
        dst);
    std::visit(
        [&](const auto& from) {
            if constexpr (requires { from.length; }) rule.src_ip(from);
        },
        src);
    if (port) rule.dst_port(*port);
    if (sport) rule.src_port(*sport);
    if (vlan) rule.vlan(*vlan);
    if (pcp) rule.vlan_priority(*pcp);
    if (type) rule.ether_type(*type);
    if (proto) rule.protocol(*proto);
    if (tos) rule.tos(*tos);
    if (ttl) rule.ttl(*ttl);
    if (priority) rule.priority(*priority);
    if (smac) rule.src_mac(*smac);
    if (mac)
        rule.dst_mac(*mac);
    else if (!any_mac && !is_multicast() && dst_ipv4() != Ipv4Address{{255, 255, 255, 255}})
        rule.own_mac();
    return rule;
}

std::optional<Ipv4Address> Flow::dst_ipv4() const noexcept { return only_address<Ipv4Prefix>(dst, 32); }
std::optional<Ipv6Address> Flow::dst_ipv6() const noexcept { return only_address<Ipv6Prefix>(dst, 128); }
std::optional<Ipv4Address> Flow::src_ipv4() const noexcept { return only_address<Ipv4Prefix>(src, 32); }
std::optional<Ipv6Address> Flow::src_ipv6() const noexcept { return only_address<Ipv6Prefix>(src, 128); }

example::CommandLine::Option add_flows(example::CommandLine& app, std::vector<Flow>& flows, const std::string& help) {
    const auto take = [&flows](const std::string& text) -> std::string {
        try {
            flows.push_back(Flow::parse(text));
            return {};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
    };
    return app.add_texts("--flow", take, help).type_name("FLOW");
}

}  // namespace tool
