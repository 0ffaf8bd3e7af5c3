// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/memory/placement.hpp>

#include <gtest/gtest.h>
#include <sched.h>

#include <cerrno>
#include <thread>

#include "base/cpu_list.hpp"
#include "expect_error.hpp"

namespace pktverbs {
namespace {

using Cpus = std::vector<unsigned>;

TEST(CpuList, IsReadAsTheKernelWritesIt) {
    EXPECT_EQ(parse_cpu_list("0-3,8"), (Cpus{0, 1, 2, 3, 8}));
    EXPECT_EQ(parse_cpu_list("5"), (Cpus{5}));
    EXPECT_EQ(parse_cpu_list("8,2-3,2"), (Cpus{2, 3, 8}));
    EXPECT_EQ(parse_cpu_list(""), Cpus{});
}

TEST(CpuList, EndsWhereItCannotBeRead) {
    EXPECT_EQ(parse_cpu_list("1,x,3"), (Cpus{1}));
    EXPECT_EQ(parse_cpu_list("1,4-2"), (Cpus{1}));
    EXPECT_EQ(parse_cpu_list("1,2-"), (Cpus{1}));
    EXPECT_EQ(parse_cpu_list("1,0-99999999"), (Cpus{1}));
    EXPECT_EQ(parse_cpu_list("99999999999999999999"), Cpus{});
}

TEST(Placement, PinsThisThreadAndNoOther) {
    const Cpus before = local_cpus({});
    ASSERT_FALSE(before.empty());
    std::thread{[&] {
        pin_this_thread(before.back());
        EXPECT_EQ(::sched_getcpu(), static_cast<int>(before.back()));
        EXPECT_EQ(local_cpus({}), Cpus{before.back()});
    }}.join();
    EXPECT_EQ(local_cpus({}), before);
}

TEST(Placement, RefusesAProcessorThatIsAbsent) {
    for (const unsigned cpu : {(1U << 16) - 1, 1U << 16, ~0U}) {
        const auto text = testing::expect_error(EINVAL, [&] { pin_this_thread(cpu); });
        testing::expect_words(text, {"cannot keep this thread on processor", "no such processor"});
    }
}

TEST(Placement, OfAVirtualInterfaceIsEverywhere) {
    EXPECT_FALSE(numa_node({}));
    verbs::Device loopback;
    loopback.interface = "lo";
    EXPECT_FALSE(numa_node(loopback));
    EXPECT_EQ(local_cpus(loopback), local_cpus({}));
}

}  // namespace
}  // namespace pktverbs
