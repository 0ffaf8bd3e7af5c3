// SPDX-License-Identifier: Apache-2.0
// resolve: which way the kernel would send to an address, and to whose MAC address.
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <pktverbs/format.hpp>
#include <pktverbs/route/neighbour.hpp>
#include <pktverbs/route/resolve.hpp>
#include "common/bad_use.hpp"
#include "common/command_line.hpp"
#include "common/quantity_option.hpp"

using namespace std::chrono_literals;

namespace route = pktverbs::route;

namespace {

std::string_view state_name(route::NeighbourState state) {
    constexpr std::string_view names[] = {"none",  "incomplete", "reachable", "stale",    "delay",
                                          "probe", "failed",     "no ARP",    "permanent"};
    return names[static_cast<std::size_t>(state)];
}

template <class Ip>
void print_destination(const Ip& address, const std::string& interface, std::chrono::nanoseconds timeout) {
    const auto found = route::route_to(address, interface);
    fmt::print("{}: {}, mtu {}, {}", address, found.interface, found.mtu, found.gateway ? "through " : "on the link");
    if (found.gateway) fmt::print("{}", *found.gateway);
    fmt::print("\nfrom {} ({})\n", found.source, found.interface_mac);
    std::fflush(stdout);

    const auto destination = route::resolve(address, timeout, interface);
    fmt::print("to   {} ({})", found.next_hop(), destination.mac);
    if (const auto known = route::neighbour(found.interface, found.next_hop()))
        fmt::print(", {}", state_name(known->state));
    fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Shows the route and the MAC address to an address.", "resolve"};
    app.footer("resolve 192.0.2.7\nresolve fe80::1 --interface eth0");
    std::string text;
    std::string interface;
    std::chrono::nanoseconds timeout = std::chrono::seconds{5};
    app.add_option("ADDRESS", text, "IPv4 or IPv6").required();
    app.add_option("-i,--interface", interface, "The interface to send from: link-local addresses and groups need it");
    example::add_duration(app, "-W,--timeout", timeout, 0ms, example::max_time,
                          "How long to wait for an answer (default 5 s)");
    return app.run(argc, argv, [&] {
        if (const auto ipv4 = pktverbs::Ipv4Address::parse(text))
            print_destination(*ipv4, interface, timeout);
        else if (const auto ipv6 = pktverbs::Ipv6Address::parse(text))
            print_destination(*ipv6, interface, timeout);
        else
            throw example::BadUse{fmt::format("'{}' is no IPv4 or IPv6 address", text)};
        return 0;
    });
}
