// SPDX-License-Identifier: Apache-2.0
// resolve: finds the route and the MAC address for a destination.
#pragma once

#include <chrono>
#include <string_view>

#include <pktverbs/export.hpp>
#include <pktverbs/route/route.hpp>

namespace pktverbs::route {

/// The addresses that a frame to a destination needs.
///
/// The frame goes to `mac` from `route.interface_mac`, its packet from `route.source`.
template <class Ip>
struct Destination {
    Route<Ip> route{};  ///< the way that the kernel would send
    MacAddress mac{};   ///< the MAC address of the next hop
};

/// Finds the route to `destination` and the MAC address of the next hop. A group's MAC address is computed (RFC 1112,
/// RFC 2464), that of broadcast is broadcast, and a host's comes from the kernel's neighbour table. If it is not there,
/// an empty UDP datagram to the next hop's discard port, which goes no further than one hop, makes the kernel ask for
/// it. Waits for the answer, but no longer than `timeout`. Needs no privileges.
///
/// `interface` is as in route_to(). Works in the calling thread's network namespace; any thread may call it. Throws
/// std::system_error: the errors of route_to(), EADDRNOTAVAIL for one of this machine's own addresses, EOPNOTSUPP for
/// an interface without MAC addresses, EHOSTUNREACH if no one answered the kernel (after 3 s by default), ETIMEDOUT.
PKTVERBS_EXPORT Destination<Ipv4Address> resolve(const Ipv4Address& destination, std::chrono::nanoseconds timeout,
                                                 std::string_view interface = {});
PKTVERBS_EXPORT Destination<Ipv6Address> resolve(const Ipv6Address& destination, std::chrono::nanoseconds timeout,
                                                 std::string_view interface = {});

}  // namespace pktverbs::route
