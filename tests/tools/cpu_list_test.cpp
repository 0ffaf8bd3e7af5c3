// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "base/cpu_list.hpp"

namespace {

using tool::CpuList;

TEST(CpuList, KeepsTheOrder) {
    EXPECT_EQ(CpuList::parse("0")->cpus(), std::vector<unsigned>{0});
    EXPECT_EQ(CpuList::parse("5,0-2,4")->cpus(), (std::vector<unsigned>{5, 0, 1, 2, 4}));
    EXPECT_EQ(CpuList::parse("8191")->cpus(), std::vector<unsigned>{8191});
}

TEST(CpuList, RefusesWhatIsNone) {
    for (const char* text :
         {"", ",", "0,", ",0", "1-", "-1", "2-1", "0,0", "0-2,1", "8192", "0-99999999999", "a", "0 1", "0x1", "1-2-3"})
        EXPECT_FALSE(CpuList::parse(text)) << text;
}

}  // namespace
