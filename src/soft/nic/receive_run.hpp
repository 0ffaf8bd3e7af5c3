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
    const std::uint32_t first = done_;
    const std::uint32_t posted = posted_.load(std::memory_order_acquire) - first;
    if (posted == 0) [[unlikely]]
        return 0;
    const CompletionQueue::Places places = writer.places(*completions_);
    // Up to the end of the one or the other ring, at most: the caller goes on from its beginning.
    const std::uint32_t until_end = depth_ - (first & (depth_ - 1));
    const std::uint32_t end = first + std::min({source.left(), posted, until_end, places.count()});
    const std::uint32_t longest = arrival.longest;
    const std::size_t stride = stride_;
    MemoryRegions::Last memory{regions_, domain_, true};
    auto at = source.position();
    Entry* taken = &entry(first);
    Completion* completion = places.completions();
    CompletionDetails* details = places.details();
    std::uint32_t done = first;
    while (done != end) {
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
        completion->write(result_of(*taken, frame), source_, ++done);
        ++completion;
        if (details) *details++ = {frame.timestamp_ns == 0 ? arrival.now : frame.timestamp_ns, known->tag};
        taken = reinterpret_cast<Entry*>(reinterpret_cast<std::byte*>(taken) + stride);
        source.pass(at, frame.length);
    }
    done_ = done;
    writer.filled(done - first);
    source.take_until(at);
    return done - first;
}

}  // namespace pktverbs::soft
