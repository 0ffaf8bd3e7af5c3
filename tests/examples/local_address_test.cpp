// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "common/local_address.hpp"

using example::contains;
using pktverbs::Ipv4Address;
using pktverbs::Ipv4Prefix;

namespace {
constexpr Ipv4Address address{{192, 0, 2, 129}};
}

TEST(Contains, ComparesAsManyBitsAsThePrefixHas) {
    EXPECT_TRUE(contains({address, 24}, Ipv4Address{{192, 0, 2, 1}}));
    EXPECT_FALSE(contains({address, 25}, Ipv4Address{{192, 0, 2, 1}}));
    EXPECT_TRUE(contains({address, 25}, Ipv4Address{{192, 0, 2, 255}}));
    EXPECT_FALSE(contains({address, 24}, Ipv4Address{{192, 0, 3, 129}}));
}

TEST(Contains, TakesTheAddressItselfOnlyFor32) {
    EXPECT_TRUE(contains({address, 32}, address));
    EXPECT_FALSE(contains({address, 32}, Ipv4Address{{192, 0, 2, 128}}));
}

TEST(Contains, TakesEverythingFor0) { EXPECT_TRUE(contains({address, 0}, Ipv4Address{{10, 0, 0, 1}})); }

TEST(LocalAddresses, AreNoneWithoutAnInterface) {
    EXPECT_TRUE(example::local_addresses("").empty());
    EXPECT_TRUE(example::local_addresses("no_such_if").empty());
}

TEST(ChooseSource, SaysWhatToGiveWithoutAnAddress) {
    pktverbs::Device device;
    device.name = "wire:x";
    try {
        example::choose_source(device, address, true);
        FAIL() << "no address, and none missed";
    } catch (const example::BadUse& error) {
        EXPECT_STREQ(error.what(), "wire:x has no IPv4 address: give --source IP");
    }
}
