// SPDX-License-Identifier: Apache-2.0
// QuickMutex: one thread at a time, and nobody is left asleep.
#include "base/quick_mutex.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "rounds.hpp"

namespace {

using pktverbs::QuickMutex;

void in_threads(int count, const auto& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(body);
    for (std::thread& thread : threads) thread.join();
}

TEST(QuickMutex, LetsOneThreadInAtATime) {
    const int turns = pktverbs::testing::rounds(100'000);
    QuickMutex mutex;
    std::uint64_t count = 0;  // two words that only one thread at a time keeps equal
    std::uint64_t same = 0;
    in_threads(4, [&] {
        for (int i = 0; i < turns; ++i) {
            const std::lock_guard lock{mutex};
            EXPECT_EQ(count, same);
            ++count;
            ++same;
        }
    });
    EXPECT_EQ(count, 4U * static_cast<unsigned>(turns));
}

/// Each holder gives the processor away, so the others sleep, and each unlock has one to wake.
TEST(QuickMutex, LeavesNobodyAsleep) {
    const int turns = pktverbs::testing::rounds(3'000);
    QuickMutex mutex;
    std::uint64_t count = 0;
    in_threads(6, [&] {
        for (int i = 0; i < turns; ++i) {
            const std::lock_guard lock{mutex};
            std::this_thread::yield();
            ++count;
        }
    });
    EXPECT_EQ(count, 6U * static_cast<unsigned>(turns));
}

/// All wait at once for one long turn, then for each other.
TEST(QuickMutex, WakesOneAfterTheOther) {
    QuickMutex mutex;
    std::atomic<int> begun{0};
    int through = 0;
    std::unique_lock holder{mutex};
    std::thread waiting{[&] {
        in_threads(8, [&] {
            ++begun;
            const std::lock_guard lock{mutex};
            ++through;
        });
    }};
    while (begun != 8) std::this_thread::yield();
    EXPECT_EQ(through, 0);
    holder.unlock();
    waiting.join();
    EXPECT_EQ(through, 8);
}

TEST(QuickMutex, IsTakenOnlyWhileItIsFree) {
    QuickMutex mutex;
    EXPECT_TRUE(mutex.try_lock());
    std::thread{[&] { EXPECT_FALSE(mutex.try_lock()); }}.join();
    mutex.unlock();
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
}

/// A failed try changes nothing: the next unlock wakes whoever waits.
TEST(QuickMutex, WakesItsWaiterThoughOthersOnlyTry) {
    const int turns = pktverbs::testing::rounds(3'000);
    QuickMutex mutex;
    std::atomic<bool> stop{false};
    std::thread trying{[&] {
        while (!stop)
            if (mutex.try_lock()) mutex.unlock();
    }};
    in_threads(2, [&] {
        for (int i = 0; i < turns; ++i) {
            const std::lock_guard lock{mutex};
            std::this_thread::yield();
        }
    });
    stop = true;
    trying.join();
}

TEST(QuickMutex, GoesWithAConditionVariable) {
    QuickMutex mutex;
    std::condition_variable_any changed;
    int turn = 0;
    in_threads(2, [&, next = std::make_shared<std::atomic<int>>(0)] {
        const int own = (*next)++;
        for (int i = own; i < 200; i += 2) {
            std::unique_lock lock{mutex};
            changed.wait(lock, [&] { return turn == i; });
            ++turn;
            changed.notify_all();
        }
    });
    EXPECT_EQ(turn, 200);
}

}  // namespace
