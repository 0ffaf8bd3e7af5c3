// SPDX-License-Identifier: Apache-2.0
// process_id: getpid(2) without a system call.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace pktverbs {

/// The process's id, in memory that the kernel clears in a forked child (madvise(2), MADV_WIPEONFORK, since Linux
/// 4.14): however it was forked, the child asks again. Null if there is no such memory.
inline std::atomic<pid_t>* known_process_id() noexcept {
    using Word = std::atomic<pid_t>;
    static Word* const word = []() noexcept -> Word* {
        void* const page = ::mmap(nullptr, sizeof(Word), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return nullptr;
        if (::madvise(page, sizeof(Word), MADV_WIPEONFORK) == 0) return ::new (page) Word{0};
        ::munmap(page, sizeof(Word));
        return nullptr;
    }();
    return word;
}

/// The same as getpid(2), which has been a system call each time since glibc 2.25.
inline pid_t process_id() noexcept {
    std::atomic<pid_t>* const word = known_process_id();
    const pid_t known = word ? word->load(std::memory_order_relaxed) : 0;
    if (known != 0) [[likely]]
        return known;
    const pid_t id = ::getpid();
    if (word) word->store(id, std::memory_order_relaxed);
    return id;
}

}  // namespace pktverbs
