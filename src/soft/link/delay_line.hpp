// SPDX-License-Identifier: Apache-2.0
// DelayLine: copies of frames that wait, each until it is due.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "soft/link/alarm.hpp"
#include "soft/link/link.hpp"

namespace pktverbs::soft {

/// Frames leave in the order in which they are due, or in which they came if they are due at the same time. Times are
/// of CLOCK_MONOTONIC, in nanoseconds. Not thread-safe.
class DelayLine {
public:
    bool empty() const noexcept { return heap_.empty(); }
    std::size_t size() const noexcept { return heap_.size(); }
    /// Alarm::never if no frame waits.
    std::uint64_t next_due() const noexcept { return empty() ? Alarm::never : heap_.front().due; }

    /// False if there is no memory for a copy.
    bool put(const RxFrame& frame, std::uint64_t due) noexcept;
    /// Hands all frames that are due to `deliver(const RxFrame&)`.
    template <class Deliver>
    void release(std::uint64_t now, Deliver&& deliver) {
        while (next_due() <= now && !empty()) {
            std::ranges::pop_heap(heap_, later);
            const std::uint32_t slot = heap_.back().slot;
            heap_.pop_back();
            deliver(slots_[slot].frame);
            free_.push_back(slot);
        }
    }
    void clear() noexcept {
        for (const Entry& entry : heap_) free_.push_back(entry.slot);
        heap_.clear();
    }

private:
    struct Entry {
        std::uint64_t due;
        std::uint64_t order;
        std::uint32_t slot;
    };
    struct Slot {
        RxFrame frame{};
        std::vector<std::uint8_t> bytes;
    };

    static bool later(const Entry& one, const Entry& other) noexcept {
        return one.due != other.due ? one.due > other.due : one.order > other.order;
    }
    std::uint32_t free_slot();

    std::vector<Entry> heap_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_;  ///< has room for all of slots_
    std::uint64_t next_order_ = 0;
};

}  // namespace pktverbs::soft
