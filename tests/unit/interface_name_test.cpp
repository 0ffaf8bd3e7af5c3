// SPDX-License-Identifier: Apache-2.0
#include "base/interface_name.hpp"

#include <gtest/gtest.h>

namespace pktverbs {
namespace {

TEST(InterfaceName, IsWhatTheKernelWouldTake) {
    for (const char* good : {"eth4", "enp1s0f0np0", "lo", "br-lan.100", "fifteen_letters"})
        EXPECT_TRUE(is_interface_name(good)) << good;
    for (const char* bad : {"", ".", "..", "a/b", "eth0:1", "eth 4", "eth4\n", "sixteen__letters"})
        EXPECT_FALSE(is_interface_name(bad)) << bad;
}

}  // namespace
}  // namespace pktverbs
