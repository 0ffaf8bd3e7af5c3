// SPDX-License-Identifier: Apache-2.0
// futex: sleeping on a word that processes share.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <ctime>

#include <pktverbs/ring/ring_word.hpp>

namespace pktverbs {

/// Sleeps until the word is no longer `seen`, a wake, or the timeout; may wake spuriously.
inline void futex_wait(const RingWord<std::uint32_t>& word, std::uint32_t seen, const timespec& at_most) noexcept {
    syscall(SYS_futex, word.address(), FUTEX_WAIT, seen, &at_most, nullptr, 0);
}

inline void futex_wake(const RingWord<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, word.address(), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace pktverbs
