// SPDX-License-Identifier: Apache-2.0
#include "base/process_id.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>

namespace pktverbs::testing {
namespace {

/// Whether a child, and its own child, know their ids, and a child that libc knows nothing of.
template <class Fork>
bool is_right_in_children(Fork&& fork, int generations) {
    if (process_id() != ::getpid()) return false;
    if (generations == 0) return true;
    const pid_t child = fork();
    if (child == 0) ::_exit(is_right_in_children(fork, generations - 1) ? 0 : 1);
    int status = -1;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0 && process_id() == ::getpid();
}

TEST(ProcessId, IsThatOfEachChild) { EXPECT_TRUE(is_right_in_children(::fork, 2)); }

TEST(ProcessId, IsThatOfAChildMadeBehindTheLibrarysBack) {
    EXPECT_TRUE(is_right_in_children(
        [] { return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)); }, 1));
}

}  // namespace
}  // namespace pktverbs::testing
