// SPDX-License-Identifier: Apache-2.0
// The part of ReceiveQueue that receives frames which are known to be for it, one after the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "soft/nic/receive_queue.hpp"
#include "soft/steering/known_frames.hpp"

namespace pktverbs::soft {

/// What may be looked at before the frame is copied.
inline FrameHead head_of(const RxFrame& frame) noexcept {
    return {frame.first_bytes(), frame.length, frame.head ? RxFrame::head_bytes : frame.length};
}

template <class Source>
std::uint32_t ReceiveQueue::receive(Source& source, KnownFrames::Reader known_frames, const Arrival& arrival,
                                    CompletionQueue::Writer& writer) noexcept {
    if (state() != State::ready || offloads_ != Offloads{}) [[unlikely]]
        return 0;
    const std::uint32_t done = done_;
    const std::uint32_t posted = posted_.load(std::memory_order_acquire) - done;
    if (posted == 0) [[unlikely]]
        return 0;
    const CompletionQueue::Places places = writer.places(*completions_);
    const std::uint32_t most = std::min({source.most(), posted, places.count()});
    const std::uint32_t longest = arrival.longest;
    MemoryRegions::Last memory{regions_, domain_, true};
    auto at = source.position();
    Entry* taken = &entry(done);
    std::uint32_t count = 0;
    for (; count != most; ++count) {
        const RxFrame& frame = source.frame(at);
        if (frame.length > longest) [[unlikely]]
            break;
        const KnownFrames::Known* const known = known_frames.recall(head_of(frame));
        if (!known || known->queue != this) [[unlikely]]
            break;
        if (taken->sge_count == 1 && frame.length <= taken->sges()->length) [[likely]] {
            const std::uint64_t to = memory.find(taken->sges()->lkey, taken->sges()->addr, frame.length);
            if (to == 0) [[unlikely]]
                break;
            frame.copy(reinterpret_cast<std::uint8_t*>(to));
        } else if (!scatter(memory, *taken, frame)) {
            break;
        }
        places[count].write(result_of(*taken, frame), source_, done + count + 1);
        if (places.has_details())
            places.details(count) = {frame.timestamp_ns == 0 ? arrival.now : frame.timestamp_ns, known->tag};
        taken = after(taken);
        source.pass(at, frame.length);
    }
    done_ = done + count;
    writer.filled(places, count);
    source.take_until(at);
    return count;
}

}  // namespace pktverbs::soft
