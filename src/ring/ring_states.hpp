// SPDX-License-Identifier: Apache-2.0
// ring_states: finds blocks by their state.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs {

struct RingPlace {
    std::uint64_t number;
    std::uint32_t index;
};

/// The first block of a kind for which `counts(index)` holds. Reads all states: a few cache lines.
template <class Counts>
std::optional<RingPlace> oldest_of(const RingView& view, RingState::Kind kind, Counts&& counts) noexcept {
    std::optional<RingPlace> oldest;
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i) {
        const std::uint64_t word = view.state(i).load(std::memory_order_acquire);
        if (RingState::kind(word) == kind && (!oldest || RingState::number(word) < oldest->number) && counts(i))
            oldest = RingPlace{RingState::number(word), i};
    }
    return oldest;
}
inline std::optional<RingPlace> oldest_of(const RingView& view, RingState::Kind kind) noexcept {
    return oldest_of(view, kind, [](std::uint32_t) { return true; });
}

/// The number of the next block handed over. A producer that died may not have counted its last block, but that block
/// still has its number.
inline std::uint64_t next_number(const RingView& view) noexcept {
    std::uint64_t number = view.header().producer.blocks.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i) {
        const std::uint64_t word = view.state(i).load(std::memory_order_acquire);
        const RingState::Kind kind = RingState::kind(word);
        if (kind != RingState::filling)
            number = std::max(number, RingState::number(word) + (kind == RingState::free ? 0 : 1));
    }
    return number;
}

}  // namespace pktverbs
