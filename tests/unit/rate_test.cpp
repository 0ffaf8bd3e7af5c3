// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/rate.hpp>

#include <gtest/gtest.h>

namespace pktverbs {
namespace {

struct Words {
    const char* text;
    Rate::Unit unit;
    double per_second;
};

TEST(RateText, IsANumberAndAUnit) {
    using enum Rate::Unit;
    for (const Words& words : {Words{"10G", wire_bits, 10e9},
                               {"10g", wire_bits, 10e9},
                               {"10Gbps", wire_bits, 10e9},
                               {"10Gbit/s", wire_bits, 10e9},
                               {"2.5Gb/s", wire_bits, 2.5e9},
                               {"500M", wire_bits, 500e6},
                               {"64k", wire_bits, 64e3},
                               {"64K", wire_bits, 64e3},
                               {"9T", wire_bits, 9e12},
                               {"0.1G", wire_bits, 1e8},
                               {"1000bps", wire_bits, 1000},
                               {"1000bit/s", wire_bits, 1000},
                               {"1.5Mpps", packets, 1.5e6},
                               {"100kpps", packets, 100e3},
                               {"20pps", packets, 20},
                               {"2Mpackets/s", packets, 2e6},
                               {"0.001pps", packets, 0.001}}) {
        const auto rate = Rate::parse(words.text);
        ASSERT_TRUE(rate) << words.text;
        EXPECT_EQ(rate->unit(), words.unit) << words.text;
        EXPECT_DOUBLE_EQ(rate->per_second(), words.per_second) << words.text;
    }
}

TEST(RateText, HasBitsOfFramesWhereThoseAreMeant) {
    EXPECT_EQ(Rate::parse("10M", Rate::Unit::frame_bits)->unit(), Rate::Unit::frame_bits);
    EXPECT_EQ(Rate::parse("10Mbit/s", Rate::Unit::frame_bits)->unit(), Rate::Unit::frame_bits);
    EXPECT_EQ(Rate::parse("10Mpps", Rate::Unit::frame_bits)->unit(), Rate::Unit::packets);
}

TEST(RateText, IsRefusedForAnythingElse) {
    for (const char* text :
         {"",       "G",       "10",   "10 G",      " 10G", "10G ",  "-10G", "+10G",    "010G", "1e9bps", "10GB/s",
          "10GBps", "10Gbits", "10Gi", "10Gibit/s", "10GG", "10Gpp", "50%",  "10Gbps.", "pps",  "10p",    "10b"})
        EXPECT_FALSE(Rate::parse(text)) << '"' << text << '"';
}

TEST(RateText, IsRefusedBeyondTheLimits) {
    for (const char* text : {"999bps", "0.999k", "9.1T", "10T", "0pps", "0G", "0.0009pps", "9001Gpps",
                             "99999999999999999999G", "18446744073709551615T"})
        EXPECT_FALSE(Rate::parse(text)) << text;
}

}  // namespace
}  // namespace pktverbs
