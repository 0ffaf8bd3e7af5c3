// SPDX-License-Identifier: Apache-2.0
// ping_demo against the kernel's ICMP, as tcpdump sees it at the kernel's end.
#include <gtest/gtest.h>

#include <memory>
#include <regex>
#include <string>

#include "network_namespace.hpp"
#include "program.hpp"

namespace pktverbs {
namespace {

using test::NetworkNamespace;
using test::Program;
using test::VethPair;

TEST(PingDemo, SendsEchoRequestsThatTcpdumpFindsWellFormed) {
    if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
    if (std::system("command -v tcpdump >/dev/null") != 0) GTEST_SKIP() << "NOT TESTED: tcpdump is not installed";
    const VethPair veth;
    // -vv makes it check the checksums; ten packets and it ends, or else the time is up.
    const auto tcpdump = veth.right.run([] {
        return std::make_unique<Program>("timeout 30 tcpdump -i right0 -nn -vv -l -c 10 'icmp[icmptype] == icmp-echo'");
    });
    while (tcpdump->line().find("listening on") == std::string::npos) {
    }
    const auto ping = veth.left.run(
        [&] { return std::make_unique<Program>(PING_DEMO " packet:left0 " + veth.right.ipv4 + " -c 10 -i 0.01"); });

    std::string said;
    for (const std::string& line : ping->lines()) said += line;
    EXPECT_EQ(ping->exit_status(), 0);
    EXPECT_NE(said.find("10 packets transmitted, 10 received, 0% loss"), std::string::npos) << said;

    std::string seen;
    for (const std::string& line : tcpdump->lines()) seen += line;
    EXPECT_EQ(seen.find("bad"), std::string::npos) << seen;
    const std::regex request{"10\\.77\\.0\\.1 > 10\\.77\\.0\\.2: ICMP echo request, id \\d+, seq (\\d+), length 64"};
    int sequence = 1;
    for (std::sregex_iterator at{seen.begin(), seen.end(), request}, end; at != end; ++at)
        EXPECT_EQ((*at)[1].str(), std::to_string(sequence++));
    EXPECT_EQ(sequence, 11) << seen;
    const std::regex header{"\\(tos 0x0, ttl 64, id \\d+, offset 0, flags \\[DF\\], proto ICMP \\(1\\), length 84\\)"};
    EXPECT_EQ(std::distance(std::sregex_iterator{seen.begin(), seen.end(), header}, {}), 10) << seen;
}

}  // namespace
}  // namespace pktverbs
