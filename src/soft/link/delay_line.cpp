// SPDX-License-Identifier: Apache-2.0
#include "soft/link/delay_line.hpp"

#include <new>

namespace pktverbs::soft {

std::uint32_t DelayLine::free_slot() {
    if (free_.empty()) {
        // What may fail comes first: giving a slot back must not.
        if (free_.capacity() == slots_.size()) free_.reserve(2 * slots_.size() + 16);
        slots_.emplace_back();
        free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
    }
    return free_.back();
}

bool DelayLine::put(const RxFrame& frame, std::uint64_t due) noexcept try {
    const std::uint32_t number = free_slot();
    Slot& slot = slots_[number];
    slot.bytes.assign(frame.data, frame.data + frame.length);
    slot.frame = frame;
    slot.frame.data = slot.bytes.data();
    slot.frame.head = nullptr;
    heap_.push_back({due, next_order_++, number});
    free_.pop_back();
    std::ranges::push_heap(heap_, later);
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

}  // namespace pktverbs::soft
