// SPDX-License-Identifier: Apache-2.0
// ring_frames: fills and reads blocks of a ring by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_writer.hpp>

namespace pktverbs::testing {

using namespace std::chrono_literals;

inline constexpr RingGeometry small_ring{.blocks = 4, .block_slots = 8, .header_bytes = 8, .payload_bytes = 64};

/// A packet of 16 bytes: header and payload are `number`.
inline void put(RingWriter& writer, std::uint32_t block, std::uint32_t slot, std::uint64_t number) {
    const RingView& view = writer.view();
    std::memcpy(view.headers(block) + view.geometry().header_stride * slot, &number, sizeof number);
    std::memcpy(view.payloads(block) + view.geometry().payload_stride * slot, &number, sizeof number);
    writer.set_valid(block, slot, {16, 0, 1000 + number});
}

inline std::uint64_t number_of(const RingBlock& block, std::uint32_t slot) {
    std::uint64_t header = 0;
    std::uint64_t payload = 1;
    if (block.header(slot).size() == 8) std::memcpy(&header, block.header(slot).data(), 8);
    if (block.payload(slot).size() == 8) std::memcpy(&payload, block.payload(slot).data(), 8);
    return header == payload ? header : ~std::uint64_t{0};
}

/// Hands over a block with packets `base` to `base + count - 1`; false if none is free.
inline bool hand_over(RingWriter& writer, std::uint64_t base, std::uint32_t count = 8) {
    const auto block = writer.open(base);
    if (!block) return false;
    for (std::uint32_t slot = 0; slot < count; ++slot) put(writer, *block, slot, base + slot);
    writer.hand_over(*block, 0, count, count);
    return true;
}

/// Whether the block has the packets that hand_over() put there.
inline bool is_whole(const RingBlock& block, std::uint64_t base, std::uint32_t count = 8) {
    bool whole = block && block.base() == base && block.end_slot() == count && block.valid_count() == count;
    for (std::uint32_t slot = 0; whole && slot < count; ++slot)
        whole = block.valid(slot) && number_of(block, slot) == base + slot;
    return whole;
}

/// The name of a ring in /dev/shm that is removed after the test.
class RingName {
public:
    explicit RingName(const std::string& what) : name_{"/pktverbs-test-" + what + "-" + std::to_string(getpid())} {
        BlockRing::remove(name_);
    }
    RingName(const RingName&) = delete;
    RingName& operator=(const RingName&) = delete;
    ~RingName() { BlockRing::remove(name_); }
    operator const std::string&() const { return name_; }  // NOLINT

private:
    std::string name_;
};

}  // namespace pktverbs::testing
