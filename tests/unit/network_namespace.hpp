// SPDX-License-Identifier: Apache-2.0
// NetworkNamespace: a test body in a fresh network, where it may do anything.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace pktverbs::testing {

/// Skips nothing itself: `not_permitted` is the caller's to skip on, loudly.
enum class InNamespace { done, not_permitted };

namespace detail {

inline bool enter_network_namespace() {
    if (::unshare(CLONE_NEWNET) == 0) return true;
    // Without root: a user namespace of our own gives the rights over a network of our own.
    const auto user = ::getuid();
    const auto group = ::getgid();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    std::ofstream{"/proc/self/setgroups"} << "deny";
    std::ofstream{"/proc/self/uid_map"} << "0 " << user << " 1";
    std::ofstream{"/proc/self/gid_map"} << "0 " << group << " 1";
    return true;
}

}  // namespace detail

/// Runs `body` in a child process with a network of its own. Its failures are printed by the child and
/// reported here as one.
template <class Body>
InNamespace in_network_namespace(Body&& body) {
    constexpr int not_permitted = 77;
    std::fflush(nullptr);
    const auto child = ::fork();
    if (child == 0) {
        int code = not_permitted;
        if (detail::enter_network_namespace()) {
            try {
                body();
                code = ::testing::Test::HasFailure() ? 1 : 0;
            } catch (const std::exception& thrown) {
                std::printf("thrown: %s\n", thrown.what());
                code = 1;
            }
        }
        std::fflush(nullptr);
        ::_exit(code);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return InNamespace::not_permitted;
    if (WIFEXITED(status) && WEXITSTATUS(status) == not_permitted) return InNamespace::not_permitted;
    EXPECT_EQ(status, 0) << "failed in the child: see above";
    return InNamespace::done;
}

}  // namespace pktverbs::testing
