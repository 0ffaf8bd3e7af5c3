// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <pktverbs/doctor/doctor.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/messages/address.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/verbs/async_event.hpp>

namespace {

using pktverbs::MacAddress;
using pktverbs::WaitMode;
using pktverbs::text::Formattable;

struct SomebodysText {
    std::string to_string() const { return "theirs"; }
};
enum class SomebodysChoice { one };
[[maybe_unused]] std::string_view to_string(SomebodysChoice) { return "one"; }

struct NamedMac : MacAddress {};

}  // namespace

template <>
struct fmt::formatter<NamedMac> : fmt::formatter<std::string_view> {
    template <class FormatContext>
    auto format(const NamedMac&, FormatContext& ctx) const {
        return fmt::formatter<std::string_view>::format("named", ctx);
    }
};

namespace {

static_assert(Formattable<pktverbs::Stats> && Formattable<pktverbs::Severity> && Formattable<pktverbs::FlowRule>);
static_assert(Formattable<pktverbs::verbs::AsyncEvent> && Formattable<pktverbs::messages::Address>);
static_assert(!Formattable<pktverbs::Context> && !Formattable<std::vector<MacAddress>> && !Formattable<int>);
static_assert(!Formattable<SomebodysText> && !Formattable<SomebodysChoice>);

TEST(Format, GivesTheTextOfAValue) {
    EXPECT_EQ(fmt::format("{}", MacAddress::broadcast()), MacAddress::broadcast().to_string());
    EXPECT_EQ(fmt::format("{}", WaitMode::block), to_string(WaitMode::block));
}

TEST(Format, TakesTheSpecificationsOfAString) {
    EXPECT_EQ(fmt::format("{:>20}|", MacAddress::broadcast()), "   ff:ff:ff:ff:ff:ff|");
    EXPECT_EQ(fmt::format("{:*<7}|{:^7}|{:.2}", WaitMode::block, WaitMode::block, WaitMode::block),
              "block**| block |bl");
    EXPECT_EQ(fmt::format("{:<{}}|", WaitMode::block, 6), "block |");
}

TEST(Format, LeavesADerivedTypesOwnFormatterAlone) { EXPECT_EQ(fmt::format("{}", NamedMac{}), "named"); }

}  // namespace
