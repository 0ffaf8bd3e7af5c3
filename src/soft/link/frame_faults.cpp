// SPDX-License-Identifier: Apache-2.0
#include "soft/link/frame_faults.hpp"

namespace pktverbs::soft {

void FrameFaults::set(const LinkFaults& faults) {
    faults_ = faults;
    any_ = any_of(faults);
    generator_.seed(faults.seed);
}

RxFrame FrameFaults::damaged(const RxFrame& frame) {
    damaged_.assign(frame.data, frame.data + frame.length);
    const std::uint64_t bit = generator_() % (damaged_.size() * 8);
    damaged_[bit / 8] = static_cast<std::uint8_t>(damaged_[bit / 8] ^ (1U << (bit % 8)));
    ++counts_.corrupted;
    RxFrame copy = frame;
    copy.data = damaged_.data();
    copy.checksum_ok = false;  // nobody has looked at it since
    return copy;
}

}  // namespace pktverbs::soft
