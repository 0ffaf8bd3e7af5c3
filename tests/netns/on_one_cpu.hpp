// SPDX-License-Identifier: Apache-2.0
// OnOneCpu: a fixture for frames between namespaces.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>

#include "network_namespace.hpp"

namespace pktverbs::test {

/// Stays on one CPU: veth hands a frame over on the CPU where it was sent, so there it is in its ring when the sender
/// returns, and a thread that moved could overtake its own frames. Skips where there can be no namespace.
struct OnOneCpu : ::testing::Test {
    void SetUp() override {
        if (!NetworkNamespace::unavailable().empty()) GTEST_SKIP() << "NOT TESTED: " << NetworkNamespace::unavailable();
        cpu_set_t one;
        CPU_ZERO(&one);
        ::sched_getaffinity(0, sizeof before_, &before_);
        CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
        ::sched_setaffinity(0, sizeof one, &one);
        prepare();
    }
    void TearDown() override {
        if (NetworkNamespace::unavailable().empty()) ::sched_setaffinity(0, sizeof before_, &before_);
    }
    virtual void prepare() {}

private:
    cpu_set_t before_;
};

}  // namespace pktverbs::test
