// SPDX-License-Identifier: Apache-2.0
// Prefetching: cache lines that another core wrote or read last, fetched before they are needed.
#pragma once

namespace pktverbs {

inline void prefetch_to_read(const void* at) noexcept { __builtin_prefetch(at); }

/// The other core loses the line. By itself g++ leaves it a copy, which the write would have to take back: the
/// instruction is in none of the sets that every x86-64 processor has, though each decodes it.
inline void prefetch_to_write(void* at) noexcept {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
    __builtin_prefetch(at, 1);
#endif
}

}  // namespace pktverbs
