// SPDX-License-Identifier: Apache-2.0
// Packets, stops and ends at the same time: every packet is received once, in any order of events.
#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>

#include "async_wired.hpp"

namespace pktverbs::testing {
namespace {

/// Another thread injects packets while the executor's thread receives; seeds decide how long each waits before it
/// acts.
class Crossing : public AsyncWired, public ::testing::WithParamInterface<std::uint32_t> {
protected:
    static void dither(std::minstd_rand& random) {
        for (auto turns = random() % 64; turns > 0; --turns) std::atomic_signal_fence(std::memory_order_seq_cst);
        if (random() % 4 == 0) std::this_thread::yield();
    }
    /// No faster than packets are taken: 16 are posted to each queue.
    void plant_slowly(std::uint32_t count, std::uint32_t first, std::minstd_rand& random) {
        for (std::uint32_t i = first; i < first + count; ++i) {
            plant(1, i);
            while (ctx.stats().recv_packets + 6 < i) std::this_thread::yield();
            dither(random);
        }
    }
    Context ctx = open(with_queues(GetParam()));
    Flow flow = hear(ctx, GetParam() - 1);
};
INSTANTIATE_TEST_SUITE_P(Queues, Crossing, ::testing::Values(1U, 3U));

TEST_P(Crossing, EveryPacketWakesItsReceiver) {
    const std::uint32_t count = races(20000);
    Receiver<Context> receiver{ctx, count};
    async::Executor executor;
    executor.spawn(receiver.run());
    std::jthread world_thread{[&] {
        std::minstd_rand random{1};
        plant_slowly(count, 0, random);
    }};
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(receiver.got, counted(count));
}

/// Stopped while it polls, arms, is suspended, or is about to be resumed: then started again.
TEST_P(Crossing, StopsLoseNoPacket) {
    Numbers got;
    const auto receive = [](Context& from, std::stop_token stop, Numbers& numbers) -> Task {
        for (;;) {
            const RecvList list = co_await async::recv(from, no_timeout, stop);
            if (list.empty()) {
                EXPECT_EQ(list.outcome(), Outcome::stopped);
                co_return;
            }
            for (const RecvPkt& pkt : list) numbers.push_back(number_of(pkt.bytes()));
        }
    };
    async::Executor executor;
    const std::uint32_t turns = races(2000);
    for (std::uint32_t seed = 0; seed < turns; ++seed) {
        std::stop_source stop;
        executor.spawn(receive(ctx, stop.get_token(), got));
        std::jthread world_thread{[&] {
            std::minstd_rand random{seed + 1};
            dither(random);
            plant(3, 3 * seed);
        }};
        std::jthread asking{[&] {
            std::minstd_rand random{seed + 7919};
            dither(random);
            stop.request_stop();
        }};
        EXPECT_TRUE(executor.run());
        world_thread.join();
        // A stop that came before its packets leaves them for the next call.
        for (const RecvPkt& pkt : ctx.recv(0ns)) got.push_back(number_of(pkt.bytes()));
    }
    EXPECT_EQ(got, counted(3 * turns));
    EXPECT_EQ(ctx.stats().posted_now, GetParam() * 16);
}

TEST_P(Crossing, EndsOfExecutorsLoseNoPacket) {
    Numbers got;
    const auto receive = [](Context& from, Numbers& numbers, std::shared_ptr<int>) -> Task {
        for (;;)
            for (const RecvPkt& pkt : co_await async::recv(from, 1s)) numbers.push_back(number_of(pkt.bytes()));
    };
    auto guard = std::make_shared<int>();
    const std::uint32_t turns = races(2000);
    for (std::uint32_t seed = 0; seed < turns; ++seed) {
        std::jthread world_thread;
        {
            async::Executor executor;
            executor.spawn(receive(ctx, got, guard));
            world_thread = std::jthread{[&] {
                std::minstd_rand random{seed + 1};
                dither(random);
                plant(2, 2 * seed);
            }};
            executor.step(0ns);
            executor.step(0ns);
        }
        world_thread.join();
        for (const RecvPkt& pkt : ctx.recv(0ns)) got.push_back(number_of(pkt.bytes()));
    }
    EXPECT_EQ(got, counted(2 * turns));
    EXPECT_EQ(guard.use_count(), 1);
    EXPECT_EQ(ctx.stats().posted_now, GetParam() * 16);
}

TEST_P(Crossing, TimeoutsLoseNoPacket) {
    const std::uint32_t count = races(5000);
    Numbers got;
    const auto receive = [](Context& from, std::uint32_t until, Numbers& numbers) -> Task {
        std::minstd_rand random{5};
        while (numbers.size() < until)
            for (const RecvPkt& pkt : co_await async::recv(from, std::chrono::nanoseconds{random() % 2000}))
                numbers.push_back(number_of(pkt.bytes()));
    };
    async::Executor executor;
    executor.spawn(receive(ctx, count, got));
    std::jthread world_thread{[&] {
        std::minstd_rand random{11};
        plant_slowly(count, 0, random);
    }};
    EXPECT_TRUE(executor.run());
    EXPECT_EQ(got, counted(count));
}

/// Threads with one executor each, on one context's queues; stopped together.
TEST_F(AsyncWired, ExecutorsOnQueuesOfTheirOwnAreIndependent) {
    constexpr std::size_t queues = 2;
    const std::uint32_t count = races(5000);
    Context ctx = open(with_queues(queues));
    const Flow flows[] = {hear(ctx, 0, 0x1000), hear(ctx, 1, 0x1001)};
    std::vector<Receiver<Queue>> receivers;
    std::stop_source stop;
    for (std::size_t i = 0; i < queues; ++i)
        receivers.push_back({ctx.queue(i), count + 1, no_timeout, stop.get_token()});
    {
        std::vector<std::jthread> threads;
        for (auto& receiver : receivers)
            threads.emplace_back([&receiver] {
                async::Executor executor;
                executor.spawn(receiver.run());
                EXPECT_TRUE(executor.run());
            });
        for (std::uint32_t i = 0; i < count; ++i) {
            for (std::uint8_t q = 0; q < queues; ++q) {
                Bytes bytes = frame(i);
                bytes[12] = 0x10;
                bytes[13] = q;
                world.send(bytes);
                while (ctx.queue(q).stats().recv_packets + 6 < i) std::this_thread::yield();
            }
        }
        for (std::uint8_t q = 0; q < queues; ++q)
            while (ctx.queue(q).stats().recv_packets < count) std::this_thread::yield();
        stop.request_stop();
    }
    for (const auto& receiver : receivers) {
        EXPECT_EQ(receiver.got, counted(count));
        EXPECT_EQ(receiver.outcome, Outcome::stopped);
    }
}

}  // namespace
}  // namespace pktverbs::testing
