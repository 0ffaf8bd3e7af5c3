// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>

#include <pktverbs/soft/wire.hpp>
#include <pktverbs/time/rate.hpp>
#include "common/generator.hpp"

using namespace example;
using pktverbs::Ipv4Address;
using pktverbs::MacAddress;

namespace {

/// The user's hand is a Generator with eight packets, the world's hand a tap.
class GeneratorTest : public ::testing::Test {
protected:
    GeneratorTest() {
        stream.dst_mac = MacAddress{{0x02, 0, 0, 0, 0, 0x0b}};
        stream.src_ip = Ipv4Address{{192, 0, 2, 1}};
        stream.dst_ip = Ipv4Address{{192, 0, 2, 2}};
        stream.payload_bytes = 11;
        tap.receive();
    }

    pktverbs::soft::WireTap tap{"generator"};
    pktverbs::Context ctx{"wire:generator", {.send_packets = 8, .recv_packets = pktverbs::none}};
    Stream stream;
};

constexpr auto ignore = [](std::uint64_t) {};

TEST_F(GeneratorTest, NumbersItsPackets) {
    Generator generator{ctx, stream};
    Pace pace;
    pace.count = 100;
    pace.batch = 3;
    generator.run(pace, {}, ignore);
    generator.check();
    EXPECT_EQ(generator.sent(), 100U);
    const auto frames = tap.receive();
    ASSERT_EQ(frames.size(), 100U);
    for (std::uint64_t number = 0; number < 100; ++number) {
        const net::Headers found{frames[number]};
        EXPECT_EQ(found.ethernet().dst(), stream.dst_mac);
        EXPECT_EQ(found.ethernet().src(), ctx.limits().mac);
        ASSERT_TRUE(found.ipv4());
        EXPECT_TRUE(found.ipv4().checksum_is_right());
        EXPECT_EQ(found.ipv4().src(), stream.src_ip);
        EXPECT_EQ(found.ipv4().dst(), stream.dst_ip);
        ASSERT_TRUE(found.udp());
        EXPECT_EQ(found.udp().dst_port(), Stream::default_port);
        EXPECT_EQ(found.udp().checksum(), 0) << "no checksum";
        ASSERT_EQ(found.payload().size(), stream.payload_bytes);
        EXPECT_EQ(net::load<std::uint64_t>(found.payload().data()), number);
    }
}

TEST_F(GeneratorTest, GoesOnNumberingInASecondRun) {
    Generator generator{ctx, stream};
    Pace pace;
    pace.count = 5;
    generator.run(pace, {}, ignore);
    pace.count = 6;
    generator.run(pace, {}, ignore);
    const auto frames = tap.receive();
    ASSERT_EQ(frames.size(), 6U);
    EXPECT_EQ(net::load<std::uint64_t>(net::Headers{frames.back()}.payload().data()), 5U);
}

TEST_F(GeneratorTest, KeepsItsPace) {
    Generator generator{ctx, stream};
    Pace pace;
    pace.count = 21;
    pace.rate = pktverbs::Rate::packets(1000);
    const auto start = std::chrono::steady_clock::now();
    generator.run(pace, {}, ignore);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds{20});
    EXPECT_EQ(tap.receive().size(), 21U);
}

TEST_F(GeneratorTest, SendsNothingForAStopAskedBefore) {
    std::stop_source stop;
    stop.request_stop();
    Generator generator{ctx, stream};
    generator.run({}, stop.get_token(), ignore);
    EXPECT_EQ(generator.sent(), 0U);
    EXPECT_TRUE(tap.receive().empty());
}

TEST_F(GeneratorTest, RefusesAFrameLongerThanABuffer) {
    stream.payload_bytes = 9216;
    EXPECT_THROW((Generator{ctx, stream}), std::length_error);
}

}  // namespace
