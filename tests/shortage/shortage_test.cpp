// SPDX-License-Identifier: Apache-2.0
// Shortages: with any of them the process goes on, nothing leaks, and the error names what is short.
#include "shortage.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "allocations.hpp"

namespace pktverbs::testing {

namespace {

/// More than any scenario requests: bounds a loop that would not end.
constexpr std::uint64_t max_allocations = 20000;
[[maybe_unused]] constexpr std::uint64_t max_descriptors = 48;

class Shortages : public ::testing::TestWithParam<Scenario> {
protected:
    void SetUp() override {
        if (const std::string why = unavailable(); !why.empty()) GTEST_SKIP() << why;
        ASSERT_NO_THROW(warm_up(GetParam()));
    }

    /// Fails the first allocation, the second, and so on, until the scenario makes no more.
    void expect_nothing_breaks(Shortage::Kind kind) {
        std::uint64_t n = 1;
        for (; n < max_allocations; n += allocation_step()) {
            const RunResult result = run_short(GetParam(), {.kind = kind, .n = n});
            ASSERT_EQ(result.fault, "");
            if (!result.was_short) break;
        }
        EXPECT_LT(n, max_allocations);
        EXPECT_GT(n, 1u) << "a scenario that tests nothing";
    }
};

std::string name_of(const ::testing::TestParamInfo<Scenario>& info) {
    std::string name = info.param.name;
    std::ranges::replace_if(
        name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Of, Shortages, ::testing::ValuesIn(all_scenarios()), name_of);

TEST_P(Shortages, BearOneAllocationThatFails) { expect_nothing_breaks(Shortage::Kind::one_allocation); }

TEST_P(Shortages, BearThatAllAllocationsFailFromOneOn) { expect_nothing_breaks(Shortage::Kind::allocations); }

// UBSan opens a pipe to check whether an object's memory is accessible (compiler-rt, IsAccessibleMemoryRange()), and
// without descriptors assumes that it isn't.
#ifndef PKTVERBS_SANITIZED
TEST_P(Shortages, BearThatDescriptorsRunOut) {
    for (std::uint64_t n = 0; n < max_descriptors; ++n)
        ASSERT_EQ(run_short(GetParam(), {.kind = Shortage::Kind::descriptors, .n = n}).fault, "");
}
#endif

// A fault is detected.

class Leaking final : public Play {
public:
    void run() override {
        kept = new int{1};
        std::string{"longer than what a string holds by itself"}.shrink_to_fit();
    }
    static inline int* kept = nullptr;
};

TEST(ShortageTest, SeesALeak) {
    const RunResult result = run_short(scenario<Leaking>("leaking"), {.n = 2});
    delete std::exchange(Leaking::kept, nullptr);
    EXPECT_EQ(result.fault, "'leaking' with allocation 2 failing: 1 allocations leaked");
    EXPECT_TRUE(result.was_short);
}

class Hiding final : public Play {
public:
    void run() override {
        try {
            kept = std::string(100, 'x');
        } catch (const std::bad_alloc&) {
            throw std::system_error{EIO, std::generic_category(), "cannot"};
        }
    }
    std::string kept;
};

TEST(ShortageTest, SeesAnErrnoThatIsNotTheShortage) {
    const std::string fault = run_short(scenario<Hiding>("hiding"), {}).fault;
    EXPECT_NE(fault.find("the wrong errno, 5"), std::string::npos) << fault;
}

class Forgetting final : public Play {
public:
    void run() override { kept = std::string(100, 'x'); }
    std::string kept;
};

TEST(ShortageTest, ReportsWhenNothingIsShort) {
    EXPECT_TRUE(run_short(scenario<Forgetting>("forgetting"), {.n = 1}).was_short);
    EXPECT_FALSE(run_short(scenario<Forgetting>("forgetting"), {.n = 2}).was_short);
}

class Ending final : public Play {
public:
    void run() override { make(); }

private:
    void make() noexcept { kept = std::string(100, 'x'); }
    std::string kept;
};

TEST(ShortageTest, SaysWhatEndedTheProcess) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(static_cast<void>(run_short(scenario<Ending>("ending"), {})),
                 "ends while running 'ending' with allocation 1 failing");
}

}  // namespace
}  // namespace pktverbs::testing
