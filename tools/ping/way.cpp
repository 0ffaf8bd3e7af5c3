// SPDX-License-Identifier: Apache-2.0
#include "way.hpp"

#include <system_error>

#ifdef PKTVERBS_TOOL_ROUTE
#include <pktverbs/route/route.hpp>
#endif

namespace tool {

namespace {

#ifdef PKTVERBS_TOOL_ROUTE
std::optional<Way> kernel_way(const pktverbs::Device& device, const IpAddress& peer) {
    if (device.interface.empty()) return std::nullopt;
    try {
        return std::visit(
            [&](const auto& ip) -> std::optional<Way> {
                const auto route = pktverbs::route::route_to(ip, device.interface);
                if (route.kind != pktverbs::route::RouteKind::unicast || route.source.is_zero()) return std::nullopt;
                return Way{route.source, route.next_hop()};
            },
            peer);
    } catch (const std::system_error&) {
        return std::nullopt;  // the kernel knows none: the peer may be on the link all the same
    }
}
#else
std::optional<Way> kernel_way(const pktverbs::Device&, const IpAddress&) { return std::nullopt; }
#endif

}  // namespace

Way find_way(const pktverbs::Device& device, pktverbs::MacAddress mac, const IpAddress& peer,
             const std::optional<IpAddress>& source) {
    if (auto way = kernel_way(device, peer)) {
        if (source) way->source = *source;
        return *way;
    }
    return {source ? *source : choose_source(device, mac, peer, false), peer};
}

}  // namespace tool
