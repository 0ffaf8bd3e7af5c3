// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/version.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace pktverbs {
namespace {

TEST(Version, IsThatOfTheHeaders) {
    EXPECT_EQ(version(), fmt::format("{}.{}.{}", PKTVERBS_VERSION / 10000, PKTVERBS_VERSION / 100 % 100,
                                     PKTVERBS_VERSION % 100));
}

}  // namespace
}  // namespace pktverbs
