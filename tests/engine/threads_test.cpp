// SPDX-License-Identifier: Apache-2.0
// Threads: one receives, one sends, any release, any install flows; debug builds stop on more.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <queue>
#include <thread>

#include "faulty_ops.hpp"
#include "wired.hpp"

namespace pktverbs::testing {
namespace {

/// Lists in transfer to another thread.
class Handover {
public:
    void put(RecvList list) {
        const std::lock_guard lock{mutex_};
        lists_.push(std::move(list));
        arrived_.notify_one();
    }
    void end() {
        const std::lock_guard lock{mutex_};
        ended_ = true;
        arrived_.notify_all();
    }
    std::optional<RecvList> take() {
        std::unique_lock lock{mutex_};
        arrived_.wait(lock, [&] { return ended_ || !lists_.empty(); });
        if (lists_.empty()) return std::nullopt;
        RecvList list = std::move(lists_.front());
        lists_.pop();
        return list;
    }

private:
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::queue<RecvList> lists_;
    bool ended_ = false;
};

class Threads : public Wired, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(Queues, Threads, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "extended" : "classic"; });

/// Two contexts talk both ways at once; two more threads release, and one changes flows.
TEST_P(Threads, ReceiveSendReleaseAndInstallAtOnce) {
    if (datagrams) GTEST_SKIP() << "datagrams are not steered by flows";
    constexpr std::uint32_t count = 3000;
    Options options{.send_packets = 32, .recv_packets = 64, .max_packet_size = 128};
    options.timestamps = GetParam();
    Context left = open(options), right = open(options);
    const Flow to_left = left.install(FlowRule{}.ether_type(0x88b5));
    const Flow to_right = right.install(FlowRule{}.ether_type(0x88b5));
    Handover used;
    std::atomic<std::uint32_t> right_got{0}, left_got{0};
    std::atomic<bool> done{false};

    const auto receive = [&](Context& ctx, std::atomic<std::uint32_t>& got) {
        for (std::uint32_t next = 0; next < count;) {
            RecvList list = ctx.recv(no_timeout);
            ASSERT_FALSE(list.empty());
            for (const RecvPkt& pkt : list) ASSERT_EQ(number_of(pkt.bytes()), next++);
            got = next;
            used.put(std::move(list));
        }
    };
    const auto send = [&](Context& ctx, const Context& to, std::atomic<std::uint32_t>& got) {
        for (std::uint32_t next = 0; next < count;) {
            SendList list = ctx.acquire(std::min(4U, count - next));
            // Never more in flight than the other has posted: posted_now still counts packets that it has not polled.
            while (next > got + 16 || to.stats().posted_now < 32) std::this_thread::yield();
            const auto sent = static_cast<std::uint32_t>(list.size());
            ASSERT_TRUE(ctx.send(filled(std::move(list), next)).empty());
            next += sent;
        }
        EXPECT_TRUE(ctx.flush(no_timeout));
    };
    std::vector<std::thread> working, helping;
    working.emplace_back([&] { receive(left, left_got); });
    working.emplace_back([&] { receive(right, right_got); });
    working.emplace_back([&] { send(left, right, right_got); });
    working.emplace_back([&] { send(right, left, left_got); });
    for (int i = 0; i < 2; ++i)
        helping.emplace_back([&] {
            while (auto list = used.take())
                while (!list->empty()) list->pop_front();
        });
    helping.emplace_back([&] {
        for (std::uint16_t turn = 0; !done; turn = static_cast<std::uint16_t>((turn + 1) % 4096)) {
            const Flow flow = left.install(FlowRule{}.vlan(turn));
            right.set_flow(turn % 2, FlowRule{}.vlan(turn));
            EXPECT_FALSE(left.stats().to_string().empty());
        }
    });
    for (std::thread& thread : working) thread.join();
    done = true;
    used.end();
    for (std::thread& thread : helping) thread.join();
    EXPECT_EQ(left.stats().recv_packets, count);
    EXPECT_EQ(right.stats().recv_packets, count);
    EXPECT_EQ(left.stats().posted_now, 64u);
    EXPECT_EQ(left.stats().drops.total() + right.stats().drops.total(), 0u);
}

TEST_P(Threads, ReleaseWhileTheDeviceRefusesNow) {
    Options options = small;
    options.timestamps = GetParam();
    Context ctx = open(options);
    const Flow flow = hear(ctx);
    for (std::uint32_t turn = 0; turn < 200; ++turn) {
        std::optional<FaultyOps> ops{ctx};
        ops->recv_takes = static_cast<int>(turn % 5);
        plant(8);
        RecvList list = ctx.recv(0ns), half;
        while (half.size() < list.size()) half.append(list.pop_front());
        list.release();
        half.release();
        ops.reset();
        std::thread other{[&] { half.release(); }};
        EXPECT_TRUE(ctx.recv(0ns).empty());
        other.join();
        ASSERT_EQ(ctx.stats().posted_now, 16u) << turn;
    }
}

#ifndef NDEBUG

/// The device's poll acts as a second thread at that moment.
class Guard : public Receiving {
protected:
    void SetUp() override {
        if (datagrams) GTEST_SKIP() << "has nothing to do with the device";
        GTEST_FLAG_SET(death_test_style, "threadsafe");
    }
    static void meet(Context& ctx, void (*second)()) {
        static void (*in_poll)() = nullptr;
        static auto real = ctx.raw()->ops.poll_cq;
        in_poll = second;
        ctx.raw()->ops.poll_cq = [](ibv_cq* cq, int count, ibv_wc* wcs) {
            std::thread{in_poll}.join();
            return real(cq, count, wcs);
        };
    }
    static inline Context* shared = nullptr;
};

TEST_F(Guard, StopsTwoThreadsThatReceive) {
    shared = &ctx;
    EXPECT_DEATH(
        {
            meet(ctx, [] { shared->recv(0ns); });
            ctx.recv(0ns);
        },
        "two threads use the receive side of one queue");
}

TEST_F(Guard, StopsTwoThreadsThatSend) {
    shared = &ctx;
    EXPECT_DEATH(
        {
            meet(ctx, [] { shared->acquire(1); });
            ctx.flush(0ns);
        },
        "two threads use the send side of one queue");
}

TEST_F(Guard, StopsRecoverWhileAnotherReceives) {
    shared = &ctx;
    EXPECT_DEATH(
        {
            meet(ctx, [] { shared->queue(0).recover(); });
            ctx.recv(0ns);
        },
        "two threads use the receive side of one queue");
}

TEST_F(Guard, LetsOneReceiveAndOneSend) {
    shared = &ctx;
    meet(ctx, [] { ASSERT_TRUE(shared->send(filled(shared->queue(0).acquire(1), 0)).empty()); });
    EXPECT_TRUE(ctx.recv(0ns).empty());
    EXPECT_EQ(world.receive().size(), 1u);
}

#endif

}  // namespace
}  // namespace pktverbs::testing
