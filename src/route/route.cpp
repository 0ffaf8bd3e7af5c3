// SPDX-License-Identifier: Apache-2.0
// Route: the kernel's answer to RTM_GETROUTE, and the link that it names.
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/addr.h>

#include <algorithm>
#include <cerrno>
#include <type_traits>

#include <pktverbs/format.hpp>
#include <pktverbs/route/route.hpp>
#include <pktverbs/verbs/error.hpp>

#include "route/netlink.hpp"

namespace pktverbs::route {
namespace {

template <class Address>
Address address_of(const nl_addr* from) {
    typename Address::Bytes bytes{};
    if (!from || nl_addr_get_len(from) != bytes.size()) return {};
    const auto* const first = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(from));
    std::copy_n(first, bytes.size(), bytes.begin());
    return Address{bytes};
}

RouteKind kind_of(std::uint8_t type) {
    switch (type) {
        case RTN_LOCAL:
        case RTN_ANYCAST:  // an address of ours, too
            return RouteKind::local;
        case RTN_BROADCAST:
            return RouteKind::broadcast;
        case RTN_MULTICAST:
            return RouteKind::multicast;
        default:
            return RouteKind::unicast;
    }
}

std::string_view hint_for(int error) {
    switch (error) {
        case ENETUNREACH:
        case EHOSTUNREACH:
            return "no route leads there: see ip route";
        case EACCES:
        case EINVAL:
            return "a route forbids it: see ip route";
        default:
            return "";
    }
}

template <class Ip>
void add_link(Netlink& netlink, Route<Ip>& route) {
    const auto link = netlink.link(route.interface_index);
    route.interface = rtnl_link_get_name(link.get());
    const unsigned flags = rtnl_link_get_flags(link.get());
    if (rtnl_link_get_arptype(link.get()) == ARPHRD_ETHER) {
        route.interface_mac = address_of<MacAddress>(rtnl_link_get_addr(link.get()));
        route.has_neighbours = (flags & IFF_NOARP) == 0;
    }
    if (route.mtu == 0) route.mtu = rtnl_link_get_mtu(link.get());
}

template <class Ip>
Route<Ip> find_route(const Ip& destination, std::string_view interface) {
    const std::string what = fmt::format("find a route to {}", destination);
    rtmsg header{};
    header.rtm_family = std::is_same_v<Ip, Ipv4Address> ? AF_INET : AF_INET6;
    header.rtm_dst_len = 8 * Ip::size;
    Request request{RTM_GETROUTE, header};
    request.put(RTA_DST, destination.bytes());
    if (const unsigned index = index_of(interface); index != 0) request.put(RTA_OIF, index);

    Netlink netlink;
    const auto answer = netlink.ask(request, what);
    if (answer.error != 0) verbs::throw_error(answer.error, what, hint_for(answer.error));
    rtnl_route* parsed = nullptr;
    check_libnl(rtnl_route_parse(nlmsg_hdr(answer.message.get()), &parsed), what);
    const RouteHandle owner{parsed};

    Route<Ip> route;
    route.kind = kind_of(rtnl_route_get_type(parsed));
    route.destination = destination;
    route.source = address_of<Ip>(rtnl_route_get_pref_src(parsed));
    std::uint32_t mtu = 0;
    if (rtnl_route_get_metric(parsed, RTAX_MTU, &mtu) == 0) route.mtu = mtu;
    rtnl_nexthop* const hop = rtnl_route_nexthop_n(parsed, 0);
    if (!hop) verbs::throw_error(EHOSTUNREACH, what, "its route leads to no interface");
    if (const nl_addr* gateway = rtnl_route_nh_get_gateway(hop)) {
        route.gateway = address_of<Ip>(gateway);
    } else if (rtnl_route_nh_get_via(hop)) {
        verbs::throw_error(EAFNOSUPPORT, what, "its gateway has an address of the other kind");
    }
    route.interface_index = static_cast<unsigned>(rtnl_route_nh_get_ifindex(hop));
    add_link(netlink, route);
    return route;
}

}  // namespace

Route<Ipv4Address> route_to(const Ipv4Address& destination, std::string_view interface) {
    return find_route(destination, interface);
}
Route<Ipv6Address> route_to(const Ipv6Address& destination, std::string_view interface) {
    return find_route(destination, interface);
}

}  // namespace pktverbs::route
