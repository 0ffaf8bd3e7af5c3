// SPDX-License-Identifier: Apache-2.0
#include "flow/multicast_groups.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <fmt/core.h>

#include "expect_error.hpp"
#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using testing::expect_error;
using testing::expect_words;

Ipv4Address group4(unsigned number) {
    return Ipv4Address{
        Ipv4Address::Bytes{239, 1, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

Ipv6Address group6(unsigned number) {
    return Ipv6Address{Ipv6Address::Bytes{0xff, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77,
                                          static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

/// Our groups (239.1/16) that the kernel has joined on any interface of this network, as in its table: hex, in host
/// byte order (ip_mc_seq_show() in net/ipv4/igmp.c).
std::set<std::string> joined4() {
    std::set<std::string> found;
    std::ifstream table{"/proc/thread-self/net/igmp"};
    for (std::string line; std::getline(table, line);) {
        std::uint32_t word = 0;
        if (std::sscanf(line.c_str(), "\t\t\t\t%8X", &word) != 1) continue;
        Ipv4Address::Bytes bytes;
        std::memcpy(bytes.data(), &word, sizeof word);
        if (bytes[0] == 239) found.insert(fmt::format("{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]));
    }
    return found;
}

std::size_t joined6() {
    std::size_t found = 0;
    std::ifstream table{"/proc/thread-self/net/igmp6"};
    for (std::string line; std::getline(table, line);) found += line.find("ff15000000000000") != std::string::npos;
    return found;
}

std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{}));
}

/// A network with left0 in it, and its link up.
class MulticastGroupsInKernel : public ::testing::Test {
protected:
    template <class Body>
    void with_link(Body body) {
        if (!test::NetworkNamespace::unavailable().empty())
            GTEST_SKIP() << "NOT TESTED: " << test::NetworkNamespace::unavailable();
        const test::VethPair veth;
        veth.left.run(body);
    }
};

TEST(MulticastGroups, OnlyCountWithoutAnInterface) {
    const auto before = open_descriptors();
    MulticastGroups groups{nullptr};
    groups.join(group4(1));
    groups.join(group4(1));
    groups.join(group6(1));
    EXPECT_EQ(groups.size(), 2U);
    EXPECT_EQ(groups.socket_count(), 0U);
    EXPECT_EQ(open_descriptors(), before);
    groups.leave(group4(1));
    EXPECT_EQ(groups.size(), 2U);
    groups.leave(group4(1));
    EXPECT_EQ(groups.size(), 1U);
}

TEST(MulticastGroups, LeaveNothingThatWasNotJoined) {
    MulticastGroups groups{nullptr};
    groups.leave(group4(1));
    groups.leave(group6(1));
    EXPECT_EQ(groups.size(), 0U);
}

TEST(MulticastGroups, RefuseAnAddressThatIsNoGroup) {
    for (const char* interface : {"", "lo"}) {
        MulticastGroups groups{Interface::find(interface)};
        const Ipv4Address host4{Ipv4Address::Bytes{192, 0, 2, 1}};
        const Ipv6Address host6{Ipv6Address::Bytes{0xfe, 0x80}};
        expect_words(expect_error(EINVAL, [&] { groups.join(host4); }),
                     {"cannot join multicast group 192.0.2.1", "no multicast address"});
        expect_words(expect_error(EINVAL, [&] { groups.join(host6); }), {"cannot join multicast group fe80::"});
        EXPECT_EQ(groups.size(), 0U);
        EXPECT_EQ(groups.socket_count(), 0U);
    }
}

TEST(MulticastGroups, SayWhichInterfaceIsNotThere) {
    const auto before = open_descriptors();
    LinkState gone;
    gone.name_text = {'e', 't', 'h', '9'};
    MulticastGroups groups{std::make_shared<const Interface>(nullptr, gone)};
    EXPECT_EQ(expect_error(ENODEV, [&] { groups.join(group4(257)); }),
              "cannot join multicast group 239.1.1.1 on eth9: No such device");
    EXPECT_EQ(groups.size(), 0U);
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(MulticastGroupsInKernel, JoinMoreThanOneSocketCanHold) {
    with_link([] {
        constexpr unsigned count = 50;
        const auto before = open_descriptors();
        {
            MulticastGroups groups{Interface::find("left0")};
            for (unsigned number = 0; number < count; ++number) groups.join(group4(number));
            EXPECT_EQ(groups.size(), count);
            EXPECT_EQ(joined4().size(), count);
            EXPECT_TRUE(joined4().contains("239.1.0.49"));
            EXPECT_EQ(groups.socket_count(), 3U);  // of 20 groups
        }
        EXPECT_EQ(joined4().size(), 0U);
        EXPECT_EQ(open_descriptors(), before);
    });
}

TEST_F(MulticastGroupsInKernel, JoinIpv6Groups) {
    if (!std::filesystem::exists("/proc/net/igmp6")) GTEST_SKIP() << "NOT TESTED: this kernel has no IPv6";
    with_link([] {
        // More than one socket can hold: each takes some 40 bytes of a socket's net.core.optmem_max.
        unsigned optmem_bytes = 128 * 1024;
        std::ifstream{"/proc/sys/net/core/optmem_max"} >> optmem_bytes;
        const unsigned count = std::min(optmem_bytes / 32, 0xffffU);
        MulticastGroups groups{Interface::find("left0")};
        for (unsigned number = 0; number < count; ++number) groups.join(group6(number));
        EXPECT_EQ(joined6(), count);
        EXPECT_GE(groups.socket_count(), 2U);
        for (unsigned number = 0; number < count; ++number) groups.leave(group6(number));
        EXPECT_EQ(joined6(), 0U);
        EXPECT_EQ(groups.socket_count(), 0U);
    });
}

TEST_F(MulticastGroupsInKernel, StayUntilLeftAsOftenAsJoined) {
    with_link([] {
        MulticastGroups groups{Interface::find("left0")};
        groups.join(group4(1));
        groups.join(group4(1));
        groups.leave(group4(1));
        EXPECT_EQ(joined4(), std::set<std::string>{"239.1.0.1"});
        groups.leave(group4(1));
        EXPECT_EQ(joined4(), std::set<std::string>{});
        groups.leave(group4(1));
        groups.join(group4(1));
        EXPECT_EQ(joined4(), std::set<std::string>{"239.1.0.1"});
    });
}

TEST_F(MulticastGroupsInKernel, CloseASocketWithItsLastGroup) {
    with_link([] {
        MulticastGroups groups{Interface::find("left0")};
        const auto before = open_descriptors();
        for (unsigned number = 0; number < 21; ++number) groups.join(group4(number));
        EXPECT_EQ(open_descriptors(), before + 2);
        groups.leave(group4(20));
        EXPECT_EQ(open_descriptors(), before + 1);
        groups.leave(group4(0));
        groups.join(group4(21));  // takes the free place
        EXPECT_EQ(groups.socket_count(), 1U);
        EXPECT_EQ(joined4().size(), 20U);
    });
}

TEST_F(MulticastGroupsInKernel, KeepTwoFamiliesApart) {
    if (!std::filesystem::exists("/proc/net/igmp6")) GTEST_SKIP() << "NOT TESTED: this kernel has no IPv6";
    with_link([] {
        MulticastGroups groups{Interface::find("left0")};
        groups.join(group4(1));
        groups.join(group6(1));
        EXPECT_EQ(groups.socket_count(), 2U);
        groups.leave(group4(1));
        EXPECT_EQ(groups.socket_count(), 1U);
        EXPECT_EQ(joined6(), 1U);
    });
}

TEST_F(MulticastGroupsInKernel, LeaveNothingBehindWhenAJoinFails) {
    with_link([] {
        MulticastGroups groups{Interface::find("left0")};
        const auto before = open_descriptors();
        groups.join(group4(1));
        // From here on no socket in this network may hold a group.
        std::ofstream{"/proc/sys/net/ipv4/igmp_max_memberships"} << 0 << std::flush;
        std::string now;
        std::ifstream{"/proc/sys/net/ipv4/igmp_max_memberships"} >> now;
        if (now != "0") GTEST_SKIP() << "NOT TESTED: /proc/sys is read-only";
        expect_words(expect_error(ENOBUFS, [&] { groups.join(group4(2)); }),
                     {"cannot join multicast group 239.1.0.2 on left0: No buffer space available",
                      "net.ipv4.igmp_max_memberships"});
        EXPECT_EQ(groups.size(), 1U);
        EXPECT_EQ(groups.socket_count(), 1U);
        EXPECT_EQ(open_descriptors(), before + 1);
        EXPECT_EQ(joined4(), std::set<std::string>{"239.1.0.1"});
    });
}

TEST_F(MulticastGroupsInKernel, SurviveTheLossOfTheInterface) {
    with_link([] {
        MulticastGroups groups{Interface::find("left0")};
        const auto before = open_descriptors();
        groups.join(group4(1));
        ASSERT_EQ(std::system("ip link del left0"), 0);
        groups.leave(group4(1));
        EXPECT_EQ(groups.size(), 0U);
        EXPECT_EQ(open_descriptors(), before);
        expect_error(ENODEV, [&] { groups.join(group4(1)); });
    });
}

}  // namespace
}  // namespace pktverbs
