// SPDX-License-Identifier: Apache-2.0
// Quantity: a number with a unit behind it, as people write it: "1.5GiB", "200ms", "10Gbit/s".
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace pktverbs {

/// digits / 10^decimals, and what stands behind the number.
struct Quantity {
    static constexpr unsigned max_decimals = 18;

    std::uint64_t digits = 0;
    unsigned decimals = 0;
    std::string_view unit{};

    /// Digits, then a point with digits behind it if wanted; also ".5". nullopt without a number, and for one that 64
    /// bits don't hold. No sign, no exponent, no blank, and no zero before other digits, as in parse_decimal().
    /// Decimals for which there is no room are cut off.
    static std::optional<Quantity> parse(std::string_view text) noexcept;

    /// The number times `factor`, rounded to the nearest whole number; nullopt if that has more than 64 bits.
    std::optional<std::uint64_t> times(std::uint64_t factor) const noexcept;
    double times(double factor) const noexcept {
        return static_cast<double>(digits) * factor / static_cast<double>(power_of_ten(decimals));
    }

private:
    static constexpr std::uint64_t power_of_ten(unsigned exponent) noexcept {
        std::uint64_t power = 1;
        for (; exponent > 0; --exponent) power *= 10;
        return power;
    }
};

inline std::optional<Quantity> Quantity::parse(std::string_view text) noexcept {
    constexpr auto max = std::numeric_limits<std::uint64_t>::max();
    Quantity quantity;
    bool has_room = true;
    /// From `at` on; returns how many there are.
    const auto read_digits = [&](std::size_t at, bool after_point) {
        const std::size_t begin = at;
        for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
            const auto digit = static_cast<std::uint64_t>(text[at] - '0');
            has_room = has_room && quantity.digits <= (max - digit) / 10 &&
                       !(after_point && quantity.decimals == max_decimals);
            if (!has_room) continue;
            quantity.digits = quantity.digits * 10 + digit;
            if (after_point) ++quantity.decimals;
        }
        return at - begin;
    };

    std::size_t end = read_digits(0, false);
    if (!has_room || (end > 1 && text.front() == '0')) return std::nullopt;
    if (end < text.size() && text[end] == '.') {
        const std::size_t decimals = read_digits(end + 1, true);
        if (decimals == 0) return std::nullopt;
        end += 1 + decimals;
    }
    if (end == 0) return std::nullopt;
    quantity.unit = text.substr(end);
    return quantity;
}

inline std::optional<std::uint64_t> Quantity::times(std::uint64_t factor) const noexcept {
    __extension__ using Wide = unsigned __int128;
    const std::uint64_t divisor = power_of_ten(decimals);
    const Wide result = (static_cast<Wide>(digits) * factor + divisor / 2) / divisor;
    if (result > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
    return static_cast<std::uint64_t>(result);
}

/// 1 for k, 2 for M, 3 for G, 4 for T, in upper or lower case; 0 for what is no prefix.
inline unsigned power_of_prefix(char prefix) noexcept {
    constexpr std::string_view prefixes = "kKmMgGtT";
    const auto place = prefixes.find(prefix);
    return place == prefixes.npos ? 0 : static_cast<unsigned>(place / 2 + 1);
}

}  // namespace pktverbs
