// SPDX-License-Identifier: Apache-2.0
// In a file of its own: seen together with their callers, g++ takes new and free for a mismatch.
#include "allocations.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

std::atomic<std::uint64_t> allocations = 0;

void* operator new(std::size_t bytes) {
    ++allocations;
    if (void* const memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
