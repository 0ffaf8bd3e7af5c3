// SPDX-License-Identifier: Apache-2.0
// UdpFlow: the packets to capture, as a word on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/flow_rule.hpp>

namespace capture {

/// UDP over IPv4 to a port of one address, or of any address.
struct UdpFlow {
    std::optional<pktverbs::Ipv4Address> address;
    std::uint16_t port = 0;

    /// "239.1.2.3:7148", "10.0.0.2:7148", "any:7148"; nullopt for anything else.
    static std::optional<UdpFlow> parse(std::string_view text);
    std::string to_string() const;

    bool is_multicast() const noexcept { return address && address->is_multicast(); }
    /// Multicast joins the group. Anything else must be addressed to the interface's own MAC address, since the network
    /// may flood frames for other hosts.
    pktverbs::FlowRule rule() const;

    friend bool operator==(const UdpFlow&, const UdpFlow&) = default;
};

}  // namespace capture
