// SPDX-License-Identifier: Apache-2.0
// Neighbour: the kernel's answer to RTM_GETNEIGH.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>

#include <algorithm>
#include <cerrno>
#include <type_traits>

#include <pktverbs/format.hpp>
#include <pktverbs/route/neighbour.hpp>
#include <pktverbs/verbs/error.hpp>

#include "route/netlink.hpp"

namespace pktverbs::route {
namespace {

NeighbourState state_of(int state) {
    switch (state) {
        case NUD_INCOMPLETE:
            return NeighbourState::incomplete;
        case NUD_REACHABLE:
            return NeighbourState::reachable;
        case NUD_STALE:
            return NeighbourState::stale;
        case NUD_DELAY:
            return NeighbourState::delay;
        case NUD_PROBE:
            return NeighbourState::probe;
        case NUD_FAILED:
            return NeighbourState::failed;
        case NUD_NOARP:
            return NeighbourState::no_arp;
        case NUD_PERMANENT:
            return NeighbourState::permanent;
        default:
            return NeighbourState::none;
    }
}

template <class Ip>
std::optional<Neighbour> find_neighbour(std::string_view interface, const Ip& address) {
    const std::string what = fmt::format("look up the neighbour {} on {}", address, interface);
    const unsigned index = index_of(interface);
    if (index == 0) verbs::throw_error(ENODEV, what, "name an interface");
    ndmsg header{};
    header.ndm_family = std::is_same_v<Ip, Ipv4Address> ? AF_INET : AF_INET6;
    header.ndm_ifindex = static_cast<int>(index);
    Request request{RTM_GETNEIGH, header};
    request.put(NDA_DST, address.bytes());

    const auto answer = Netlink{}.ask(request, what);
    if (answer.error == ENOENT) return std::nullopt;
    if (answer.error != 0) verbs::throw_error(answer.error, what, "");
    rtnl_neigh* parsed = nullptr;
    check_libnl(rtnl_neigh_parse(nlmsg_hdr(answer.message.get()), &parsed), what);
    const NeighbourHandle owner{parsed};

    Neighbour found;
    found.state = state_of(rtnl_neigh_get_state(parsed));
    const nl_addr* const mac = rtnl_neigh_get_lladdr(parsed);
    if (mac && nl_addr_get_len(mac) == MacAddress::size) {
        MacAddress::Bytes bytes;
        std::copy_n(static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(mac)), bytes.size(), bytes.begin());
        found.mac = MacAddress{bytes};
    }
    return found;
}

}  // namespace

std::optional<Neighbour> neighbour(std::string_view interface, const Ipv4Address& address) {
    return find_neighbour(interface, address);
}
std::optional<Neighbour> neighbour(std::string_view interface, const Ipv6Address& address) {
    return find_neighbour(interface, address);
}

}  // namespace pktverbs::route
