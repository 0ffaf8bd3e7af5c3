// SPDX-License-Identifier: Apache-2.0
// Distribution: a histogram of times as text, as values of a record and as a picture.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <pktverbs/counters/histogram.hpp>
#include "base/chart.hpp"
#include "base/record.hpp"

namespace tool {

/// A histogram of nanoseconds under the name that a person reads.
using NamedHistogram = std::pair<std::string, const pktverbs::Histogram*>;

/// A table: a row for min, 50, 90, 99, 99.9, 99.99 %, max and mean, a column for each histogram.
std::string percentile_table(std::span<const NamedHistogram> columns);
/// A bar for each of up to `rows` ranges of time, as long as the line allows. A range with anything in it has some bar.
std::string bars(const pktverbs::Histogram& histogram, unsigned columns, unsigned rows = 12);
/// Sets PREFIX_min_ns, PREFIX_p50_ns, ..., PREFIX_p99_99_ns, PREFIX_max_ns and PREFIX_mean_ns; null if there are no
/// times.
void set_percentiles(Record& record, std::string_view prefix, const pktverbs::Histogram& histogram);
/// Latency over percentiles: how many of a thousand, a million are slower than what.
Chart percentile_chart(std::string title, std::span<const NamedHistogram> lines);

}  // namespace tool
