// SPDX-License-Identifier: Apache-2.0
#include "gap_map.hpp"

#include <algorithm>

#include "base/chart.hpp"

namespace tool {

namespace {

constexpr std::size_t max_gaps = 1'000'000;
constexpr std::size_t max_search = 4096;
constexpr std::size_t columns = 120, rows = 60;

}  // namespace

void GapMap::add(std::uint64_t time_ns, std::uint64_t first, std::uint64_t count) {
    if (gaps_.size() < max_gaps) {
        gaps_.push_back({time_ns, first, first + count - 1, count});
        return;
    }
    gaps_.back().first = std::min(gaps_.back().first, first);
    gaps_.back().last = std::max(gaps_.back().last, first + count - 1);
    gaps_.back().missing += count;
}

void GapMap::fill(std::uint64_t number) noexcept {
    const auto end = gaps_.size() - std::min(gaps_.size(), max_search);
    for (auto i = gaps_.size(); i > end; --i) {
        auto& gap = gaps_[i - 1];
        if (number < gap.first || number > gap.last || gap.missing == 0) continue;
        --gap.missing;
        return;
    }
}

std::string GapMap::to_svg(const std::vector<const GapMap*>& maps, std::uint64_t end_ns, std::uint64_t first,
                           std::uint64_t last) {
    HeatMap map{.title = "Missing packets",
                .x = {.label = "time since the first packet", .unit = Axis::Unit::nanoseconds},
                .y = {.label = "sequence number"},
                .min_x = 0,
                .max_x = static_cast<double>(std::max<std::uint64_t>(end_ns, 1)),
                .min_y = static_cast<double>(first),
                .max_y = static_cast<double>(std::max(last, first + 1)),
                .columns = columns,
                .rows = rows,
                .cells = std::vector<double>(columns * rows)};
    const double height = (map.max_y - map.min_y) / rows;
    const auto row_of = [&](std::uint64_t number) {
        const double row = (static_cast<double>(number) - map.min_y) / height;
        return static_cast<std::size_t>(std::clamp(row, 0.0, rows - 1.0));
    };
    for (const auto* flow : maps)
        for (const auto& gap : flow->gaps()) {
            if (gap.missing == 0) continue;
            const double across = static_cast<double>(gap.time_ns) / map.max_x * columns;
            const auto column = static_cast<std::size_t>(std::clamp(across, 0.0, columns - 1.0));
            // A gap that is higher than a row is spread over its rows.
            const auto low = row_of(gap.first), high = row_of(gap.last);
            const double each = static_cast<double>(gap.missing) / static_cast<double>(high - low + 1);
            for (auto row = low; row <= high; ++row) map.cells[row * columns + column] += each;
        }
    return map.to_svg();
}

}  // namespace tool
