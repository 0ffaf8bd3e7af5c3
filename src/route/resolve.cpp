// SPDX-License-Identifier: Apache-2.0
// resolve: reads the kernel's table, and makes the kernel ask for missing entries.
#include <pktverbs/route/resolve.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <pktverbs/format.hpp>
#include <pktverbs/route/neighbour.hpp>
#include <pktverbs/verbs/error.hpp>

#include "base/deadline.hpp"
#include "base/file_descriptor.hpp"
#include "route/netlink.hpp"

namespace pktverbs::route {
namespace {

constexpr std::uint16_t discard_port = 9;  // RFC 863

/// Sends from the socket, with these options at its level: one hop, through this interface (in network order).
template <class Address>
int send_one(int fd, int level, int hops, int by_interface, unsigned interface, const Address& to) {
    const int one = 1;
    const auto index = htonl(interface);
    if (setsockopt(fd, level, hops, &one, sizeof one) != 0 ||
        setsockopt(fd, level, by_interface, &index, sizeof index) != 0)
        return errno;
    return sendto(fd, "", 0, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 ? errno : 0;
}
int send_one(int fd, unsigned interface, const Ipv4Address& to) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(discard_port);
    std::ranges::copy(to.bytes(), reinterpret_cast<std::uint8_t*>(&address.sin_addr));
    return send_one(fd, IPPROTO_IP, IP_TTL, IP_UNICAST_IF, interface, address);
}
int send_one(int fd, unsigned interface, const Ipv6Address& to) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(discard_port);
    address.sin6_scope_id = interface;
    std::ranges::copy(to.bytes(), address.sin6_addr.s6_addr);
    return send_one(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, IPV6_UNICAST_IF, interface, address);
}

/// Makes the kernel look up a neighbour, as it does for any datagram to one.
template <class Ip>
void make_kernel_ask(const Route<Ip>& route, const std::string& what) {
    constexpr int family = std::is_same_v<Ip, Ipv4Address> ? AF_INET : AF_INET6;
    const FileDescriptor fd{socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const int error = fd ? send_one(fd.get(), route.interface_index, route.next_hop()) : errno;
    if (error != 0) verbs::throw_error(error, what, "the kernel sends no datagram there, which would make it ask");
}

template <class Ip>
MacAddress find_mac(const Route<Ip>& route, const std::string& what, std::chrono::nanoseconds timeout) {
    const Deadline deadline{timeout};
    NeighbourEvents events;  // before reading, so that no change is missed
    auto found = neighbour(route.interface, route.next_hop());
    if (found && found->is_usable()) return *found->mac;
    make_kernel_ask(route, what);
    for (;;) {
        found = neighbour(route.interface, route.next_hop());
        if (found && found->is_usable()) return *found->mac;
        // Sending has restarted an earlier failed attempt, so this failure is ours.
        if (found && found->state == NeighbourState::failed)
            verbs::throw_message(EHOSTUNREACH, fmt::format("cannot {}: {} does not answer on {}", what,
                                                           route.next_hop(), route.interface));
        if (!events.wait(deadline))
            verbs::throw_message(ETIMEDOUT, fmt::format("cannot {}: {} did not answer on {} in time", what,
                                                        route.next_hop(), route.interface));
    }
}

template <class Ip>
Destination<Ip> find(const Ip& destination, std::chrono::nanoseconds timeout, std::string_view interface) {
    const std::string what = fmt::format("resolve {}", destination);
    Destination<Ip> found{route_to(destination, interface), {}};
    const auto& route = found.route;
    if (route.kind == RouteKind::local)
        verbs::throw_message(EADDRNOTAVAIL, fmt::format("cannot {}: it is an address of this machine", what));
    if (route.interface_mac.is_zero())
        verbs::throw_message(EOPNOTSUPP, fmt::format("cannot {}: {} is no Ethernet interface", what, route.interface));
    if (route.kind == RouteKind::broadcast)
        found.mac = MacAddress::broadcast();
    else if (destination.is_multicast())
        found.mac = destination.multicast_mac();
    else if (!route.has_neighbours)
        verbs::throw_message(EOPNOTSUPP,
                             fmt::format("cannot {}: {} has no neighbours (it is NOARP)", what, route.interface));
    else
        found.mac = find_mac(route, what, timeout);
    return found;
}

}  // namespace

Destination<Ipv4Address> resolve(const Ipv4Address& destination, std::chrono::nanoseconds timeout,
                                 std::string_view interface) {
    return find(destination, timeout, interface);
}
Destination<Ipv6Address> resolve(const Ipv6Address& destination, std::chrono::nanoseconds timeout,
                                 std::string_view interface) {
    return find(destination, timeout, interface);
}

}  // namespace pktverbs::route
