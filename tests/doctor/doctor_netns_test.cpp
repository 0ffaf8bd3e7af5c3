// SPDX-License-Identifier: Apache-2.0
// check() on the kernel's interfaces.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include <pktverbs/doctor/doctor.hpp>

#include "interface/ethtool.hpp"
#include "interface/interface.hpp"
#include "network_namespace.hpp"

namespace pktverbs::test {
namespace {

class DoctorOnInterfaces : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << NetworkNamespace::unavailable();
    }
};

TEST_F(DoctorOnInterfaces, FindsWhatMattersOnAVethPair) {
    const VethPair pair;
    const Report report = pair.left.run([] { return check("packet:left0"); });
    EXPECT_EQ(report.count(Severity::problem), 0u) << report.to_string();
    EXPECT_EQ(report.find("interface")->value, "left0, driver veth");
    EXPECT_EQ(report.find("mtu")->value, "1500 bytes, packets have room for 9216");
    EXPECT_EQ(report.find("flow_sniffer")->value, "accepted");
    EXPECT_NE(report.find("gso")->advice.find("ethtool -K"), std::string::npos);
    EXPECT_NE(report.find("gro"), nullptr);
}

TEST_F(DoctorOnInterfaces, LeavesTheInterfaceAsItWas) {
    const VethPair pair;
    const auto details = [&] { return pair.left.name_space.ip({"-d", "link", "show", "left0"}); };
    const std::string before = details();
    pair.left.run([] { return check("packet:left0"); });
    EXPECT_EQ(details(), before);  // promiscuity and allmulti are counts there
}

TEST_F(DoctorOnInterfaces, ReportsThatAnInterfaceIsDown) {
    const VethPair pair;
    pair.left.set_up(false);
    const Report report = pair.left.run([] { return check("packet:left0"); });
    const Finding* const link = report.find("link");
    ASSERT_TRUE(link) << report.to_string();
    EXPECT_EQ(link->severity, Severity::problem);
    EXPECT_NE(link->advice.find("ip link set left0 up"), std::string::npos);
}

TEST_F(DoctorOnInterfaces, WarnsOfALoopbackThatSendsLongFrames) {
    const NetworkNamespace alone;
    alone.ip({"link", "set", "lo", "up"});
    const Report report = alone.run([] { return check("packet:lo"); });
    ASSERT_NE(report.find("gso"), nullptr) << report.to_string();
    EXPECT_EQ(report.find("gso")->severity, Severity::warning);
}

TEST_F(DoctorOnInterfaces, ReadsADriversStatistics) {
    const VethPair pair;
    pair.left.run([] {
        const Ethtool ethtool{Interface::find("left0")};
        EXPECT_EQ(ethtool.driver(), "veth");
        const auto all = ethtool.statistics();
        ASSERT_FALSE(all.empty());
        EXPECT_EQ(all.front().first, "peer_ifindex");
        EXPECT_GT(all.front().second, 0u);
    });
}

TEST_F(DoctorOnInterfaces, LooksAtTheInterfaceThatWasFound) {
    const VethPair pair;
    const auto found = pair.left.run([] { return Interface::find("left0"); });
    pair.left.name_space.ip({"link", "set", "left0", "down"});
    pair.left.name_space.ip({"link", "set", "left0", "name", "other0"});
    pair.left.name_space.ip({"link", "add", "left0", "type", "bridge"});
    const Ethtool ethtool{found};
    EXPECT_EQ(ethtool.driver(), "veth");
    EXPECT_EQ(ethtool.speed(), 10000u);  // as on veth, with or without a carrier
    pair.left.name_space.ip({"link", "delete", "other0"});
    EXPECT_EQ(ethtool.driver(), "");
    EXPECT_FALSE(ethtool.speed());
}

TEST_F(DoctorOnInterfaces, FindsNoStatisticsOfWhatIsNotThere) {
    for (const char* name : {"no_such_if", "", "a/b", "a_name_that_is_far_too_long"}) {
        const Ethtool ethtool{Interface::find(name)};
        EXPECT_TRUE(ethtool.statistics().empty());
        EXPECT_EQ(ethtool.driver(), "");
        EXPECT_FALSE(ethtool.generic_receive_offload());
        EXPECT_FALSE(ethtool.receive_ring());
    }
}

}  // namespace
}  // namespace pktverbs::test
