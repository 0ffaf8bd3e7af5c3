// SPDX-License-Identifier: Apache-2.0
// pin: keeps a thread on one CPU.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <system_error>

#include <fmt/format.h>

namespace capture {

/// Throws std::system_error: EINVAL if there is no such CPU, or none that this process may use.
inline void pin(pthread_t thread, unsigned cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    const int error = pthread_setaffinity_np(thread, sizeof set, &set);
    if (error != 0)
        throw std::system_error{error, std::generic_category(), fmt::format("cannot pin a thread to CPU {}", cpu)};
}

}  // namespace capture
