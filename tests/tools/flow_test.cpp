// SPDX-License-Identifier: Apache-2.0
#include "base/flow.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace tool {
namespace {

TEST(ToolFlow, IsTheRuleThatItSays) {
    const std::pair<const char*, const char*> rules[] = {
        {"udp:239.2.1.150:7148", "dst_ip 239.2.1.150 udp dst_port 7148"},
        {"udp:239.2.1.150:7148,vlan=100,src=10.0.0.0/8",
         "vlan 100 src_ip 10.0.0.0/8 dst_ip 239.2.1.150 udp dst_port 7148"},
        {"udp:[ff15::42]:7148", "dst_ip ff15::42 udp dst_port 7148"},
        {"udp:[ff15::42]", "dst_ip ff15::42 udp"},
        {"udp:7148", "own_mac udp dst_port 7148"},
        {"udp:any:7148", "own_mac udp dst_port 7148"},
        {"udp::7148", "own_mac udp dst_port 7148"},
        {"udp", "own_mac udp"},
        {"udp:10.1.2.3:any", "own_mac dst_ip 10.1.2.3 udp"},
        {"udp:7148,mac=any", "udp dst_port 7148"},
        {"udp:7148,mac=02:00:00:00:00:07", "dst_mac 02:00:00:00:00:07 udp dst_port 7148"},
        {"udp:255.255.255.255:67", "dst_ip 255.255.255.255 udp dst_port 67"},
        {"tcp:any:80,src=[2001:db8::]/32", "own_mac src_ip 2001:db8::/32 tcp dst_port 80"},
        {"ip,proto=47", "own_mac ipv4 protocol 47"},
        {"ip6", "own_mac ipv6"},
        {"eth,type=0x88b5,vlan=0", "own_mac ether_type 0x88b5 vlan 0"},
        {"all", "sniffer"},
    };
    for (const auto& [text, rule] : rules) EXPECT_EQ(Flow::parse(text).rule().to_string(), rule) << text;
}

TEST(ToolFlow, SaysWhatIsWrong) {
    const std::pair<const char*, const char*> refused[] = {
        {"", "no protocol ''"},
        {"sctp:1.2.3.4", "no protocol 'sctp'"},
        {"udp:1.2.3.4:70000", "port '70000' is not a number from 0 to 65535"},
        {"udp:1.2.3.4:0x", "port '0x'"},
        {"udp:1.2.3:80", "'1.2.3' is not an IP address"},
        {"udp:ff15::42", "in brackets"},
        {"udp:[ff15::42", "no closing bracket"},
        {"udp:[1.2.3.4]:5", "not an IPv6 address"},
        {"udp:1.2.3.4:5,vlan=", "'vlan=' is not KEY=VALUE"},
        {"udp:1.2.3.4:5,vlan=4096", "vlan '4096'"},
        {"udp:1.2.3.4:5,", "'' is not KEY=VALUE"},
        {"udp:1.2.3.4:5,colour=red", "udp has no key 'colour'"},
        {"udp:1.2.3.4:5,src=[ff15::1]", "IPv"},
        {"ip:1.2.3.4:5", "ip has no ports"},
        {"ip6:1.2.3.4", "IPv4"},
        {"ip:[::1]", "IPv6"},
        {"eth:1.2.3.4", "eth takes no IP address"},
        {"udp,mac=1:2", "not a MAC address"},
    };
    for (const auto& [text, words] : refused) {
        try {
            Flow::parse(text);
            ADD_FAILURE() << "taken: " << text;
        } catch (const std::invalid_argument& error) {
            EXPECT_NE(std::string{error.what()}.find(words), std::string::npos) << error.what();
        }
    }
}

}  // namespace
}  // namespace tool
