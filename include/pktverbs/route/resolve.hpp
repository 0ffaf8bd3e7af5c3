// SPDX-License-Identifier: Apache-2.0
// resolve: everything that a frame to an address needs.
#pragma once

#include <chrono>
#include <string_view>

#include <pktverbs/export.hpp>
#include <pktverbs/route/route.hpp>

namespace pktverbs::route {

/// Where frames go: `mac` is their destination, `route.interface_mac` their source, `route.source` the source of their
/// packets.
template <class Ip>
struct Destination {
    Route<Ip> route{};
    MacAddress mac{};
};

/// The MAC address of the next hop to `destination`: a group's is computed (RFC 1112, RFC 2464), broadcast's is
/// broadcast, a host's comes from the kernel's table. If it is not there, the kernel is made to ask for it: an empty
/// UDP datagram to the next hop's discard port, which goes no further than one hop. Waits until the answer is there, or
/// at most `timeout`. Needs no privileges.
///
/// `interface` as in route_to(). In the network namespace of the calling thread; any thread may call. Throws
/// std::system_error: what route_to() throws, EADDRNOTAVAIL for an address of this machine's own, EOPNOTSUPP for an
/// interface without MAC addresses, EHOSTUNREACH if nobody answered the kernel (after 3 s, as it is set up at first),
/// ETIMEDOUT.
PKTVERBS_EXPORT Destination<Ipv4Address> resolve(const Ipv4Address& destination, std::chrono::nanoseconds timeout,
                                                 std::string_view interface = {});
PKTVERBS_EXPORT Destination<Ipv6Address> resolve(const Ipv6Address& destination, std::chrono::nanoseconds timeout,
                                                 std::string_view interface = {});

}  // namespace pktverbs::route
