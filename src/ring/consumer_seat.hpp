// SPDX-License-Identifier: Apache-2.0
// ConsumerSeat: the consumer's side of a ring, and the state of its blocks that only the consumer decides.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "ring/ring_seat.hpp"

namespace pktverbs {

class __attribute__((visibility("hidden"))) ConsumerSeat : public RingSeat {
public:
    explicit ConsumerSeat(std::shared_ptr<const RingMapping> mapping)
        : RingSeat{std::move(mapping), Side::consumer},
          words_{(view().geometry().block_slots + 63) / 64},
          held_{std::make_unique<std::atomic<bool>[]>(view().geometry().blocks)},
          bitmaps_{std::make_unique_for_overwrite<std::uint64_t[]>(std::size_t{view().geometry().blocks} * words_)} {}

    /// A block that was taken and has not ended, whatever its state in the ring says.
    bool is_held(std::uint32_t index) const noexcept { return held_[index].load(std::memory_order_acquire); }
    void hold(std::uint32_t index) noexcept { held_[index].store(true, std::memory_order_relaxed); }
    void let_go(std::uint32_t index) noexcept { held_[index].store(false, std::memory_order_release); }

    const std::uint64_t* bitmap(std::uint32_t index) const noexcept { return &bitmaps_[std::size_t{index} * words_]; }
    /// Copies the validity bits of slots [first, end), and returns how many are valid.
    std::uint32_t copy_bitmap(std::uint32_t index, std::uint32_t first, std::uint32_t end) noexcept {
        std::uint64_t* const copy = &bitmaps_[std::size_t{index} * words_];
        std::uint32_t valid = 0;
        for (std::uint32_t word = 0; word < words_; ++word) {
            const std::uint32_t from = std::clamp(first, word * 64, word * 64 + 64) - word * 64;
            const std::uint32_t to = std::clamp(end, word * 64, word * 64 + 64) - word * 64;
            const std::uint64_t mask = from >= to ? 0 : ~std::uint64_t{0} >> (64 - (to - from)) << from;
            copy[word] = view().bitmap(index)[word].load(std::memory_order_relaxed) & mask;
            // Counting bits is a call where the processor may not have popcnt. Most blocks are complete.
            valid += copy[word] == mask ? to - from : static_cast<std::uint32_t>(std::popcount(copy[word]));
        }
        return valid;
    }

private:
    std::uint32_t words_;  ///< words in a block's bitmap
    std::unique_ptr<std::atomic<bool>[]> held_;
    std::unique_ptr<std::uint64_t[]> bitmaps_;
};

}  // namespace pktverbs
