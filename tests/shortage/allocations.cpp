// SPDX-License-Identifier: Apache-2.0
#include "allocations.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace pktverbs::testing {

namespace {

std::atomic<bool> failing{false};
std::atomic<std::uint64_t> count{0};  // since failing began
std::atomic<std::uint64_t> refusals{0};
std::atomic<std::int64_t> living{0};
// Written only while no allocation fails.
std::uint64_t fail_at = 0;
bool all_after = false;
std::uint32_t one_in = 0;
std::uint64_t seed_drawn_from = 0;

/// splitmix64: each number has its own draw, whichever thread gets it.
std::uint64_t drawn(std::uint64_t number) noexcept {
    std::uint64_t z = seed_drawn_from + number * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

bool is_refused() noexcept {
    if (!failing.load(std::memory_order_relaxed)) return false;
    const std::uint64_t number = count.fetch_add(1, std::memory_order_relaxed) + 1;
    const bool refused =
        one_in != 0 ? drawn(number) % one_in == 0 : number == fail_at || (all_after && number > fail_at);
    if (refused) refusals.fetch_add(1, std::memory_order_relaxed);
    return refused;
}

void begin() noexcept {
    count = 0;
    refusals = 0;
    failing = true;
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
    if (is_refused()) return nullptr;
    if (bytes == 0) bytes = 1;
    void* const memory = alignment <= alignof(std::max_align_t)
                             ? std::malloc(bytes)
                             : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory) living.fetch_add(1, std::memory_order_relaxed);
    return memory;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    void* const memory = allocate(bytes, alignment);
    if (!memory) throw std::bad_alloc{};
    return memory;
}

void release(void* memory) noexcept {
    if (memory) living.fetch_sub(1, std::memory_order_relaxed);
    std::free(memory);
}

constexpr std::size_t usual = alignof(std::max_align_t);
constexpr std::size_t of(std::align_val_t alignment) noexcept { return static_cast<std::size_t>(alignment); }

}  // namespace

void Allocations::fail(std::uint64_t nth, bool and_all_after) noexcept {
    fail_at = nth;
    all_after = and_all_after;
    one_in = 0;
    begin();
}

void Allocations::fail_by_chance(std::uint64_t seed, std::uint32_t chances) noexcept {
    seed_drawn_from = seed;
    one_in = chances;
    begin();
}

void Allocations::stop_failing() noexcept { failing = false; }
std::uint64_t Allocations::refused() noexcept { return refusals; }
std::int64_t Allocations::live() noexcept { return living; }

Allocations::Pause::Pause() noexcept : was_failing_{failing.exchange(false)} {}
Allocations::Pause::~Pause() { failing = was_failing_; }

}  // namespace pktverbs::testing

using namespace pktverbs::testing;  // NOLINT: the operators are nobody's

void* operator new(std::size_t bytes) { return allocate_or_throw(bytes, usual); }
void* operator new[](std::size_t bytes) { return allocate_or_throw(bytes, usual); }
void* operator new(std::size_t bytes, std::align_val_t alignment) { return allocate_or_throw(bytes, of(alignment)); }
void* operator new[](std::size_t bytes, std::align_val_t alignment) { return allocate_or_throw(bytes, of(alignment)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, usual); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, usual); }
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(bytes, of(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(bytes, of(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
