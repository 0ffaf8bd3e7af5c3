// SPDX-License-Identifier: Apache-2.0
// DeviceClock: on the soft device, whose clock is CLOCK_REALTIME, and on devices that tick like NICs.

#include <pktverbs/format.hpp>
#include <pktverbs/soft/device.hpp>
#include <pktverbs/time/clock_line.hpp>
#include <pktverbs/time/device_clock.hpp>

#include <chrono>
#include <cstdint>
#include <ctime>

#include "expect_error.hpp"
#include "verbs/ticks.hpp"
#include "wire_device.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

using std::chrono::nanoseconds;

nanoseconds now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

/// A ConnectX-3's clock: 48 bits, 427 MHz. It wraps every 7.6 days; here, some time within the first seconds.
struct TickingNic {
    static constexpr std::uint64_t khz = 427'000;
    static constexpr std::uint64_t mask = (1ULL << 48) - 1;
    static inline std::uint64_t start = 0;
    static inline int error = 0;
    static inline bool reads_nothing = false;
    static inline std::uint64_t told_mask = mask;

    static std::uint64_t ticks_at(nanoseconds monotonic) {
        __extension__ using Wide = unsigned __int128;
        return (start +
                static_cast<std::uint64_t>(Wide{static_cast<std::uint64_t>(monotonic.count())} * khz / 1'000'000)) &
               mask;
    }
    static nanoseconds timestamp(nanoseconds monotonic) {
        return nanoseconds{static_cast<std::int64_t>(to_nanoseconds(ticks_at(monotonic), khz))};
    }

    static inline const verbs::Provider provider = [] {
        verbs::Provider made = soft::provider();
        made.query_device_ex = [](ibv_context* context, const ibv_query_device_ex_input* input,
                                  ibv_device_attr_ex* attr) {
            const int result = soft::provider().query_device_ex(context, input, attr);
            attr->completion_timestamp_mask = told_mask;
            attr->hca_core_clock = khz;
            return result;
        };
        made.query_rt_values_ex = [](ibv_context*, ibv_values_ex* values) {
            if (error != 0) return error;
            if (reads_nothing) {
                values->comp_mask = 0;
                return 0;
            }
            values->raw_clock = {0, static_cast<long>(ticks_at(now(CLOCK_MONOTONIC)))};
            return 0;
        };
        return made;
    }();
};

class DeviceClockTest : public Wired {
protected:
    DeviceClockTest() {
        TickingNic::start = 0;
        TickingNic::error = 0;
        TickingNic::reads_nothing = false;
        TickingNic::told_mask = TickingNic::mask;
    }
    Context open_ticking() {
        Device device = testing::wire_device(name);
        device.provider = &TickingNic::provider;
        return Context{device, small};
    }
    static Options stamped() {
        Options options = small;
        options.timestamps = true;
        return options;
    }
};

TEST_F(DeviceClockTest, ReportsWhenPacketsArrived) {
    for (const clockid_t reference : {CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW}) {
        Context ctx = open(stamped());
        const Flow flow = hear(ctx);
        DeviceClock clock{ctx, reference};
        EXPECT_EQ(clock.reference(), reference);
        for (std::uint32_t i = 0; i < 20; ++i) {
            const nanoseconds before = now(reference);
            plant(1, i);
            const nanoseconds after = now(reference);
            auto packets = ctx.recv();
            ASSERT_EQ(packets.size(), 1u);
            const nanoseconds timestamp = packets.front().timestamp();
            EXPECT_GE(clock.at(timestamp) + clock.error(timestamp), before) << reference;
            EXPECT_LE(clock.at(timestamp) - clock.error(timestamp), after) << reference;
            clock.update();
        }
    }
}

TEST_F(DeviceClockTest, KnowsThatTheSoftDeviceHasRealTime) {
    Context ctx = open();
    DeviceClock clock{ctx};
    for (int i = 0; i < 40; ++i) clock.update();
    if (clock.restarts() != 0) GTEST_SKIP() << "somebody set the clock meanwhile";
    const nanoseconds timestamp = now(CLOCK_REALTIME);
    EXPECT_LE(std::chrono::abs(clock.at(timestamp) - timestamp), clock.error(timestamp));
    EXPECT_EQ(clock.wrap(), nanoseconds::zero());
}

TEST_F(DeviceClockTest, ConvertsTicksAcrossTheWrap) {
    // The wrap comes some 100 us from here: between or within the updates, wherever that is.
    const nanoseconds start = now(CLOCK_MONOTONIC);
    TickingNic::start = TickingNic::mask - 42'700 - (TickingNic::ticks_at(start) & TickingNic::mask);
    Context ctx = open_ticking();
    DeviceClock clock{ctx, CLOCK_MONOTONIC};
    EXPECT_EQ(clock.wrap().count(), 659'191'982'928'936);
    bool wrapped = false;
    for (int i = 0; i < 500 || !wrapped; ++i) {
        const nanoseconds when = now(CLOCK_MONOTONIC);
        const nanoseconds timestamp = TickingNic::timestamp(when);
        wrapped = timestamp.count() < 600'000'000'000'000;
        ASSERT_LE(std::chrono::abs(clock.at(timestamp) - when), clock.error(timestamp)) << i;
        clock.update();
    }
    EXPECT_EQ(clock.restarts(), 0u);
}

TEST_F(DeviceClockTest, WorksOnADeviceThatIsNoContext) {
    Device device = testing::wire_device(name);
    device.provider = &TickingNic::provider;
    const DeviceClock clock{verbs::OpenDevice{device}, CLOCK_MONOTONIC};
    const nanoseconds when = now(CLOCK_MONOTONIC);
    EXPECT_LE(std::chrono::abs(clock.at(TickingNic::timestamp(when)) - when), clock.error(TickingNic::timestamp(when)));
}

TEST_F(DeviceClockTest, SaysThatThereIsNone) {
    TickingNic::told_mask = 0;
    Context ctx = open_ticking();
    expect_words(expect_error(EOPNOTSUPP, [&] { DeviceClock{ctx}; }),
                 {"cannot read the clock of", name.c_str(), "it has none"});
}

TEST_F(DeviceClockTest, SaysThatItCannotBeRead) {
    Context ctx = open_ticking();
    TickingNic::error = EOPNOTSUPP;
    expect_words(expect_error(EOPNOTSUPP, [&] { DeviceClock{ctx}; }), {"cannot read the clock of", name.c_str()});
    TickingNic::error = 0;
    TickingNic::reads_nothing = true;
    expect_error(EOPNOTSUPP, [&] { DeviceClock{ctx}; });
}

TEST_F(DeviceClockTest, KeepsItsLineWhenAnUpdateFails) {
    Context ctx = open_ticking();
    DeviceClock clock{ctx, CLOCK_MONOTONIC};
    const ClockLine before = clock.line();
    TickingNic::error = EIO;
    expect_error(EIO, [&] { clock.update(); });
    EXPECT_EQ(clock.line().device_ns, before.device_ns);
    EXPECT_EQ(clock.line().reference_ns, before.reference_ns);
    TickingNic::error = 0;
    clock.update();
    EXPECT_GT(clock.line().device_ns, before.device_ns);
}

TEST_F(DeviceClockTest, RefusesAReferenceThatIsNoClock) {
    Context ctx = open();
    expect_words(expect_error(EINVAL, [&] { DeviceClock{ctx, 15}; }), {"cannot read clock 15", "clock_gettime"});
}

TEST_F(DeviceClockTest, ReadsWell) {
    Context ctx = open();
    const DeviceClock clock{ctx, CLOCK_TAI};
    expect_words(fmt::format("{}", clock),
                 {("CLOCK_TAI of wire:" + name).c_str(), ": error ", " ns, rate +0.000 ppm, 1 readings"});
}

}  // namespace
}  // namespace pktverbs::testing
