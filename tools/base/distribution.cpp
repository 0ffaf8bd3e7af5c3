// SPDX-License-Identifier: Apache-2.0
#include "distribution.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/quantity.hpp"

namespace tool {

namespace {

struct Percentile {
    double percent;
    std::string_view text, key;
};
constexpr Percentile percentiles[] = {{0, "min", "min"},   {50, "50 %", "p50"},       {90, "90 %", "p90"},
                                      {99, "99 %", "p99"}, {99.9, "99.9 %", "p99_9"}, {99.99, "99.99 %", "p99_99"},
                                      {100, "max", "max"}};

/// A bar of `share` of `cells` characters, in eighths of one.
std::string bar(double share, unsigned cells) {
    static constexpr std::string_view eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const auto length = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::lround(share * 8 * cells)));
    std::string text;
    for (std::uint64_t i = 0; i < length / 8; ++i) text += "█";
    return text += eighths[length % 8];
}

}  // namespace

std::string percentile_table(std::span<const NamedHistogram> columns) {
    std::string text = fmt::format("{:<9}", "");
    for (const auto& [name, histogram] : columns) text += fmt::format("{:>12}", name);
    const auto row = [&](std::string_view name, auto&& value_of) {
        text += fmt::format("\n{:<9}", name);
        for (const auto& [column, histogram] : columns)
            text += fmt::format("{:>12}", histogram->empty() ? "-" : time(value_of(*histogram)));
    };
    for (const auto& each : percentiles)
        row(each.text, [&](const auto& of) { return static_cast<double>(of.percentile(each.percent)); });
    row("mean", [](const auto& of) { return of.mean(); });
    return text;
}

std::string bars(const pktverbs::Histogram& histogram, unsigned columns, unsigned rows) {
    if (histogram.empty()) return {};
    const double low = std::max(1.0, static_cast<double>(histogram.min()));
    const double high = std::max(low, static_cast<double>(histogram.max()));
    // The same factor from each range to the next; less than the histogram tells apart would show its own buckets.
    const double least_factor = 1 + 4 * pktverbs::Histogram::max_relative_error;
    const double factor = std::max(least_factor, std::pow(high / low, 1.0 / rows));
    std::vector<std::uint64_t> counts(rows, 0);
    for (const auto& bucket : histogram) {
        const double middle = std::max(low, (static_cast<double>(bucket.first) + static_cast<double>(bucket.last)) / 2);
        const auto row = static_cast<std::size_t>(std::log(middle / low) / std::log(factor));
        counts[std::min<std::size_t>(row, rows - 1)] += bucket.count;
    }
    while (counts.size() > 1 && counts.back() == 0) counts.pop_back();
    const auto most = static_cast<double>(*std::ranges::max_element(counts));
    const auto digits = static_cast<int>(count(static_cast<std::uint64_t>(most)).size());
    const unsigned used = 14 + static_cast<unsigned>(digits);
    const unsigned cells = columns > used + 10 ? std::min(columns, 80U) - used : 10;
    std::string text;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (i != 0) text += '\n';
        text += fmt::format("{:>10}  {:>{}}", time(std::floor(low * std::pow(factor, static_cast<double>(i)))),
                            counts[i], digits);
        if (counts[i] != 0) text += " " + bar(static_cast<double>(counts[i]) / most, cells);
    }
    return text;
}

void set_percentiles(Record& record, std::string_view prefix, const pktverbs::Histogram& histogram) {
    constexpr double null = std::numeric_limits<double>::quiet_NaN();
    for (const auto& each : percentiles) {
        const auto key = fmt::format("{}_{}_ns", prefix, each.key);
        if (histogram.empty())
            record.set(key, null);
        else
            record.set(key, histogram.percentile(each.percent));
    }
    record.set(fmt::format("{}_mean_ns", prefix), histogram.empty() ? null : histogram.mean());
}

Chart percentile_chart(std::string title, std::span<const NamedHistogram> lines) {
    Chart chart{.title = std::move(title),
                .x = {.label = "one in so many is slower", .is_logarithmic = true},
                .y = {.label = "latency", .unit = Axis::Unit::nanoseconds, .is_logarithmic = true}};
    for (const auto& [name, histogram] : lines) {
        Chart::Series series{.name = name, .points = {}};
        const auto all = static_cast<double>(histogram->count());
        std::uint64_t below = 0;
        for (const auto& bucket : *histogram) {
            below += bucket.count;
            // The slowest itself is at one in all of them.
            const double slower = std::max(1.0, all - static_cast<double>(below));
            series.points.emplace_back(all / slower, static_cast<double>(std::min(bucket.last, histogram->max())));
        }
        chart.series.push_back(std::move(series));
    }
    return chart;
}

}  // namespace tool
