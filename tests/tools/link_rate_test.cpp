// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/link_rate.hpp"

namespace {

using tool::LinkRate;

TEST(LinkRate, TakesRatesAndPartsOfTheSpeed) {
    for (const char* text : {"10G", "10Gbps", "1.5Mpps", "2.5", "50%", "0.1%", "100%"})
        EXPECT_TRUE(LinkRate::parse(text)) << text;
    for (const char* text : {"", "%", "0%", "-1%", "101%", "nan%", "inf%", "5 %", "%5", "5%%", "0x5%", "10Q", "1e400%"})
        EXPECT_FALSE(LinkRate::parse(text)) << text;
}

TEST(LinkRate, KnowsItsUnit) {
    const auto unit_is_same = [](const char* one, const char* other) {
        return LinkRate::parse(one)->has_unit_of(*LinkRate::parse(other));
    };
    EXPECT_TRUE(unit_is_same("1G", "2"));
    EXPECT_TRUE(unit_is_same("1%", "2%"));
    EXPECT_TRUE(unit_is_same("1pps", "2kpps"));
    EXPECT_FALSE(unit_is_same("1G", "2%"));
    EXPECT_FALSE(unit_is_same("1%", "2G"));
    EXPECT_FALSE(unit_is_same("1pps", "2G"));
}

}  // namespace
