// SPDX-License-Identifier: Apache-2.0
// UdpFlow: which packets a capture wants, as a word on the command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/ipv4_address.hpp>

namespace capture {

/// UDP over IPv4 to a port of one address, or of any address.
struct UdpFlow {
    std::optional<pktverbs::Ipv4Address> address;
    std::uint16_t port = 0;

    /// "239.1.2.3:7148", "10.0.0.2:7148", "any:7148"; nullopt for anything else.
    static std::optional<UdpFlow> parse(std::string_view text);
    std::string to_string() const;

    bool is_multicast() const noexcept { return address && address->is_multicast(); }
    /// Multicast joins the group. Anything else must be addressed to the interface's own MAC address, as the network
    /// may flood what is for others.
    pktverbs::FlowRule rule() const;

    friend bool operator==(const UdpFlow&, const UdpFlow&) = default;
};

/// Where a UDP datagram stands in a frame.
struct UdpPayload {
    pktverbs::Ipv4Address address;  ///< destination
    std::uint16_t port = 0;         ///< destination
    std::span<const std::uint8_t> bytes;
};

/// Of an Ethernet frame of `frame_bytes`, of which `front` is the beginning; the payload ends where that ends. VLAN
/// tags are stepped over. nullopt unless it is UDP over IPv4 and its lengths fit; a fragment has no ports to tell.
std::optional<UdpPayload> find_udp_payload(std::span<const std::uint8_t> front, std::size_t frame_bytes);

}  // namespace capture
