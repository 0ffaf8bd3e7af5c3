// SPDX-License-Identifier: Apache-2.0
// ring_states: looking for blocks by what is going on with them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs {

struct RingPlace {
    std::uint64_t position;
    std::uint32_t index;
};

/// Whether a block of that index can have this state: the other side may have written anything.
inline bool is_possible(const RingGeometry& geometry, std::uint32_t index, std::uint64_t word) noexcept {
    const std::uint64_t position = RingState::position(word);
    return position >= geometry.blocks && position % geometry.blocks == index;
}

/// The first block of a kind. Looks at all states: a few cache lines.
inline std::optional<RingPlace> oldest_of(const RingView& view, RingState::Kind kind) noexcept {
    std::optional<RingPlace> oldest;
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i) {
        const std::uint64_t word = view.state(i).load(std::memory_order_acquire);
        if (RingState::kind(word) != kind || !is_possible(view.geometry(), i, word)) continue;
        if (!oldest || RingState::position(word) < oldest->position) oldest = RingPlace{RingState::position(word), i};
    }
    return oldest;
}

/// The position behind all that there were.
inline std::uint64_t next_position(const RingView& view) noexcept {
    std::uint64_t next = view.geometry().blocks;
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i) {
        const std::uint64_t word = view.state(i).load(std::memory_order_acquire);
        if (is_possible(view.geometry(), i, word)) next = std::max(next, RingState::position(word) + 1);
    }
    return next;
}

/// Of the next block that is handed over. A producer that died may not have counted its last one: a block keeps its
/// number until it is handed over again, and the count is written in between.
inline std::uint64_t next_number(const RingView& view) noexcept {
    std::uint64_t number = view.header().producer.blocks.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < view.geometry().blocks; ++i) {
        const std::uint64_t word = view.state(i).load(std::memory_order_acquire);
        if (RingState::kind(word) != RingState::filling && is_possible(view.geometry(), i, word))
            number = std::max(number, view.block_header(i).number + 1);
    }
    return number;
}

}  // namespace pktverbs
