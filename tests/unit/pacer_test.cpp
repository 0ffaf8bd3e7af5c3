// SPDX-License-Identifier: Apache-2.0
// Pacer and Rate, with a clock that the test moves.

#include <pktverbs/format.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "expect_error.hpp"

namespace pktverbs::testing {
namespace {

using namespace std::chrono_literals;

/// A clock whose reading takes time. Sleepers wake late.
class PacerTest : public ::testing::Test {
protected:
    PacerTest() {
        now = 1'000'000'000'000;
        look_ns = 1;
        late_ns = 0;
        slept.clear();
        stop = std::stop_source{};
        stop_in_sleep = false;
    }

    /// Spins briefly: every reading of this clock takes a nanosecond, and a call.
    static PacerOptions brief() {
        PacerOptions options;
        options.spin = 10ns;
        return options;
    }
    static Pacer make(const Rate& rate, PacerOptions options = brief()) {
        options.clock = &clock;
        return Pacer{rate, options};
    }
    /// When a batch goes, counted from the first one.
    static std::uint64_t go(Pacer& pacer, std::size_t count, std::size_t frame_bytes) {
        EXPECT_TRUE(pacer.wait(count, frame_bytes));
        return now;
    }

    static inline std::uint64_t now = 0;
    static inline std::uint64_t look_ns = 1;
    static inline std::uint64_t late_ns = 0;
    static inline std::vector<std::uint64_t> slept;
    static inline std::stop_source stop;
    static inline bool stop_in_sleep = false;
    static constexpr PacerClock clock{[]() noexcept { return now += look_ns; },
                                      [](std::uint64_t ns) noexcept {
                                          slept.push_back(ns);
                                          now += ns + late_ns;
                                          if (stop_in_sleep) stop.request_stop();
                                      }};
};

TEST_F(PacerTest, LetsTheFirstBatchGoAtOnce) {
    Pacer pacer = make(Rate::wire_bits(1e9));
    const std::uint64_t start = now;
    EXPECT_EQ(go(pacer, 1000, 1500), start + look_ns);
}

TEST_F(PacerTest, CarriesFractionsOfNanoseconds) {
    Pacer pacer = make(Rate::wire_bits(10e9));
    const std::uint64_t start = go(pacer, 1, 60);
    std::uint64_t end = 0;
    for (int i = 0; i < 1'000'000; ++i) end = go(pacer, 1, 60);
    EXPECT_EQ(end - start, 67'200'000u);  // 84 bytes are 67.2 ns
}

TEST_F(PacerTest, DoesNotDriftInHours) {
    // A rate at which a packet takes no round number of any unit.
    constexpr double rate = 9'876'543'211;
    Pacer pacer = make(Rate::frame_bits(rate));
    const std::uint64_t start = go(pacer, 1'000'000, 1499);
    std::uint64_t end = 0;
    for (int i = 0; i < 20'000; ++i) end = go(pacer, 1'000'000, 1499);
    const std::uint64_t nanobits = 20'000ULL * 1'000'000 * 1499 * 8;
    const long double due = static_cast<long double>(nanobits) * 1e9L / rate;
    EXPECT_GT(due, 6.7 * 3600e9);
    EXPECT_GE(static_cast<long double>(end - start), due - 1);
    EXPECT_LE(static_cast<long double>(end - start), due + 2);
    EXPECT_NEAR(pacer.report().error(), 0, 1e-12);
}

TEST_F(PacerTest, PacesSlowPackets) {
    Pacer pacer = make(Rate::packets(0.1));
    const std::uint64_t start = go(pacer, 1, 64);
    go(pacer, 1, 9000);
    EXPECT_EQ(go(pacer, 1, 64) - start, 20'000'000'000u);
}

TEST_F(PacerTest, SleepsWhileItIsFarAndLooksWhenItIsNear) {
    late_ns = 60'000;
    Pacer pacer = make(Rate::packets(1000), {});
    const std::uint64_t start = go(pacer, 1, 64);
    EXPECT_EQ(go(pacer, 1, 64) - start, 1'000'000u);
    ASSERT_EQ(slept.size(), 1u);
    EXPECT_NEAR(static_cast<double>(slept[0]), 900'000, 10);
}

TEST_F(PacerTest, NeverSleepsIfItIsToSpin) {
    look_ns = 1000;
    PacerOptions options;
    options.spin = 1h;
    Pacer pacer = make(Rate::packets(100), options);
    for (int i = 0; i < 3; ++i) go(pacer, 1, 64);
    EXPECT_TRUE(slept.empty());
}

TEST_F(PacerTest, MakesUpForAShortDelayWithoutABurst) {
    PacerOptions options = brief();
    options.catch_up = 1.25;
    Pacer pacer = make(Rate::wire_bits(1e9), options);
    constexpr std::uint64_t batch_ns = 32 * 1524 * 8;
    const std::uint64_t start = go(pacer, 32, 1500);
    now += 5'000'000;
    std::uint64_t last = go(pacer, 32, 1500);
    EXPECT_EQ(last - start, 5'000'001u);
    std::uint64_t batches = 1;
    for (; last - start > batches * batch_ns + 2; ++batches) {
        const std::uint64_t next = go(pacer, 32, 1500);
        EXPECT_GE(next - last, batch_ns * 4 / 5) << "a quarter faster at most";
        last = next;
    }
    EXPECT_EQ(batches, 61u) << "5 ms less a batch, made up for by 78 us each";
    EXPECT_EQ(go(pacer, 32, 1500) - start, (batches + 1) * batch_ns);
    EXPECT_EQ(pacer.report().forgiven, 0ns);
}

TEST_F(PacerTest, ForgivesALongPause) {
    Pacer pacer = make(Rate::wire_bits(1e9));
    constexpr std::uint64_t batch_ns = 32 * 1524 * 8;
    go(pacer, 32, 1500);
    now += 5'000'000'000;
    const std::uint64_t again = go(pacer, 32, 1500);
    EXPECT_NEAR(static_cast<double>(pacer.report().forgiven.count()), 5e9 - 10e6 - batch_ns, 10);
    // The second after it has no more than a second's packets and the debt of 10 ms.
    std::uint64_t batches = 1;
    while (go(pacer, 32, 1500) < again + 1'000'000'000) ++batches;
    EXPECT_NEAR(static_cast<double>(batches), 1.010e9 / batch_ns, 1);
}

TEST_F(PacerTest, MakesUpForNothingIfItIsNotTo) {
    PacerOptions options = brief();
    options.max_debt = 0ns;
    Pacer pacer = make(Rate::packets(1e6), options);
    go(pacer, 1, 64);
    now += 50'000;
    const std::uint64_t again = go(pacer, 1, 64);
    EXPECT_EQ(go(pacer, 1, 64) - again, 1000u);
}

TEST_F(PacerTest, StopsBeforeItsTime) {
    Pacer pacer = make(Rate::packets(1));
    go(pacer, 1, 64);
    stop_in_sleep = true;
    EXPECT_FALSE(pacer.wait(1, 64, stop.get_token()));
    EXPECT_EQ(pacer.report().packets, 1u);
    EXPECT_EQ(slept.size(), 1u);
    EXPECT_LE(slept[0], 10'000'000u) << "or it would not notice";
}

TEST_F(PacerTest, StopsThoughItsTimeHasCome) {
    stop.request_stop();
    Pacer pacer = make(Rate::packets(1));
    EXPECT_FALSE(pacer.wait(1, 64, stop.get_token()));
    EXPECT_EQ(pacer.report().batches, 0u);
}

TEST_F(PacerTest, TakesBackWhatWasNotSent) {
    Pacer pacer = make(Rate::packets(1e6));
    const std::uint64_t start = go(pacer, 10, 64);
    pacer.give_back(4, 64);
    EXPECT_EQ(go(pacer, 1, 64) - start, 6000u);
    const PacerReport report = pacer.report();
    EXPECT_EQ(report.packets, 7u);
    EXPECT_EQ(report.frame_bytes, 7u * 64);
    EXPECT_NEAR(report.achieved, 1e6, 1e-3);
}

TEST_F(PacerTest, ReportsTheRemainingTime) {
    Pacer pacer = make(Rate::packets(1e6));
    EXPECT_EQ(pacer.time_left(), 0ns);
    go(pacer, 5, 64);
    EXPECT_NEAR(static_cast<double>(pacer.time_left().count()), 5000, 2);
    now += 5000;
    EXPECT_EQ(pacer.time_left(), 0ns);
    EXPECT_EQ(pacer.report().packets, 5u) << "looking takes nothing";
}

TEST_F(PacerTest, ReportsWhatItAchieved) {
    Pacer pacer = make(Rate::wire_bits(1e9));
    EXPECT_EQ(pacer.report().achieved, 0);
    go(pacer, 1, 1500);
    EXPECT_EQ(pacer.report().achieved, 0);
    for (int i = 0; i < 9; ++i) {
        go(pacer, 1, 1500);
        now += 24'384;  // a program that needs twice a packet's time for each
    }
    go(pacer, 1, 1500);
    const PacerReport report = pacer.report();
    EXPECT_EQ(report.asked, 1e9);
    EXPECT_EQ(report.packets, 11u);
    EXPECT_EQ(report.batches, 11u);
    EXPECT_NEAR(report.achieved, 1e9 * 10 / (1 + 9 * 2), 1e6);
    EXPECT_NEAR(report.error(), -9.0 / 19, 1e-3);
    EXPECT_EQ(report.late, 9u);
    EXPECT_NEAR(static_cast<double>(report.longest_lag.count()), 9 * 12'192, 30);
}

TEST_F(PacerTest, ReportsInWords) {
    PacerReport report;
    report.asked = 2;
    report.achieved = 1;
    report.packets = 3;
    report.frame_bytes = 4;
    report.batches = 5;
    report.late = 6;
    report.longest_lag = 7ns;
    report.forgiven = 8ns;
    EXPECT_EQ(fmt::format("{}", report),
              "asked 2 packets/s, achieved 1 packets/s (-50.0000 %), packets 3, frame_bytes 4, batches 5, late 6, "
              "longest_lag 7 ns, forgiven 8 ns");
    report.unit = Rate::Unit::wire_bits;
    report.asked = 10e9;
    report.achieved = 1.7e9;
    report.longest_lag = 12'340us;
    report.forgiven = 8'345'678'901ns;
    EXPECT_EQ(fmt::format("{}", report),
              "asked 10 Gbit/s on the wire, achieved 1.7 Gbit/s (-83.0000 %), packets 3, frame_bytes 4, batches 5, "
              "late 6, longest_lag 12.34 ms, forgiven 8.346 s");
}

TEST_F(PacerTest, SaysWhetherTheRateWasMissed) {
    Pacer in_time = make(Rate::packets(1000));
    for (int i = 0; i < 100; ++i) go(in_time, 1, 1500);
    EXPECT_FALSE(in_time.report().missed());
    now += 9'000'000;  // to be made up for
    go(in_time, 1, 1500);
    EXPECT_FALSE(in_time.report().missed()) << "behind, but within its debt";

    Pacer slow = make(Rate::packets(1000));
    EXPECT_FALSE(slow.report().missed()) << "nothing went";
    go(slow, 1, 1500);
    now += 100'000'000;
    EXPECT_FALSE(slow.report().missed()) << "one batch has no rate";
    go(slow, 1, 1500);
    EXPECT_TRUE(slow.report().missed());
    for (int i = 0; i < 20'000; ++i) go(slow, 1, 1500);
    EXPECT_FALSE(slow.report().missed()) << "less than 1 % is lacking now";
}

TEST_F(PacerTest, SizesBatches) {
    const Pacer pacer = make(Rate::wire_bits(1e9));
    EXPECT_EQ(pacer.batch(1500, 1000), 8u);  // 12.192 us each, in 100 us
    EXPECT_EQ(pacer.batch(1500, 4), 4u);
    EXPECT_EQ(pacer.batch(1500, 1000, 1ms), 82u);
    EXPECT_EQ(pacer.batch(60'000, 1000), 1u);
    EXPECT_EQ(make(Rate::packets(1)).batch(64, 1000), 1u);
}

TEST_F(PacerTest, RefusesOptionsOutOfRange) {
    PacerOptions slow;
    slow.catch_up = 0.99;
    expect_words(expect_error(EINVAL, [&] { make(Rate::packets(1), slow); }), {"0.99 times", "1 to 10^6"});
    slow.catch_up = std::numeric_limits<double>::quiet_NaN();
    expect_error(EINVAL, [&] { make(Rate::packets(1), slow); });
    PacerOptions debt;
    debt.max_debt = -1ns;
    expect_words(expect_error(EINVAL, [&] { make(Rate::packets(1), debt); }), {"-1 ns"});
    debt.max_debt = 61min;
    expect_error(EINVAL, [&] { make(Rate::packets(1), debt); });
}

TEST(Rate, CountsWhatAPacketKeepsTheWireBusyWith) {
    EXPECT_EQ(Rate::wire_bytes(14), 84u);
    EXPECT_EQ(Rate::wire_bytes(60), 84u);
    EXPECT_EQ(Rate::wire_bytes(61), 85u);
    EXPECT_EQ(Rate::wire_bytes(1514), 1538u);
    // The well-known figure for 10 Gb/s and the shortest frames.
    EXPECT_NEAR(Rate::wire_bits(10e9).packets_per_second(60), 14'880'952.38, 0.01);
    EXPECT_EQ(Rate::frame_bits(8e6).packets_per_second(1000), 1000);
    EXPECT_EQ(Rate::packets(7).packets_per_second(1000), 7);
}

TEST(Rate, HasABoundOnBothSides) {
    for (const double bad : {0.0, 999.0, 1e13, -1e9, std::numeric_limits<double>::quiet_NaN()}) {
        expect_error(EINVAL, [&] { Rate::wire_bits(bad); });
        expect_words(expect_error(EINVAL, [&] { Rate::frame_bits(bad); }), {"bits per second", "between 1000 and"});
    }
    for (const double bad : {0.0, 0.0009, 1e13, std::numeric_limits<double>::infinity()})
        expect_words(expect_error(EINVAL, [&] { Rate::packets(bad); }), {"packets per second"});
    EXPECT_EQ(Rate::packets(0.001).per_second(), 0.001);
    EXPECT_EQ(Rate::wire_bits(9e12).per_second(), 9e12);
}

TEST(Rate, ReadsWell) {
    EXPECT_EQ(fmt::format("{}", Rate::wire_bits(10e9)), "10 Gbit/s on the wire");
    EXPECT_EQ(fmt::format("{}", Rate::frame_bits(2.5e6)), "2.5 Mbit/s of frames");
    EXPECT_EQ(fmt::format("{}", Rate::packets(1000)), "1 kpackets/s");
    EXPECT_EQ(fmt::format("{}", Rate::packets(0.5)), "0.5 packets/s");
}

TEST_F(PacerTest, TakesTheExtremesOfRates) {
    Pacer slow = make(Rate::wire_bits(1000));
    go(slow, 1024, (1 << 24) - 1);
    // More than four years, for which no program waits.
    EXPECT_EQ(std::chrono::floor<std::chrono::seconds>(slow.time_left()).count(),
              1024LL * ((1 << 24) - 1 + 24) * 8 / 1000);
    Pacer fast = make(Rate::wire_bits(9e12));
    const std::uint64_t start = go(fast, 1'000'000, 1101);  // 1125 bytes: a nanosecond
    EXPECT_EQ(go(fast, 1, 64) - start, 1'000'000u);
}

}  // namespace
}  // namespace pktverbs::testing
