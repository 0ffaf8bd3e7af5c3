// SPDX-License-Identifier: Apache-2.0
#include "interface/interface_name.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pktverbs {
namespace {

TEST(InterfaceName, IsWhatTheKernelWouldTake) {
    const std::string longest(127, 'n');
    for (const std::string& good : {std::string{"eth4"}, std::string{"enp1s0f0np0"}, std::string{"lo"},
                                    std::string{"br-lan.100"}, std::string{"sixteen__letters"}, longest})
        EXPECT_TRUE(is_interface_name(good)) << good;
    for (const std::string& bad : {std::string{}, std::string{"."}, std::string{".."}, std::string{"a/b"},
                                   std::string{"eth0:1"}, std::string{"eth 4"}, std::string{"eth4\n"}, longest + 'n'})
        EXPECT_FALSE(is_interface_name(bad)) << bad;
}

}  // namespace
}  // namespace pktverbs
