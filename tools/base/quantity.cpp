// SPDX-License-Identifier: Apache-2.0
#include "quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

namespace tool {

namespace {

/// Three digits; whole numbers below 1000 as they are.
std::string three_digits(double number) {
    const double size = std::abs(number);
    if (size >= 99.95 || number == std::floor(number)) return fmt::format("{:.0f}", number);
    return size >= 9.995 ? fmt::format("{:.1f}", number) : fmt::format("{:.2f}", number);
}

std::string with_unit(double number, double step, std::span<const std::string_view> units) {
    if (!std::isfinite(number)) return "?";
    std::size_t unit = 0;
    // 999.6 would be read as 1000 of the smaller unit.
    while (unit + 1 < units.size() && std::abs(number) >= step - 0.5) {
        number /= step;
        ++unit;
    }
    // From the second unit on, three digits always: a column of 2 G and 2.13 G is hard to read.
    const bool is_whole = unit == 0 || std::abs(number) >= 99.95;
    const auto text = is_whole ? three_digits(unit == 0 && number >= 10 ? std::round(number) : number)
                               : fmt::format("{:.{}f}", number, std::abs(number) >= 9.995 ? 1 : 2);
    return fmt::format("{} {}", text, units[unit]);
}

}  // namespace

std::string bits_per_second(double rate) {
    static constexpr std::string_view units[] = {"b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s"};
    return with_unit(rate, 1000, units);
}

std::string packets_per_second(double rate) {
    static constexpr std::string_view units[] = {"pps", "kpps", "Mpps", "Gpps"};
    return with_unit(rate, 1000, units);
}

std::string count(std::uint64_t number) { return fmt::format("{}", number); }

std::string bytes(double size) {
    static constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    return with_unit(size, 1024, units);
}

std::string time(double nanoseconds) {
    static constexpr std::string_view units[] = {"ns", "us", "ms", "s"};
    return with_unit(nanoseconds, 1000, units);
}

std::string percent(double part, double whole) {
    if (part <= 0 || whole <= 0) return "0 %";
    if (part >= whole) return "100 %";
    const double share = 100 * part / whole;
    if (share > 99.9) return fmt::format("{:.6g} %", std::min(share, 99.9999));
    return fmt::format("{:.3g} %", std::max(share, 1e-6));
}

}  // namespace tool
