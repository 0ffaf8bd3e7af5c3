// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/time/duration.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>

namespace pktverbs {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST(Duration, IsANumberAndAUnit) {
    EXPECT_EQ(parse_duration("5s"), nanoseconds{5s});
    EXPECT_EQ(parse_duration("200ms"), nanoseconds{200ms});
    EXPECT_EQ(parse_duration("1.5us"), 1500ns);
    EXPECT_EQ(parse_duration("10ns"), 10ns);
    EXPECT_EQ(parse_duration("2min"), nanoseconds{120s});
    EXPECT_EQ(parse_duration("1h"), nanoseconds{1h});
    EXPECT_EQ(parse_duration("0.5h"), nanoseconds{30min});
    EXPECT_EQ(parse_duration("0s"), 0ns);
}

TEST(Duration, IsSecondsWithoutAUnit) {
    EXPECT_EQ(parse_duration("3"), nanoseconds{3s});
    EXPECT_EQ(parse_duration("0.001"), nanoseconds{1ms});
    EXPECT_EQ(parse_duration(".2"), nanoseconds{200ms});
    EXPECT_EQ(parse_duration("0"), 0ns);
    EXPECT_EQ(parse_duration("1000000000"), nanoseconds{1'000'000'000s});
}

TEST(Duration, IsExactToTheNanosecond) {
    EXPECT_EQ(parse_duration("9223372036.854775807"), nanoseconds::max());
    EXPECT_EQ(parse_duration("9223372036854775807ns"), nanoseconds::max());
    EXPECT_EQ(parse_duration("86400.000000001s"), nanoseconds{24h} + 1ns);
    EXPECT_EQ(parse_duration("0.0000000004s"), 0ns);
    EXPECT_EQ(parse_duration("0.0000000005s"), 1ns);
}

TEST(Duration, IsRefusedBeyondNanoseconds) {
    for (const char* text : {"9223372036854775808ns", "9223372036.854775808", "2562048h", "18446744073709551615h"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Duration, IsRefusedForAnythingElse) {
    for (const char* text : {"", "s", "5 s", " 5s", "5s ", "-5s", "+5s", "05s", "1e3", "5m", "5S", "5sec", "5d",
                             "1h30min", "5ms5", "5.", "5.s", "0x5"})
        EXPECT_FALSE(parse_duration(text)) << '"' << text << '"';
}

TEST(FormatDuration, HasTheLongestUnitThatFits) {
    EXPECT_EQ(format_duration(0ns), "0s");
    EXPECT_EQ(format_duration(1ns), "1ns");
    EXPECT_EQ(format_duration(999ns), "999ns");
    EXPECT_EQ(format_duration(1us), "1us");
    EXPECT_EQ(format_duration(1500ns), "1.5us");
    EXPECT_EQ(format_duration(200ms), "200ms");
    EXPECT_EQ(format_duration(1s - 1ns), "999.999999ms");
    EXPECT_EQ(format_duration(1500ms), "1.5s");
    EXPECT_EQ(format_duration(1h), "3600s");
}

TEST(FormatDuration, IsExact) {
    EXPECT_EQ(format_duration(1s + 1ns), "1.000000001s");
    EXPECT_EQ(format_duration(100s + 20ms), "100.02s");
    EXPECT_EQ(format_duration(nanoseconds::max()), "9223372036.854775807s");
}

TEST(FormatDuration, IsReadAsTheSameTime) {
    for (const nanoseconds time : {0ns, 1ns, 999ns, 1000ns, 1001ns, nanoseconds{1500ms}, nanoseconds{1h},
                                   nanoseconds::max() - 1ns, nanoseconds::max()})
        EXPECT_EQ(parse_duration(format_duration(time)), time) << time.count();
    std::mt19937_64 random{20261129};
    for (int i = 0; i < 10'000; ++i) {
        const nanoseconds time{static_cast<std::int64_t>(random() >> (1 + random() % 63))};
        EXPECT_EQ(parse_duration(format_duration(time)), time) << time.count();
    }
}

TEST(FormatDuration, HasAMinusSignBelowZero) {
    EXPECT_EQ(format_duration(-1500ms), "-1.5s");
    EXPECT_EQ(format_duration(nanoseconds::min()), "-9223372036.854775808s");
    EXPECT_FALSE(parse_duration(format_duration(-1ns)));
}

}  // namespace
}  // namespace pktverbs
