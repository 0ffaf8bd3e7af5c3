// SPDX-License-Identifier: Apache-2.0
// A user's program of the component route: the one address that is reachable everywhere, or why not.
#include <pktverbs/format.hpp>

#include <system_error>

#include <pktverbs/route/route.hpp>

int main() try {
    const auto route = pktverbs::route::route_to(pktverbs::Ipv4Address{"127.0.0.1"});
    fmt::print("ok: {} is behind {}\n", route.destination, route.interface);
    return route.kind == pktverbs::route::RouteKind::local ? 0 : 1;
} catch (const std::system_error& error) {
    fmt::print("ok: {}\n", error.what());
}
