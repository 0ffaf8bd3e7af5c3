// SPDX-License-Identifier: Apache-2.0
#include "common/quantity_option.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include <pktverbs/time/rate.hpp>
#include "common/command_line.hpp"

using example::CommandLine;
using pktverbs::Rate;
using namespace std::chrono_literals;

namespace {

/// What `prog --option WORD` says on stderr, where `add` adds the option.
std::string parse(const std::function<void(CommandLine&)>& add, std::string word) {
    CommandLine app{"", "prog"};
    add(app);
    std::string name = "prog", option = "--option";
    char* argv[]{name.data(), option.data(), word.data()};
    testing::internal::CaptureStderr();
    app.run(3, argv, [] { return 0; });
    return testing::internal::GetCapturedStderr();
}

}  // namespace

TEST(QuantityOption, TakesADuration) {
    std::chrono::milliseconds time{7};
    const auto take = [&](const std::string& word) {
        return parse([&](CommandLine& app) { example::add_duration(app, "-o,--option", time, 1ms, 60s, ""); }, word);
    };
    EXPECT_EQ(take("200ms"), "");
    EXPECT_EQ(time, 200ms);
    EXPECT_EQ(take("1min"), "");
    EXPECT_EQ(time, 60s);
    EXPECT_EQ(take("0.5"), "");
    EXPECT_EQ(time, 500ms);
    for (const char* word : {"0", "61", "999us", "2h", "1x", "", "-1"})
        EXPECT_EQ(take(word), "prog: --option: '" + std::string{word} +
                                  "' is not a time from 1ms to 60s, such as 1.5s, 200ms (see --help)\n");
    EXPECT_EQ(time, 500ms);
}

TEST(QuantityOption, TakesASize) {
    std::uint32_t bytes = 7;
    const auto take = [&](const std::string& word) {
        return parse([&](CommandLine& app) { example::add_size(app, "--option", bytes, 8, 65507, ""); }, word);
    };
    EXPECT_EQ(take("8KiB"), "");
    EXPECT_EQ(bytes, 8192u);
    EXPECT_EQ(take("9kB"), "");
    EXPECT_EQ(bytes, 9000u);
    EXPECT_EQ(take("65507"), "");
    EXPECT_EQ(bytes, 65507u);
    for (const char* word : {"7", "65508", "64KiB", "4294967304", "1x", ""})
        EXPECT_EQ(take(word), "prog: --option: '" + std::string{word} +
                                  "' is not a size from 8B to 65507B, such as 1500, 8KiB (see --help)\n");
    EXPECT_EQ(bytes, 65507u);
}

TEST(QuantityOption, TakesARateOfFramesOrPackets) {
    std::optional<Rate> rate;
    bool zero_is_none = false;
    const auto take = [&](const std::string& word) {
        return parse([&](CommandLine& app) { example::add_rate(app, "--option", rate, "", zero_is_none); }, word);
    };
    for (const auto& [word, gbps] :
         {std::pair{"10G", 10.0}, {"10Gbit/s", 10.0}, {"500m", 0.5}, {"10", 10.0}, {"0.000001", 1e-6}, {"9000", 9e3}}) {
        EXPECT_EQ(take(word), "");
        ASSERT_TRUE(rate) << word;
        EXPECT_EQ(rate->unit(), Rate::Unit::frame_bits) << word;
        EXPECT_DOUBLE_EQ(rate->per_second(), gbps * 1e9) << word;
    }
    EXPECT_EQ(take("1.5Mpps"), "");
    EXPECT_EQ(rate->unit(), Rate::Unit::packets);
    for (const char* word : {"0", "9001", "1x", "", "0.5k", "50%"})
        EXPECT_EQ(take(word), "prog: --option: '" + std::string{word} +
                                  "' is not a rate from 1 kb/s to 9 Tb/s, such as 10G, 1.5Mpps, or a number of Gb/s "
                                  "(see --help)\n");
    zero_is_none = true;
    rate = Rate::packets(1);
    EXPECT_EQ(take("0"), "");
    EXPECT_FALSE(rate);
}
