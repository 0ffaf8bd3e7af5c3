// SPDX-License-Identifier: Apache-2.0
// futex: sleeping on a word that processes share.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

namespace pktverbs {

/// Until the word isn't `seen` any more, or it is woken, or for so long, or for no reason.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, const timespec& at_most) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAIT, seen, &at_most, nullptr, 0);
}

inline void futex_wake(const std::atomic<std::uint32_t>& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace pktverbs
