// SPDX-License-Identifier: Apache-2.0
#include "soft/link/frame_faults.hpp"

#include <new>

namespace pktverbs::soft {

bool HeldFrame::keep(const RxFrame& frame) noexcept try {
    bytes_.assign(frame.data, frame.data + frame.length);
    frame_ = frame;
    frame_.data = bytes_.data();
    return held_ = true;
} catch (const std::bad_alloc&) {
    return false;
}

void FrameFaults::set(const LinkFaults& faults) {
    faults_ = faults;
    any_ = any_of(faults);
    generator_.seed(faults.seed);
}

RxFrame FrameFaults::damaged(const RxFrame& frame) noexcept {
    // Drawn in any case: what becomes of later frames doesn't depend on memory.
    const std::uint64_t bit = generator_() % (std::uint64_t{frame.length} * 8);
    try {
        damaged_.assign(frame.data, frame.data + frame.length);
    } catch (const std::bad_alloc&) {
        return frame;
    }
    damaged_[bit / 8] = static_cast<std::uint8_t>(damaged_[bit / 8] ^ (1U << (bit % 8)));
    ++counts_.corrupted;
    RxFrame copy = frame;
    copy.data = damaged_.data();
    copy.checksum_ok = false;  // nobody has looked at it since
    return copy;
}

}  // namespace pktverbs::soft
