// SPDX-License-Identifier: Apache-2.0
#include "bridge/mac_table.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace {

using pktverbs::MacAddress;
using tool::MacTable;

MacAddress station(std::uint8_t high, std::uint8_t low) { return MacAddress{{0x02, 0, 0, 0, high, low}}; }

TEST(MacTable, FindsAStationWhereItWasHeardLast) {
    MacTable table;
    EXPECT_FALSE(table.find(station(0, 1), 1));
    table.learn(station(0, 1), 3, 10);
    EXPECT_EQ(table.find(station(0, 1), 1), 3);
    EXPECT_EQ(table.moves(), 0U);
    table.learn(station(0, 1), 4, 11);
    EXPECT_EQ(table.find(station(0, 1), 1), 4);
    EXPECT_EQ(table.moves(), 1U);
    EXPECT_EQ(table.count(1), 1U);
}

TEST(MacTable, ForgetsAStationThatWasSilent) {
    MacTable table;
    table.learn(station(0, 1), 3, 10);
    EXPECT_TRUE(table.find(station(0, 1), 10));
    EXPECT_FALSE(table.find(station(0, 1), 11));
    EXPECT_EQ(table.count(11), 0U);
}

TEST(MacTable, KeepsThoseHeardLastWhenStrangersFillIt) {
    MacTable table{4};  // one set
    for (std::uint8_t i = 1; i <= 4; ++i) table.learn(station(0, i), i, i);
    table.learn(station(0, 1), 1, 5);
    table.learn(station(0, 5), 5, 6);
    EXPECT_FALSE(table.find(station(0, 2), 1));
    EXPECT_EQ(table.find(station(0, 1), 1), 1);
    EXPECT_EQ(table.find(station(0, 5), 1), 5);
    EXPECT_EQ(table.count(1), 4U);
}

}  // namespace
