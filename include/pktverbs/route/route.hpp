// SPDX-License-Identifier: Apache-2.0
// Route: the way that the kernel would send to an address.
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

/// What kind of destination a route leads to.
enum class RouteKind : std::uint8_t {
    unicast,    ///< another host
    local,      ///< one of this machine's own addresses
    broadcast,  ///< all hosts on the link
    multicast,  ///< the members of a group
};

/// The route to a destination: interface, source address, gateway and MTU. `Ip` is Ipv4Address or Ipv6Address.
template <class Ip>
struct Route {
    RouteKind kind = RouteKind::unicast;  ///< what the destination is
    Ip destination{};                     ///< the address that was asked for
    std::string interface {};             ///< the name of the interface to send from
    unsigned interface_index = 0;         ///< the index of the same interface
    MacAddress interface_mac{};           ///< the source of frames; zero if it is not an Ethernet interface
    bool has_neighbours = false;          ///< an Ethernet where ARP or neighbour discovery finds addresses
    Ip source{};                          ///< the source address that the kernel would use; zero if it has none
    std::optional<Ip> gateway{};          ///< nullopt: the destination is on the link
    std::uint32_t mtu = 0;  ///< in bytes, IP header included: of the path if the kernel knows it, else of the link

    /// Returns the address whose MAC address the frame is sent to.
    const Ip& next_hop() const noexcept { return gateway ? *gateway : destination; }
};

/// Asks the kernel for the route to an address, in the calling thread's network namespace. `interface`, if not empty,
/// is the one to send from, which IPv6 link-local and multicast addresses need. Any thread may call it. Throws
/// std::system_error: ENETUNREACH or EHOSTUNREACH if there is no route, EACCES if a route prohibits it, ENODEV for an
/// unknown interface, EAFNOSUPPORT for an IPv4 route with an IPv6 gateway, or the error of the netlink socket.
PKTVERBS_EXPORT Route<Ipv4Address> route_to(const Ipv4Address& destination, std::string_view interface = {});
PKTVERBS_EXPORT Route<Ipv6Address> route_to(const Ipv6Address& destination, std::string_view interface = {});

}  // namespace pktverbs::route
