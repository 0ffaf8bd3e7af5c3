// SPDX-License-Identifier: Apache-2.0
// Timestamps of frames that the kernel received: by its own clock, on every frame, in order.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>

#include <chrono>
#include <ctime>
#include <optional>
#include <string>

#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/device_clock.hpp>

#include "base/file_descriptor.hpp"
#include "cable.hpp"
#include "network_namespace.hpp"

namespace pktverbs {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using test::NetworkNamespace;
using test::patience;
using test::port;
using test::VethPair;

constexpr std::size_t frames = 200;

nanoseconds now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

class TimestampsOnCable : public ::testing::Test {
protected:
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
        veth.emplace();
        ctx.emplace(veth->left.run([] {
            return Context{"packet:left0",
                           {.send_packets = none, .recv_packets = 256, .max_packet_size = 2048, .timestamps = true}};
        }));
        flow = ctx->install(FlowRule{}.udp().dst_port(port));
    }

    /// From the kernel's own stack at the other end, and from one processor: frames of two may overtake each other.
    void send_datagrams() {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
        ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
        const FileDescriptor socket =
            veth->right.run([] { return FileDescriptor{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}; });
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        inet_pton(AF_INET, veth->left.ipv4.c_str(), &to.sin_addr);
        for (std::size_t i = 0; i < frames; ++i)
            ASSERT_EQ(sendto(socket.get(), &i, sizeof i, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to),
                      static_cast<ssize_t>(sizeof i));
    }

    template <class Each>
    void receive_all(Each&& each) {
        for (std::size_t received = 0; received < frames;) {
            const RecvList list = ctx->recv(patience);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) {
                ASSERT_TRUE(pkt.ok());
                each(pkt.timestamp());
            }
            received += list.size();
        }
    }

    std::optional<VethPair> veth;
    std::optional<Context> ctx;
    Flow flow;
};

TEST_F(TimestampsOnCable, AreTheKernelsOnEveryFrame) {
    EXPECT_TRUE(ctx->limits().timestamps);
    EXPECT_EQ(ctx->limits().timestamp_clock, TimestampClock::kernel);
    nanoseconds last = now(CLOCK_REALTIME);
    send_datagrams();
    receive_all([&](nanoseconds timestamp) {
        EXPECT_GE(timestamp, last);
        EXPECT_LE(timestamp, now(CLOCK_REALTIME));
        last = timestamp;
    });
}

TEST_F(TimestampsOnCable, BecomeThoseOfAnotherClock) {
    DeviceClock clock{*ctx, CLOCK_MONOTONIC_RAW};
    const nanoseconds before = now(CLOCK_MONOTONIC_RAW);
    send_datagrams();
    clock.update();
    receive_all([&](nanoseconds timestamp) {
        EXPECT_GE(clock.at(timestamp) + clock.error(timestamp), before);
        EXPECT_LE(clock.at(timestamp) - clock.error(timestamp), now(CLOCK_MONOTONIC_RAW));
    });
}

}  // namespace
}  // namespace pktverbs
