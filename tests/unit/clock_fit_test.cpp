// SPDX-License-Identifier: Apache-2.0
// ClockFit and ClockLine, with readings of two simulated clocks. Every seed is fixed.
#include "time/clock_fit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "verbs/ticks.hpp"

namespace pktverbs {
namespace {

using std::chrono::nanoseconds;

constexpr std::int64_t second = 1'000'000'000;
constexpr double two_to_63 = 9223372036854775808.0;

/// Two clocks over the true time, and their reader.
class Clocks {
public:
    explicit Clocks(std::int64_t drift_ppb, std::int64_t wrap = 0, unsigned seed = 1)
        : wrap_ns{wrap}, drift_ppb_{drift_ppb}, random_{seed} {}

    /// The device's clock runs faster by the drift.
    std::int64_t device(std::int64_t time) const {
        const auto seconds = static_cast<double>(time) * 1e-9;
        const std::int64_t ns = 7 * second + time + std::llround(seconds * static_cast<double>(drift_ppb_)) +
                                std::llround(wander_ns * std::sin(seconds / 100));
        return wrap_ns == 0 ? ns : ns % wrap_ns;
    }
    std::int64_t reference(std::int64_t time) const { return 1'790'000'000 * second + stepped_by + time; }

    /// Reads the reference, the device and the reference; one in ten readings is interrupted, on either side.
    ClockReading read(std::int64_t time) {
        const auto pause = [&] { return 100 + draw(300) + (draw(20) == 0 ? draw(50'000) : 0); };
        const std::int64_t before = reference(time - pause());
        const std::int64_t after = reference(time + pause());
        return {device(time), before + (after - before) / 2, (after - before) / 2 + 1};
    }
    std::int64_t draw(std::int64_t below) { return std::uniform_int_distribution<std::int64_t>{0, below - 1}(random_); }

    std::int64_t stepped_by = 0;
    /// A hundredth of it, in nanoseconds per second, is how far the rate wanders, in either direction, every 10
    /// minutes.
    double wander_ns = 0;
    const std::int64_t wrap_ns;

private:
    std::int64_t drift_ppb_;
    std::mt19937 random_;
};

/// The line's error for a packet received at that time.
std::int64_t off(const ClockFit& fit, const Clocks& clocks, std::int64_t time) {
    return fit.line().at(nanoseconds{clocks.device(time)}).count() - clocks.reference(time);
}
std::int64_t error(const ClockFit& fit, const Clocks& clocks, std::int64_t time) {
    return fit.line().error(nanoseconds{clocks.device(time)}).count();
}

/// Readings about a second apart, and packets between them.
void expect_within_error(ClockFit& fit, Clocks& clocks, std::int64_t& time, int readings) {
    for (int i = 0; i < readings; ++i) {
        fit.add(clocks.read(time));
        for (int packet = 0; packet < 20; ++packet) {
            const std::int64_t when = time - second / 2 + clocks.draw(3 * second / 2);
            ASSERT_LE(std::abs(off(fit, clocks, when)), error(fit, clocks, when)) << "reading " << i << " at " << when;
        }
        time += second + clocks.draw(second / 10);
    }
}

TEST(ClockFit, StaysWithinTheErrorThatItStates) {
    for (const unsigned seed : {1U, 2U, 3U, 4U, 5U}) {
        Clocks clocks{50'000, 0, seed};
        ClockFit fit;
        std::int64_t time = 0;
        expect_within_error(fit, clocks, time, 200);
        EXPECT_EQ(fit.restarts(), 0u) << "seed " << seed;
        EXPECT_EQ(fit.readings(), ClockFit::window);
    }
}

TEST(ClockFit, StaysWithinItsErrorWhileTheRateWanders) {
    for (const double ppb : {50.0, 500.0, 2000.0}) {
        Clocks clocks{50'000, 0, 6};
        clocks.wander_ns = ppb * 100;
        ClockFit fit;
        std::int64_t time = 0;
        expect_within_error(fit, clocks, time, 1300);
        EXPECT_LT(fit.line().error_ns, 2000) << ppb;
    }
}

TEST(ClockFit, FindsTheRate) {
    for (const std::int64_t drift_ppb : {-50'000, -1, 0, 50'000, 500'000}) {
        Clocks clocks{drift_ppb};
        ClockFit fit;
        std::int64_t time = 0;
        expect_within_error(fit, clocks, time, 40);
        const double slope = 1 / (1 + static_cast<double>(drift_ppb) * 1e-9) - 1;
        EXPECT_NEAR(static_cast<double>(fit.line().rate) / two_to_63, slope, 20e-9) << drift_ppb;
    }
}

TEST(ClockFit, KnowsATimeBetterThanItsReadingsDo) {
    Clocks clocks{50'000};
    ClockFit fit;
    std::int64_t time = 0;
    expect_within_error(fit, clocks, time, 40);
    // The narrowest readings are some 100 ns wide; interrupted ones, up to 50 us, must not show.
    EXPECT_LT(fit.line().error_ns, 1000);
    EXPECT_LT(fit.line().rate_error_ppb, 300);
}

TEST(ClockFit, GoesBackByNoMoreThanBothLinesErrors) {
    Clocks clocks{-50'000, 0, 11};
    ClockFit fit;
    std::int64_t time = 0;
    fit.add(clocks.read(time));
    for (int i = 0; i < 500; ++i) {
        const ClockLine before = fit.line();
        time += clocks.draw(2 * second);
        fit.add(clocks.read(time));
        const nanoseconds timestamp{clocks.device(time)};
        ASSERT_GE(fit.line().at(timestamp) + fit.line().error(timestamp) + before.error(timestamp),
                  before.at(timestamp))
            << i;
    }
}

TEST(ClockFit, GoesOnAcrossTheWrap) {
    Clocks clocks{50'000, 10 * second, 21};
    ClockFit fit{clocks.wrap_ns};
    std::int64_t time = 0;
    expect_within_error(fit, clocks, time, 100);  // ten times around
    EXPECT_EQ(fit.restarts(), 0u);
}

TEST(ClockFit, TakesPacketsOfBeforeAndAfterTheWrap) {
    const Clocks clocks{0, 10 * second};
    ClockFit fit{clocks.wrap_ns};
    // The device's clock wraps at 3, 13, 23 s.
    for (const std::int64_t time : {2 * second, 4 * second}) {
        fit.add({clocks.device(time), clocks.reference(time), 1});
        for (const std::int64_t when : {time - 3 * second, time + 3 * second})
            EXPECT_LE(std::abs(off(fit, clocks, when)), error(fit, clocks, when)) << when;
    }
}

TEST(ClockFit, FollowsAStepAtOnce) {
    for (const std::int64_t step : {3600 * second, -3600 * second, 37 * second, 100'000L, -100'000L}) {
        Clocks clocks{50'000, 0, 31};
        ClockFit fit;
        std::int64_t time = 0;
        expect_within_error(fit, clocks, time, 40);
        clocks.stepped_by = step;
        expect_within_error(fit, clocks, time, 40);
        EXPECT_EQ(fit.restarts(), 1u) << step;
        EXPECT_LT(fit.line().error_ns, 1000);
    }
}

TEST(ClockFit, StartsAgainWhenTheDeviceDoes) {
    ClockFit fit;
    fit.add({10 * second, 100 * second, 10});
    fit.add({11 * second, 101 * second, 10});
    fit.add({1 * second, 102 * second, 10});  // it was reset
    EXPECT_EQ(fit.restarts(), 1u);
    EXPECT_EQ(fit.line().at(nanoseconds{second}), nanoseconds{102 * second});
    EXPECT_EQ(fit.line().rate_error_ppb, ClockFit::unknown_rate_ppb);
}

TEST(ClockFit, DoesNotGuessARateFromReadingsThatAreTooClose) {
    ClockFit fit;
    fit.add({1000, 5000, 400});
    fit.add({3000, 7400, 400});  // 20 % more, and that is within the width
    EXPECT_EQ(fit.line().rate, 0);
    EXPECT_EQ(fit.line().rate_error_ppb, ClockFit::unknown_rate_ppb);
    EXPECT_EQ(fit.restarts(), 0u);
}

TEST(ClockFit, SaysThatItsErrorGrowsWithTime) {
    ClockFit fit;
    fit.add({0, 0, 100});
    EXPECT_EQ(fit.line().error(nanoseconds{0}).count(), 101);
    EXPECT_EQ(fit.line().error(nanoseconds{second}).count(), 101 + ClockFit::unknown_rate_ppb);
    EXPECT_EQ(fit.line().error(nanoseconds{-second}).count(), 101 + ClockFit::unknown_rate_ppb);
}

TEST(ClockLine, ConvertsInIntegers) {
    ClockLine line{
        .device_ns = 1'000'000'007, .reference_ns = 1'790'000'000'000'000'001, .rate = std::int64_t{1} << 62};
    // Half as fast again, over more than a double can hold.
    constexpr std::int64_t far = (std::int64_t{1} << 61) + 2;
    EXPECT_EQ(line.at(nanoseconds{1'000'000'007 + far}).count() - line.reference_ns, far + far / 2);
    EXPECT_EQ(line.at(nanoseconds{1'000'000'007 - far}).count() - line.reference_ns, -far - far / 2);
    EXPECT_EQ(line.at(nanoseconds{1'000'000'007}).count(), line.reference_ns);
    line.rate = -1;
    EXPECT_EQ(line.at(nanoseconds{1'000'000'007 + far}).count() - line.reference_ns, far);
}

TEST(ClockLine, NeverRunsBackwards) {
    const ClockLine line{.device_ns = 0, .reference_ns = 0, .rate = -922'337'203'685'477};  // -100 ppm
    std::int64_t before = line.at(nanoseconds{-50'000}).count();
    for (std::int64_t ns = -49'999; ns < 50'000; ++ns) {
        const std::int64_t now = line.at(nanoseconds{ns}).count();
        ASSERT_GE(now, before) << ns;
        before = now;
    }
}

TEST(Ticks, BecomeNanoseconds) {
    EXPECT_EQ(to_nanoseconds(12345, 1'000'000), 12345u);
    EXPECT_EQ(to_nanoseconds(156'250'000, 156'250), 1'000'000'000u);
    EXPECT_EQ(to_nanoseconds(1, 427'000), 2u);
    // A year of ConnectX-5's ticks: times 10^6 it does not fit into 64 bits.
    EXPECT_EQ(to_nanoseconds(31'536'000ULL * 78'125'000, 78'125), 31'536'000ULL * 1'000'000'000);
}

TEST(Ticks, WrapWhereTheMaskEnds) {
    EXPECT_EQ(wrap_nanoseconds((1ULL << 48) - 1, 427'000), 659'191'982'928'936);  // mlx4: 7.6 days
    EXPECT_EQ(wrap_nanoseconds((1ULL << 63) - 1, 156'250), 0);                    // mlx5: never
    EXPECT_EQ(wrap_nanoseconds(UINT64_MAX, 1'000'000), 0);                        // the soft device
    EXPECT_EQ(wrap_nanoseconds(0xffffffff, 1'000'000), 1LL << 32);
}

}  // namespace
}  // namespace pktverbs
