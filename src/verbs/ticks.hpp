// SPDX-License-Identifier: Apache-2.0
// ticks: converts a device clock's ticks to the library's nanoseconds.
#pragma once

#include <cstdint>
#include <limits>

namespace pktverbs {

__extension__ using Wide = unsigned __int128;  // ticks * 10^6 passes 64 bits within hours

inline std::uint64_t to_nanoseconds(std::uint64_t ticks, std::uint64_t khz) noexcept {
    if (khz == 1'000'000) return ticks;
    return static_cast<std::uint64_t>(Wide{ticks} * 1'000'000U / khz);
}

/// The nanoseconds after which a clock that counts up to `mask` wraps; 0 if that does not fit a timestamp, some 290
/// years.
inline std::int64_t wrap_nanoseconds(std::uint64_t mask, std::uint64_t khz) noexcept {
    const Wide wrap = (Wide{mask} + 1) * 1'000'000U / khz;
    return wrap > Wide{std::numeric_limits<std::int64_t>::max()} ? 0 : static_cast<std::int64_t>(wrap);
}

}  // namespace pktverbs
