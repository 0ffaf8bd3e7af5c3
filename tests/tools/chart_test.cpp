// SPDX-License-Identifier: Apache-2.0
#include "base/chart.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace tool {
namespace {

std::size_t count(const std::string& text, const std::string& word) {
    std::size_t found = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
    return found;
}

TEST(ToolChart, HasEverySeriesAndEscapesItsNames) {
    Chart chart{
        .title = "a < b & c", .x = {.label = "time"}, .y = {.label = "rate", .unit = Axis::Unit::bits_per_second}};
    chart.series = {{"first", {{0, 1e9}, {1, 2e9}}}, {"second", {{0, 5e8}, {1, 1e9}}, true}};
    const auto svg = chart.to_svg();
    EXPECT_NE(svg.find("a &lt; b &amp; c"), std::string::npos);
    EXPECT_NE(svg.find(">first<"), std::string::npos) << svg;
    EXPECT_NE(svg.find("2 Gb/s"), std::string::npos);
    EXPECT_EQ(count(svg, "<circle"), 2u);
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

TEST(ToolChart, LeavesOutWhatHasNoPlace) {
    Chart chart{.title = "t", .x = {.label = "x", .is_logarithmic = true}, .y = {.label = "y", .is_logarithmic = true}};
    chart.series = {{"", {{0, 1}, {10, 0}, {10, 5}, {100, std::numeric_limits<double>::infinity()}, {1000, 50}}}};
    const auto svg = chart.to_svg();
    EXPECT_EQ(count(svg, "<circle"), 2u);
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(ToolChart, SaysThatItIsEmpty) {
    EXPECT_NE((Chart{.title = "t", .x = {}, .y = {}, .series = {}}.to_svg().find("nothing was measured")),
              std::string::npos);
    EXPECT_NE(HeatMap{}.to_svg().find("nothing was measured"), std::string::npos);
}

TEST(ToolChart, DrawsOnePointAndEqualPoints) {
    for (const double value : {0.0, 5.0}) {
        Chart chart{.title = "t", .x = {}, .y = {}, .series = {{"", {{value, value}, {value, value}}, true}}};
        const auto svg = chart.to_svg();
        EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
    }
}

TEST(ToolHeatMap, DrawsTheCellsThatHoldSomething) {
    HeatMap map{.title = "gaps",
                .x = {},
                .y = {},
                .max_x = 10,
                .max_y = 10,
                .columns = 3,
                .rows = 2,
                .cells = {0, 1, 0, 5, 0, 0}};
    EXPECT_EQ(count(map.to_svg(), "class=\"cell\""), 2u);
}

}  // namespace
}  // namespace tool
