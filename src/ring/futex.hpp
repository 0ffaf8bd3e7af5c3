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

/// Until the word isn't `seen` any more, or it is woken, or for so long, or for no reason.
inline void futex_wait(const RingWord<std::uint32_t>& word, std::uint32_t seen, const timespec& at_most) noexcept {
    syscall(SYS_futex, word.address(), FUTEX_WAIT, seen, &at_most, nullptr, 0);
}

inline void futex_wake(const RingWord<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, word.address(), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace pktverbs
