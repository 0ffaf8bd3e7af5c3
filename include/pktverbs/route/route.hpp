// SPDX-License-Identifier: Apache-2.0
// Route: which way the kernel would send to an address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs::route {

enum class RouteKind : std::uint8_t {
    unicast,
    local,  ///< one of this machine's own addresses
    broadcast,
    multicast,
};

/// Ip: Ipv4Address or Ipv6Address.
template <class Ip>
struct Route {
    RouteKind kind = RouteKind::unicast;
    Ip destination{};
    std::string interface {};
    unsigned interface_index = 0;
    MacAddress interface_mac{};   ///< the source of frames; zero if the interface has none of Ethernet's kind
    bool has_neighbours = false;  ///< an Ethernet whose addresses are found by ARP or neighbour discovery
    Ip source{};                  ///< what the kernel would send from; zero if it has no address to
    std::optional<Ip> gateway{};  ///< none: the destination is on the link
    std::uint32_t mtu = 0;        ///< in bytes, IP header included: the path's if the kernel knows it, else the link's

    /// Whose MAC address a frame must have.
    const Ip& next_hop() const noexcept { return gateway ? *gateway : destination; }
};

/// Asks the kernel, in the network namespace of the calling thread. `interface`, if not empty, is the one to send from:
/// IPv6 link-local and multicast addresses don't say it themselves. Any thread may call. Throws std::system_error:
/// ENETUNREACH or EHOSTUNREACH without a route, EACCES for one that prohibits, ENODEV for an unknown interface,
/// EAFNOSUPPORT for an IPv4 route whose gateway has an IPv6 address, and what the netlink socket fails with.
PKTVERBS_EXPORT Route<Ipv4Address> route_to(const Ipv4Address& destination, std::string_view interface = {});
PKTVERBS_EXPORT Route<Ipv6Address> route_to(const Ipv6Address& destination, std::string_view interface = {});

}  // namespace pktverbs::route
