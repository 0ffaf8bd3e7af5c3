// SPDX-License-Identifier: Apache-2.0
// The code in docs/time.md: what stands between "// [NAME]" and "// [/NAME]" stands there word for word.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>

#include <pktverbs/format.hpp>
#include <pktverbs/memory/size.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/clock_line.hpp>
#include <pktverbs/time/device_clock.hpp>
#include <pktverbs/time/duration.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>

namespace {

using namespace pktverbs;
using namespace std::chrono_literals;

void broadcast(Context& ctx) {
    auto packets = ctx.acquire(1);
    packets.front().set_length(64);
    std::ranges::fill(packets.front().bytes(), std::uint8_t{0xff});
    ctx.send(std::move(packets));
}

TEST(TimeSnippets, ReceiveTimes) {
    Context sender{"wire:receive-times", {.recv_packets = none}};
    // [clock]
    Context ctx{"wire:receive-times", {.timestamps = true}};
    fmt::print("timestamps are of the clock '{}'\n", ctx.limits().timestamp_clock);
    DeviceClock clock{ctx, CLOCK_TAI};
    // [/clock]
    const auto flow = ctx.install(FlowRule{});
    broadcast(sender);
    // [at]
    for (const auto& pkt : ctx.recv(1s)) {
        const auto when = clock.at(pkt.timestamp());
        fmt::print("{} ns TAI, within {} ns\n", when.count(), clock.error(pkt.timestamp()).count());
    }
    clock.update();  // about once a second
    // [/at]
}

TEST(TimeSnippets, OtherThreads) {
    Context ctx{"wire:other-threads", {.timestamps = true}};
    DeviceClock clock{ctx};
    std::chrono::nanoseconds when{};
    const std::chrono::nanoseconds timestamp = std::chrono::system_clock::now().time_since_epoch();
    // [line]
    const ClockLine line = clock.line();  // a value: another thread's own
    std::thread writer{[line, timestamp, &when] { when = line.at(timestamp); }};
    // [/line]
    writer.join();
    EXPECT_LE(std::chrono::abs(when - timestamp), line.error(timestamp));
}

TEST(TimeSnippets, Pacing) {
    Context ctx{"wire:pacing", {.recv_packets = none}};
    const std::size_t frame_bytes = 1500;
    std::size_t left = 100;
    auto all = ctx.acquire(256);
    for (auto& pkt : all) pkt.set_length(frame_bytes);
    all.cancel();
    // [pacer]
    Pacer pacer{Rate::wire_bits(10e9)};
    const std::size_t batch = pacer.batch(frame_bytes, 32);
    while (left > 0) {
        auto packets = ctx.acquire(std::min(left, batch), 1s);
        left -= packets.size();
        pacer.wait(packets);  // until it is their turn
        pacer.give_back(ctx.send(std::move(packets)));
    }
    fmt::print("{}\n", pacer.report());
    // [/pacer]
    EXPECT_EQ(pacer.report().packets, 100u);
}

TEST(TimeSnippets, Hardware) {
    Context ctx{"wire:hardware", {.recv_packets = none}};
    // [hardware]
    Pacer pacer = Pacer::on(ctx, Rate::frame_bits(2.5e9), Pacing::either);
    if (!pacer.in_hardware()) fmt::print("paced in software: {}\n", pacer.note());
    // [/hardware]
    EXPECT_FALSE(pacer.in_hardware());
}

TEST(TimeSnippets, Words) {
    // [words]
    const std::optional<Rate> rate = Rate::parse("1.5Mpps");
    const std::optional<std::chrono::nanoseconds> duration = parse_duration("200ms");
    const std::optional<std::uint64_t> size = parse_size("1GiB");
    fmt::print("{} in {}\n", format_size(1 << 30), format_duration(200ms));  // 1GiB in 200ms
    // [/words]
    ASSERT_TRUE(rate && duration && size);
    EXPECT_EQ(rate->per_second(), 1.5e6);
    EXPECT_EQ(*duration, 200ms);
    EXPECT_EQ(*size, 1u << 30);
}

}  // namespace
