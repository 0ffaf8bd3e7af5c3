// SPDX-License-Identifier: Apache-2.0
// Chart and HeatMap: pictures as SVG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tool {

/// One axis of a picture. Its ticks have the unit that fits them, as quantity.hpp writes it.
struct Axis {
    enum class Unit : std::uint8_t { number, nanoseconds, bits_per_second, packets_per_second, bytes, percent };

    std::string label = {};
    Unit unit = Unit::number;
    bool is_logarithmic = false;  ///< values of 0 and less are left out
};

/// Lines or bars over x. A value.
struct Chart {
    struct Series {
        std::string name;  ///< in the legend, which a chart of one series doesn't have
        std::vector<std::pair<double, double>> points;
        bool is_bars = false;  ///< from each point to the next one's x; the last is as wide as the one before it
    };

    std::string title = {};
    Axis x = {}, y = {};
    std::vector<Series> series = {};

    /// A whole SVG file, light or dark as the reader's browser is. An empty chart says so.
    std::string to_svg() const;
};

/// Cells over two axes, the darker the more. A value.
struct HeatMap {
    std::string title = {};
    Axis x = {}, y = {};  ///< linear
    double min_x = 0, max_x = 1, min_y = 0, max_y = 1;
    std::size_t columns = 0, rows = 0;
    std::vector<double> cells = {};  ///< row by row from the lowest y; 0: nothing

    std::string to_svg() const;
};

}  // namespace tool
