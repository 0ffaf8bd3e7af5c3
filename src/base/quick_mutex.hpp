// SPDX-License-Identifier: Apache-2.0
// QuickMutex: a mutex for the data path.
#pragma once

#include <atomic>
#include <cstdint>

namespace pktverbs {

/// As std::mutex, but without a call while nobody contends: to lock and to unlock are one atomic instruction each. Who
/// waits sleeps (futex(2)). The three states are those of Ulrich Drepper's "Futexes Are Tricky", section 6.
class QuickMutex {
public:
    QuickMutex() noexcept = default;
    QuickMutex(const QuickMutex&) = delete;
    QuickMutex& operator=(const QuickMutex&) = delete;

    void lock() noexcept {
        if (!try_lock()) [[unlikely]]
            wait();
    }
    bool try_lock() noexcept {
        int expected = open;
        return state_.compare_exchange_strong(expected, locked, std::memory_order_acquire, std::memory_order_relaxed);
    }
    void unlock() noexcept {
        if (state_.exchange(open, std::memory_order_release) == contended) [[unlikely]]
            state_.notify_one();
    }

private:
    static constexpr int open = 0, locked = 1, contended = 2;

    /// A thread that has waited does not know whether others wait, too. So it locks the mutex as contended, and its
    /// unlock() wakes one of them.
    [[gnu::noinline, gnu::cold]] void wait() noexcept {
        while (state_.exchange(contended, std::memory_order_acquire) != open)
            state_.wait(contended, std::memory_order_relaxed);
    }

    std::atomic<int> state_{open};  // an int: only that is waited for by a futex of its own in libstdc++
};

}  // namespace pktverbs
