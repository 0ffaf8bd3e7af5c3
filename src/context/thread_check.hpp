// SPDX-License-Identifier: Apache-2.0
// ThreadCheck: in a debug build, stops the program when two threads meet on one side of a queue.
#pragma once

#ifndef NDEBUG
#include <atomic>
#include <cstdio>
#include <cstdlib>
#endif

namespace pktverbs {

class ThreadCheck {
public:
#ifndef NDEBUG
    explicit ThreadCheck(const char* side) noexcept : side_{side} {}
    void enter() noexcept {
        if (busy_.exchange(true, std::memory_order_acquire)) {
            std::fprintf(stderr, "pktverbs: two threads use the %s side of one queue at the same time\n", side_);
            std::abort();
        }
    }
    void leave() noexcept { busy_.store(false, std::memory_order_release); }

private:
    const char* side_;
    std::atomic<bool> busy_{false};
#else
    explicit ThreadCheck(const char*) noexcept {}
    void enter() noexcept {}
    void leave() noexcept {}
#endif
};

/// A thread's use of one side.
class ThreadCheckScope {
public:
    explicit ThreadCheckScope(ThreadCheck& check) noexcept : check_{check} { check_.enter(); }
    ~ThreadCheckScope() { check_.leave(); }
    ThreadCheckScope(const ThreadCheckScope&) = delete;
    ThreadCheckScope& operator=(const ThreadCheckScope&) = delete;

private:
    ThreadCheck& check_;
};

}  // namespace pktverbs
