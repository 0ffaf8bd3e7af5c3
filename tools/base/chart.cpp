// SPDX-License-Identifier: Apache-2.0
#include "chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <string_view>

namespace tool {

namespace {

constexpr double width = 760, height = 420;
constexpr double left = 90, right = 40, top = 50, bottom = 60;

// Okabe and Ito's colours, which people who see fewer colours tell apart.
constexpr std::array<std::string_view, 6> colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string escaped(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        if (c == '&')
            safe += "&amp;";
        else if (c == '<')
            safe += "&lt;";
        else if (c == '>')
            safe += "&gt;";
        else if (static_cast<unsigned char>(c) >= 0x20)
            safe += c;
    }
    return safe;
}

/// With as few digits as it needs: ticks are round numbers.
std::string tick_text(Axis::Unit unit, double value) {
    static constexpr std::array<std::string_view, 5> bits{"b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"};
    static constexpr std::array<std::string_view, 5> packets{"pps", "kpps", "Mpps", "Gpps", "Tpps"};
    static constexpr std::array<std::string_view, 5> times{"ns", "us", "ms", "s", "ks"};
    static constexpr std::array<std::string_view, 5> sizes{"B", "kB", "MB", "GB", "TB"};
    static constexpr std::array<std::string_view, 5> numbers{"", "k", "M", "G", "T"};
    if (unit == Axis::Unit::percent) return fmt::format("{:g} %", value);
    const auto& units = unit == Axis::Unit::bits_per_second      ? bits
                        : unit == Axis::Unit::packets_per_second ? packets
                        : unit == Axis::Unit::nanoseconds        ? times
                        : unit == Axis::Unit::bytes              ? sizes
                                                                 : numbers;
    // Four digits are read as well without a prefix, where they count things.
    const bool counts = unit == Axis::Unit::bytes || unit == Axis::Unit::number;
    std::size_t prefix = 0;
    while (std::abs(value) >= (counts && prefix == 0 ? 10'000 : 999.5) && prefix + 1 < units.size())
        value /= 1000, ++prefix;
    return fmt::format("{:.4g}{}{}", value, units[prefix].empty() ? "" : " ", units[prefix]);
}

/// Where values of one axis lie on the picture.
class Scale {
public:
    Scale(const Axis& axis, double min, double max, double begin, double end) : axis_{axis}, begin_{begin}, end_{end} {
        min_ = at(min);
        max_ = at(max);
        if (axis_.is_logarithmic) {
            const double low = std::floor(min_), high = std::max(std::ceil(max_), low + 1);
            is_short_ = high - low <= max_short;
            min_ = is_short_ ? round_one_two_five(min_, -1) : low;
            max_ = is_short_ ? round_one_two_five(std::max(max_, min_ + 0.1), 1) : high;
        } else {
            step_ = step(max_ - min_);
            if (!(max_ > min_)) max_ = min_ + step_;
            max_ = std::ceil(max_ / step_ - 1e-9) * step_;
            min_ = std::floor(min_ / step_ + 1e-9) * step_;
        }
    }
    bool has(double value) const { return std::isfinite(value) && (!axis_.is_logarithmic || value > 0); }
    double operator()(double value) const { return begin_ + (at(value) - min_) / (max_ - min_) * (end_ - begin_); }
    double floor() const { return begin_; }

    std::vector<double> ticks() const {
        std::vector<double> all;
        if (is_short_) {
            for (double decade = std::floor(min_); decade <= max_ + 1e-9; ++decade)
                for (const double factor : {1.0, 2.0, 5.0})
                    if (const double at = decade + std::log10(factor); at > min_ - 1e-9 && at < max_ + 1e-9)
                        all.push_back(std::pow(10, decade) * factor);
        } else if (axis_.is_logarithmic) {
            const double stride = std::max(1.0, std::ceil((max_ - min_) / 8));
            for (double power = min_; power <= max_ + 1e-9; power += stride) all.push_back(std::pow(10, power));
        } else {
            for (double value = min_; value <= max_ + step_ / 2; value += step_)
                all.push_back(std::abs(value) < step_ * 1e-6 ? 0 : value);
        }
        return all;
    }

private:
    double at(double value) const { return axis_.is_logarithmic ? std::log10(value) : value; }
    /// The logarithm of 1, 2 or 5 of a power of ten, up or down from that of a value.
    static double round_one_two_five(double logarithm, int direction) {
        const double decade = std::floor(logarithm + 1e-9);
        double rounded = direction > 0 ? decade + 1 : decade;
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double at = decade + std::log10(factor);
            if (direction > 0 ? at > logarithm - 1e-9 : at < logarithm + 1e-9)
                rounded = direction > 0 ? std::min(rounded, at) : std::max(rounded, at);
        }
        return rounded;
    }
    /// 1, 2 or 5 of a power of ten, so that there are five to ten ticks.
    static double step(double range) {
        if (!(range > 0)) return 1;
        const double power = std::pow(10, std::floor(std::log10(range / 5)));
        for (const double factor : {1.0, 2.0, 5.0})
            if (range / (power * factor) <= 8) return power * factor;
        return power * 10;
    }

    const Axis& axis_;
    double begin_, end_, min_ = 0, max_ = 0, step_ = 1;
    bool is_short_ = false;  ///< logarithmic, and so short that it has ticks between powers of ten
    static constexpr double max_short = 3;
};

class Picture {
public:
    explicit Picture(std::string_view title) {
        svg_ += fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
            "height=\"{1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
            "<style>.paper{{fill:#fff}}text{{fill:#222}}.axis{{stroke:#222}}.grid{{stroke:#ddd}}"
            ".cell{{fill:#0072b2}}@media(prefers-color-scheme:dark){{.paper{{fill:#16181d}}"
            "text{{fill:#ddd}}.axis{{stroke:#ddd}}.grid{{stroke:#333}}.cell{{fill:#56b4e9}}}}</style>\n"
            "<rect class=\"paper\" width=\"{0}\" height=\"{1}\"/>\n"
            "<text x=\"{2}\" y=\"26\" font-size=\"16\">{3}</text>\n",
            width, height, left, escaped(title));
    }

    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        svg_ += fmt::format(format, std::forward<Arguments>(arguments)...);
        svg_ += '\n';
    }
    void axes(const Axis& x_axis, const Scale& x, const Axis& y_axis, const Scale& y) {
        for (const double tick : x.ticks()) {
            add("<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\"/>"
                "<text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">{4}</text>",
                x(tick), top, height - bottom, height - bottom + 18, tick_text(x_axis.unit, tick));
        }
        for (const double tick : y.ticks()) {
            add("<line class=\"grid\" x1=\"{1}\" y1=\"{0:.1f}\" x2=\"{2}\" y2=\"{0:.1f}\"/>"
                "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>",
                y(tick), left, width - right, left - 8, y(tick) + 4, tick_text(y_axis.unit, tick));
        }
        add("<path class=\"axis\" fill=\"none\" d=\"M{0} {1}V{2}H{3}\"/>", left, top, height - bottom, width - right);
        add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>", (left + width - right) / 2, height - 14,
            escaped(x_axis.label));
        add("<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (top + height - bottom) / 2, escaped(y_axis.label));
    }
    void say_empty() {
        add("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">nothing was measured</text>", width / 2, height / 2);
    }
    std::string take() { return std::move(svg_) + "</svg>\n"; }

private:
    std::string svg_;
};

struct Range {
    double min = std::numeric_limits<double>::infinity(), max = -min;
    void add(double value) {
        min = std::min(min, value);
        max = std::max(max, value);
    }
};

void draw_bars(Picture& picture, const Chart::Series& series, const Scale& x, const Scale& y, std::string_view colour) {
    const auto& points = series.points;
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (!x.has(points[i].first) || !y.has(points[i].second)) continue;
        const double begin = x(points[i].first);
        const double end = i + 1 < points.size()                 ? x(points[i + 1].first)
                           : i > 0 && x.has(points[i - 1].first) ? 2 * begin - x(points[i - 1].first)
                                                                 : begin + 4;
        const double at = y(points[i].second);
        picture.add("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>", begin, at,
                    std::max(std::min(end, width - right) - begin - 0.5, 0.5), std::max(y.floor() - at, 0.0), colour);
    }
}

void draw_line(Picture& picture, const Chart::Series& series, const Scale& x, const Scale& y, std::string_view colour) {
    std::string path, marks;
    for (const auto& [at_x, at_y] : series.points) {
        if (!x.has(at_x) || !y.has(at_y)) continue;
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(at_x), y(at_y));
        if (series.points.size() <= 60)
            marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>", x(at_x), y(at_y), colour);
    }
    picture.add("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>{}", path, colour, marks);
}

}  // namespace

std::string Chart::to_svg() const {
    Picture picture{title};
    Range range_x, range_y;
    for (const auto& one : series)
        for (const auto& [at_x, at_y] : one.points) {
            if (!std::isfinite(at_x) || (x.is_logarithmic && at_x <= 0)) continue;
            if (!std::isfinite(at_y) || (y.is_logarithmic && at_y <= 0)) continue;
            range_x.add(at_x);
            range_y.add(at_y);
        }
    if (range_x.min > range_x.max) {
        picture.say_empty();
        return picture.take();
    }
    // Heights are compared by eye from zero.
    if (!y.is_logarithmic) range_y.add(0);
    const Scale at_x{x, range_x.min, range_x.max, left, width - right};
    const Scale at_y{y, range_y.min, range_y.max, height - bottom, top};
    picture.axes(x, at_x, y, at_y);
    std::string legend;
    for (std::size_t i = 0; i < series.size(); ++i) {
        const auto colour = colours[i % colours.size()];
        if (series[i].is_bars)
            draw_bars(picture, series[i], at_x, at_y, colour);
        else
            draw_line(picture, series[i], at_x, at_y, colour);
        if (series.size() > 1)
            legend += fmt::format("<tspan dx=\"14\" fill=\"{}\">\u25a0</tspan><tspan dx=\"5\">{}</tspan>", colour,
                                  escaped(series[i].name));
    }
    picture.add("<text x=\"{}\" y=\"44\" text-anchor=\"end\">{}</text>", width - right, legend);
    return picture.take();
}

std::string HeatMap::to_svg() const {
    Picture picture{title};
    const double most = cells.empty() ? 0 : *std::ranges::max_element(cells);
    if (columns == 0 || rows == 0 || cells.size() != columns * rows) {
        picture.say_empty();
        return picture.take();
    }
    const Scale at_x{x, min_x, max_x, left, width - right};
    const Scale at_y{y, min_y, max_y, height - bottom, top};
    picture.axes(x, at_x, y, at_y);
    const double wide = (max_x - min_x) / static_cast<double>(columns),
                 high = (max_y - min_y) / static_cast<double>(rows);
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t column = 0; column < columns; ++column) {
            const double cell = cells[row * columns + column];
            if (!(cell > 0)) continue;
            const double begin = at_x(min_x + wide * static_cast<double>(column));
            const double end = at_x(min_x + wide * static_cast<double>(column + 1));
            const double low = at_y(min_y + high * static_cast<double>(row));
            const double top_of = at_y(min_y + high * static_cast<double>(row + 1));
            // A cell with little in it must still be seen.
            picture.add(
                "<rect class=\"cell\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                "opacity=\"{:.2f}\"/>",
                begin, top_of, std::max(end - begin, 1.0), std::max(low - top_of, 1.0),
                0.3 + 0.7 * std::log1p(cell) / std::log1p(most));
        }
    return picture.take();
}

}  // namespace tool
