// SPDX-License-Identifier: Apache-2.0
// The code in docs/packets.md that needs the component route, as packets_snippets.cpp.
#include <gtest/gtest.h>

#include <pktverbs/net/net.hpp>
#include <pktverbs/route/neighbour.hpp>
#include <pktverbs/route/resolve.hpp>

#include "expect_error.hpp"

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

// [resolve]
net::FrameTemplate stream_to(const Ipv4Address& peer) {
    const auto found = route::resolve(peer, 5s);  // throws if there is no answer
    return {net::Ethernet{.dst = found.mac, .src = found.route.interface_mac},
            net::Ipv4{.src = found.route.source, .dst = peer}, net::Udp{.src_port = 7148, .dst_port = 7148}};
}
// [/resolve]

TEST(RouteSnippets, Run) {
    pktverbs::testing::expect_error(EADDRNOTAVAIL, [] { stream_to(Ipv4Address{"127.0.0.1"}); });
}

}  // namespace
