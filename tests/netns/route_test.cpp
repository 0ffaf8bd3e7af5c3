// SPDX-License-Identifier: Apache-2.0
// Routes and neighbours between two networks whose kernels answer, and to addresses without an answer.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>

#include <pktverbs/route/neighbour.hpp>
#include <pktverbs/route/resolve.hpp>
#include <pktverbs/route/route.hpp>

#include "cable.hpp"
#include "expect_error.hpp"
#include "network_namespace.hpp"

namespace pktverbs::route {
namespace {

using namespace std::chrono_literals;
using pktverbs::testing::expect_error;
using pktverbs::testing::expect_words;

using test::patience;

/// Between left0 and right0, with empty neighbour tables, where lookups fail after 0.1 s.
class RouteTest : public ::testing::Test {
protected:
    void SetUp() override {
        if (!test::NetworkNamespace::unavailable().empty())
            GTEST_SKIP() << "NOT TESTED: " << test::NetworkNamespace::unavailable();
        veth.emplace(test::VethPair::Options{.ipv6 = true});
        for (const auto& address : {veth->right.ipv4, veth->right.ipv6})
            left({"neigh", "del", address, "dev", "left0"});
        for (const auto* table : {"arp_cache", "ndisc_cache"})
            left({"ntable", "change", "name", table, "dev", "left0", "retrans", "50", "mcast_probes", "2"});
    }

    std::string left(std::vector<std::string> arguments) { return veth->left.name_space.ip(std::move(arguments)); }
    template <class Call>
    auto on_left(Call&& call) {
        return veth->left.run(std::forward<Call>(call));
    }

    std::optional<test::VethPair> veth;
};

TEST_F(RouteTest, LeadsToANeighbourOnTheLink) {
    const Ipv4Address right{veth->right.ipv4};
    const auto route = on_left([&] { return route_to(right); });
    EXPECT_EQ(route.kind, RouteKind::unicast);
    EXPECT_EQ(route.destination, right);
    EXPECT_EQ(route.interface, "left0");
    EXPECT_NE(route.interface_index, 0U);
    EXPECT_EQ(route.interface_mac, veth->left.mac);
    EXPECT_TRUE(route.has_neighbours);
    EXPECT_EQ(route.source, Ipv4Address{veth->left.ipv4});
    EXPECT_FALSE(route.gateway);
    EXPECT_EQ(route.next_hop(), right);
    EXPECT_EQ(route.mtu, 1500U);
}

TEST_F(RouteTest, LeadsThroughAGateway) {
    left({"route", "add", "198.51.100.0/24", "via", veth->right.ipv4, "mtu", "1400"});
    const auto route = on_left([] { return route_to(Ipv4Address{"198.51.100.7"}); });
    EXPECT_EQ(route.interface, "left0");
    EXPECT_EQ(route.gateway, Ipv4Address{veth->right.ipv4});
    EXPECT_EQ(route.next_hop(), Ipv4Address{veth->right.ipv4});
    EXPECT_EQ(route.source, Ipv4Address{veth->left.ipv4});
    EXPECT_EQ(route.mtu, 1400U);
}

TEST_F(RouteTest, LeadsOverIpv6) {
    const Ipv6Address right{veth->right.ipv6};
    const auto on_link = on_left([&] { return route_to(right); });
    EXPECT_EQ(on_link.kind, RouteKind::unicast);
    EXPECT_EQ(on_link.interface, "left0");
    EXPECT_EQ(on_link.source, Ipv6Address{veth->left.ipv6});
    EXPECT_FALSE(on_link.gateway);
    EXPECT_EQ(on_link.mtu, 1500U);
    left({"-6", "route", "add", "2001:db8:1::/48", "via", veth->right.ipv6});
    const auto through = on_left([] { return route_to(Ipv6Address{"2001:db8:1::7"}); });
    EXPECT_EQ(through.gateway, right);
    EXPECT_EQ(through.source, Ipv6Address{veth->left.ipv6});
}

TEST_F(RouteTest, TakesTheInterfaceForAnAddressThatDoesNotSayIt) {
    left({"addr", "add", "fe80::1/64", "dev", "left0", "nodad"});
    veth->right.name_space.ip({"addr", "add", "fe80::2/64", "dev", "right0", "nodad"});
    const auto route = on_left([] { return route_to(Ipv6Address{"fe80::2"}, "left0"); });
    EXPECT_EQ(route.interface, "left0");
    EXPECT_EQ(route.source, Ipv6Address{"fe80::1"});
    EXPECT_EQ(on_left([] { return resolve(Ipv6Address{"fe80::2"}, patience, "left0"); }).mac, veth->right.mac);
}

TEST_F(RouteTest, ReportsItsKind) {
    const auto kind = [&](const char* address, std::string_view interface = {}) {
        return on_left([&] { return route_to(Ipv4Address{address}, interface).kind; });
    };
    EXPECT_EQ(kind("10.77.0.1"), RouteKind::local);
    EXPECT_EQ(kind("127.0.0.1"), RouteKind::local);
    EXPECT_EQ(kind("10.77.0.255"), RouteKind::broadcast);
    EXPECT_EQ(kind("255.255.255.255", "left0"), RouteKind::broadcast);
    EXPECT_EQ(kind("239.2.1.150", "left0"), RouteKind::multicast);
    const auto group = on_left([] { return route_to(Ipv6Address{"ff15::42"}, "left0"); });
    EXPECT_EQ(group.kind, RouteKind::multicast);
    EXPECT_EQ(group.interface, "left0");
}

TEST_F(RouteTest, SaysThatThereIsNone) {
    const auto words = expect_error(ENETUNREACH, [&] { on_left([] { return route_to(Ipv4Address{"203.0.113.9"}); }); });
    EXPECT_EQ(words, "cannot find a route to 203.0.113.9: Network is unreachable (no route leads there: see ip route)");
    expect_words(expect_error(ENETUNREACH, [&] { on_left([] { return route_to(Ipv6Address{"2001:db8::9"}); }); }),
                 {"cannot find a route to 2001:db8::9", "Network is unreachable"});
}

TEST_F(RouteTest, SaysWhatForbidsIt) {
    left({"route", "add", "unreachable", "198.51.100.0/24"});
    left({"route", "add", "prohibit", "203.0.113.0/24"});
    left({"-6", "route", "add", "prohibit", "2001:db8:2::/48"});
    const auto to = [&](auto address) { return [this, address] { on_left([&] { return route_to(address); }); }; };
    expect_words(expect_error(EHOSTUNREACH, to(Ipv4Address{"198.51.100.7"})), {"198.51.100.7", "No route to host"});
    expect_words(expect_error(EACCES, to(Ipv4Address{"203.0.113.7"})), {"203.0.113.7", "a route forbids it"});
    expect_words(expect_error(EACCES, to(Ipv6Address{"2001:db8:2::7"})), {"2001:db8:2::7", "a route forbids it"});
}

TEST_F(RouteTest, SaysThatThereIsNoSuchInterface) {
    const auto call = [] { return route_to(Ipv4Address{"10.77.0.2"}, "no_such_if"); };
    EXPECT_EQ(expect_error(ENODEV, [&] { on_left(call); }),
              "cannot find interface 'no_such_if': No such device (see ip link)");
    const auto long_name = [] { return neighbour("much_too_long_a_name", Ipv4Address{"10.77.0.2"}); };
    expect_words(expect_error(ENODEV, [&] { on_left(long_name); }), {"'much_too_long_a_name'"});
    const auto no_name = [] { return neighbour("", Ipv4Address{"10.77.0.2"}); };
    expect_words(expect_error(ENODEV, [&] { on_left(no_name); }), {"neighbour 10.77.0.2", "name an interface"});
}

TEST_F(RouteTest, DoesNotFollowAGatewayOfTheOtherKind) {
    left({"route", "add", "198.51.100.0/24", "via", "inet6", veth->right.ipv6, "dev", "left0"});
    const auto call = [] { return route_to(Ipv4Address{"198.51.100.7"}); };
    expect_words(expect_error(EAFNOSUPPORT, [&] { on_left(call); }), {"198.51.100.7", "address of the other kind"});
}

TEST_F(RouteTest, LeavesNoDescriptorBehind) {
    const auto count = [] {
        return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"},
                             std::filesystem::directory_iterator{});
    };
    const auto before = count();
    on_left([&] { return resolve(Ipv4Address{veth->right.ipv4}, patience); });
    expect_error(ENETUNREACH, [&] { on_left([] { return route_to(Ipv4Address{"203.0.113.9"}); }); });
    EXPECT_EQ(count(), before);
}

TEST_F(RouteTest, NeighbourIsUnknownAtFirst) {
    EXPECT_FALSE(on_left([&] { return neighbour("left0", Ipv4Address{veth->right.ipv4}); }));
    EXPECT_FALSE(on_left([&] { return neighbour("left0", Ipv6Address{veth->right.ipv6}); }));
}

TEST_F(RouteTest, NeighbourIsWhatTheTableHas) {
    left({"neigh", "replace", "10.77.0.9", "lladdr", "02:00:00:00:00:99", "dev", "left0", "nud", "permanent"});
    left({"neigh", "replace", "10.77.0.8", "lladdr", "02:00:00:00:00:98", "dev", "left0", "nud", "stale"});
    left({"neigh", "replace", "fd77::9", "lladdr", "02:00:00:00:00:97", "dev", "left0", "nud", "noarp"});
    const auto permanent = on_left([] { return neighbour("left0", Ipv4Address{"10.77.0.9"}); });
    ASSERT_TRUE(permanent);
    EXPECT_EQ(permanent->state, NeighbourState::permanent);
    EXPECT_EQ(permanent->mac, MacAddress{"02:00:00:00:00:99"});
    EXPECT_TRUE(permanent->is_usable());
    const auto stale = on_left([] { return neighbour("left0", Ipv4Address{"10.77.0.8"}); });
    ASSERT_TRUE(stale);
    EXPECT_EQ(stale->state, NeighbourState::stale);
    EXPECT_TRUE(stale->is_usable());
    const auto no_arp = on_left([] { return neighbour("left0", Ipv6Address{"fd77::9"}); });
    ASSERT_TRUE(no_arp);
    EXPECT_EQ(no_arp->state, NeighbourState::no_arp);
    EXPECT_EQ(no_arp->mac, MacAddress{"02:00:00:00:00:97"});
    const auto elsewhere = on_left([] { return neighbour("lo", Ipv4Address{"10.77.0.9"}); });
    EXPECT_FALSE(elsewhere);
}

TEST_F(RouteTest, ResolvesAnUnknownNeighbour) {
    const auto ipv4 = on_left([&] { return resolve(Ipv4Address{veth->right.ipv4}, patience); });
    EXPECT_EQ(ipv4.mac, veth->right.mac);
    EXPECT_EQ(ipv4.route.interface_mac, veth->left.mac);
    EXPECT_EQ(ipv4.route.source, Ipv4Address{veth->left.ipv4});
    const auto known = on_left([&] { return neighbour("left0", Ipv4Address{veth->right.ipv4}); });
    ASSERT_TRUE(known);
    EXPECT_TRUE(known->is_usable());
    const auto ipv6 = on_left([&] { return resolve(Ipv6Address{veth->right.ipv6}, patience); });
    EXPECT_EQ(ipv6.mac, veth->right.mac);
}

TEST_F(RouteTest, ResolvesTheGateway) {
    left({"route", "add", "default", "via", veth->right.ipv4});
    const auto found = on_left([] { return resolve(Ipv4Address{"198.51.100.7"}, patience); });
    EXPECT_EQ(found.mac, veth->right.mac);
    EXPECT_EQ(found.route.gateway, Ipv4Address{veth->right.ipv4});
    EXPECT_FALSE(on_left([] { return neighbour("left0", Ipv4Address{"198.51.100.7"}); }));
}

TEST_F(RouteTest, ResolvesGroupsAndBroadcastWithoutAsking) {
    const auto mac = [&](auto address) { return on_left([&] { return resolve(address, 0s, "left0").mac; }); };
    EXPECT_EQ(mac(Ipv4Address{"239.130.1.150"}), MacAddress{"01:00:5e:02:01:96"});
    EXPECT_EQ(mac(Ipv6Address{"ff15::1:42"}), MacAddress{"33:33:00:01:00:42"});
    EXPECT_EQ(mac(Ipv4Address{"10.77.0.255"}), MacAddress::broadcast());
}

TEST_F(RouteTest, ReportsThatThereIsNoAnswer) {
    const auto call = [] { return resolve(Ipv4Address{"10.77.0.99"}, patience); };
    EXPECT_EQ(expect_error(EHOSTUNREACH, [&] { on_left(call); }),
              "cannot resolve 10.77.0.99: 10.77.0.99 does not answer on left0");
    // A failed lookup is tried again.
    veth->right.name_space.ip({"addr", "add", "10.77.0.99/24", "dev", "right0"});
    EXPECT_EQ(on_left(call).mac, veth->right.mac);
    const auto over_ipv6 = [] { return resolve(Ipv6Address{"fd77::99"}, patience); };
    expect_words(expect_error(EHOSTUNREACH, [&] { on_left(over_ipv6); }), {"fd77::99 does not answer on left0"});
}

TEST_F(RouteTest, StopsWaitingAtTheDeadline) {
    left({"ntable", "change", "name", "arp_cache", "dev", "left0", "retrans", "100000"});
    const auto call = [] { return resolve(Ipv4Address{"10.77.0.98"}, 1ms); };
    EXPECT_EQ(expect_error(ETIMEDOUT, [&] { on_left(call); }),
              "cannot resolve 10.77.0.98: 10.77.0.98 did not answer on left0 in time");
}

TEST_F(RouteTest, ResolvesNothingWhereThereAreNoMacAddresses) {
    const auto own = [&] { return resolve(Ipv4Address{"10.77.0.1"}, patience); };
    EXPECT_EQ(expect_error(EADDRNOTAVAIL, [&] { on_left(own); }),
              "cannot resolve 10.77.0.1: it is an address of this machine");
    left({"route", "add", "198.51.100.0/24", "dev", "lo"});
    const auto loopback = [&] { return resolve(Ipv4Address{"198.51.100.7"}, patience); };
    expect_words(expect_error(EOPNOTSUPP, [&] { on_left(loopback); }), {"lo is no Ethernet interface"});
    left({"link", "set", "left0", "arp", "off"});
    const auto no_arp = [&] { return resolve(Ipv4Address{veth->right.ipv4}, patience); };
    expect_words(expect_error(EOPNOTSUPP, [&] { on_left(no_arp); }), {"left0", "NOARP"});
}

}  // namespace
}  // namespace pktverbs::route
