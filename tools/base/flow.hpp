// SPDX-License-Identifier: Apache-2.0
// Flow: packets, as a word on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/flow_rule.hpp>
#include "common/command_line.hpp"

namespace tool {

/// PROTOCOL[:ADDRESS[:PORT]][,KEY=VALUE]..., as in "udp:239.2.1.150:7148,vlan=100", "udp:[ff15::42]:7148",
/// "tcp:any:80,src=10.0.0.0/8", "ip6", "eth,type=0x88b5", "all".
///
/// PROTOCOL: udp, tcp, ip (IPv4), ip6, eth (any frame), all (a copy of every frame, whoever is meant). ADDRESS is the
/// destination: an address, a prefix, or any. KEY: src, sport, vlan, pcp, mac, smac, type, proto, tos, ttl, prio.
///
/// A value.
struct Flow {
    using Address = std::variant<std::monostate, pktverbs::Ipv4Prefix, pktverbs::Ipv6Prefix>;
    enum class Protocol : std::uint8_t { udp, tcp, ip, ip6, eth, all };

    Protocol protocol = Protocol::udp;
    Address dst, src;
    std::optional<std::uint16_t> port, sport, vlan, type;
    std::optional<std::uint8_t> pcp, proto, tos, ttl;
    std::optional<std::uint16_t> priority;
    std::optional<pktverbs::MacAddress> mac, smac;
    bool any_mac = false;  ///< mac=any
    std::string text;      ///< as it was typed

    /// Throws std::invalid_argument that says what was wrong, and which form is meant.
    static Flow parse(std::string_view text);

    /// Whether the destination is a multicast address, whose MAC address follows from it.
    bool is_multicast() const noexcept;
    bool is_ipv6() const noexcept;
    /// What a receiver installs. Frames must be addressed to the port's own MAC address, unless the flow is multicast
    /// or broadcast, names a MAC address, or has mac=any; the network may flood frames for other hosts.
    pktverbs::FlowRule rule() const;

    /// The one address that a sender sends to; nullopt for none, or for a prefix of many.
    std::optional<pktverbs::Ipv4Address> dst_ipv4() const noexcept;
    std::optional<pktverbs::Ipv6Address> dst_ipv6() const noexcept;
    std::optional<pktverbs::Ipv4Address> src_ipv4() const noexcept;
    std::optional<pktverbs::Ipv6Address> src_ipv6() const noexcept;
};

/// Adds "--flow FLOW", which may be repeated. What it is for goes before the form in the help.
example::CommandLine::Option add_flows(example::CommandLine& app, std::vector<Flow>& flows, const std::string& help);

/// The flow of senders and receivers that are not given any: UDP to 239.2.1.150, port 7148. It needs no addresses on
/// either side.
inline constexpr std::string_view default_flow = "udp:239.2.1.150:7148";

}  // namespace tool
