// SPDX-License-Identifier: Apache-2.0
// SideGuard: in a debug build, stops the program when two threads meet on one side of a queue.
#pragma once

#ifndef NDEBUG
#include <atomic>
#include <cstdio>
#include <cstdlib>
#endif

namespace pktverbs {

class Side {
public:
#ifndef NDEBUG
    explicit Side(const char* name) noexcept : name_{name} {}
    void enter() noexcept {
        if (busy_.exchange(true, std::memory_order_acquire)) {
            std::fprintf(stderr, "pktverbs: two threads use the %s side of one queue at the same time\n", name_);
            std::abort();
        }
    }
    void leave() noexcept { busy_.store(false, std::memory_order_release); }

private:
    const char* name_;
    std::atomic<bool> busy_{false};
#else
    explicit Side(const char*) noexcept {}
    void enter() noexcept {}
    void leave() noexcept {}
#endif
};

class SideGuard {
public:
    explicit SideGuard(Side& side) noexcept : side_{side} { side_.enter(); }
    ~SideGuard() { side_.leave(); }
    SideGuard(const SideGuard&) = delete;
    SideGuard& operator=(const SideGuard&) = delete;

private:
    Side& side_;
};

}  // namespace pktverbs
