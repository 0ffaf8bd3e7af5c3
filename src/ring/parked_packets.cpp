// SPDX-License-Identifier: Apache-2.0
#include "ring/parked_packets.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace pktverbs {

ParkedPackets::ParkedPackets(const RingGeometry& geometry, std::uint32_t packets)
    : slots_{geometry.block_slots},
      header_bytes_{geometry.header_bytes},
      places_(std::size_t{geometry.blocks} * geometry.block_slots),
      packets_(packets) {
    free_.reserve(packets);
    for (std::uint32_t i = packets; i-- > 0;) free_.push_back(i);
    spares_.reserve(packets);
}

void ParkedPackets::add(const RingSlotIndex& at, const RingSlot& info, const std::uint8_t* header,
                        const std::uint8_t* payload) noexcept {
    assert(!free_.empty() && !spares_.empty() && place(at) == 0);
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Parked& parked = packets_[index];
    parked.buffers = take_spare();
    parked.info = info;
    const std::uint32_t header_bytes = std::min(info.length, header_bytes_);
    if (header_bytes_ != 0) std::memcpy(reinterpret_cast<void*>(parked.buffers[0].addr), header, header_bytes);
    if (info.length != header_bytes)
        std::memcpy(reinterpret_cast<void*>(parked.buffers[1].addr), payload, info.length - header_bytes);
    place(at) = index + 1;
    ++count_;
}

ParkedPackets::Parked ParkedPackets::take(const RingSlotIndex& at) noexcept {
    const std::uint32_t index = std::exchange(place(at), 0) - 1;
    --count_;
    free_.push_back(index);
    put_spare(packets_[index].buffers);
    return packets_[index];
}

}  // namespace pktverbs
