// SPDX-License-Identifier: Apache-2.0
// A ring whose memory the other process overwrites, before attaching and while it is read: the ring is refused, or
// reads stay inside.
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_writer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <span>
#include <system_error>
#include <vector>

namespace {

using namespace pktverbs;

constexpr RingGeometry geometry{.blocks = 4, .block_slots = 8, .header_bytes = 16, .payload_bytes = 48};

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

/// Where to write what: two bytes, up to eight bytes, their number by a byte before them.
class Patches {
public:
    explicit Patches(std::span<const std::uint8_t> input) : left_{input} {}
    /// Applies `most` of them.
    void apply(std::span<std::uint8_t> memory, std::size_t most) {
        for (; most > 0 && left_.size() >= 4; --most) {
            const std::size_t at = (left_[0] + std::size_t{256} * left_[1]) % memory.size();
            const std::size_t bytes = std::min<std::size_t>({1U + left_[2] % 8, left_.size() - 3, memory.size() - at});
            std::memcpy(memory.data() + at, left_.data() + 3, bytes);
            left_ = left_.subspan(3 + bytes);
        }
    }

private:
    std::span<const std::uint8_t> left_;
};

std::uint64_t sum(std::span<const std::uint8_t> bytes) { return std::accumulate(bytes.begin(), bytes.end(), 0ULL); }

/// Everything that a consumer may read from a block.
std::uint64_t read(const RingBlock& block) {
    expect(block.first_slot() <= block.end_slot() && block.end_slot() <= block.slot_count(), "slots are inside");
    expect(block.valid_count() <= block.end_slot() - block.first_slot(), "no more are valid than there are");
    std::uint64_t all = sum(block.payloads()) + sum(block.headers()) + block.bitmap().size() + block.base();
    for (std::uint32_t slot = 0; slot < block.slot_count(); ++slot) {
        const RingGeometry& own = block.layout().geometry;  // the overwritten values may make sense, too
        expect(block.length(slot) <= own.header_bytes + own.payload_bytes, "a frame is not longer than a slot");
        all += block.valid(slot) ? 1U : 0U;
        all += static_cast<std::uint64_t>(block.status(slot)) + sum(block.header(slot)) + sum(block.payload(slot));
        all += static_cast<std::uint64_t>(block.timestamp(slot).count());
    }
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    Patches patches{{data + 1, size - 1}};
    const BlockRing made{geometry};
    RingWriter writer{made};
    for (std::uint32_t n = 0; n < 3; ++n) {
        const auto block = writer.open(n * geometry.block_slots);
        for (std::uint32_t slot = 0; slot < geometry.block_slots; ++slot)
            if (n != 1 || slot % 3 != 0)
                writer.set_valid(*block, slot, {.length = 64, .status = 0, .timestamp_ns = slot});
        writer.hand_over(*block, 0, geometry.block_slots, n != 1 ? 8 : 5);
    }
    patches.apply(made.memory(), data[0] & 7);
    volatile std::uint64_t seen = 0;
    try {
        const BlockRing attached = BlockRing::attach(made.fd());
        expect(attached.memory().size() == made.memory().size(), "all of it is mapped");
        RingReader reader{attached};
        std::vector<RingBlock> held;
        for (int turn = 0; turn < 8; ++turn) {
            RingBlock block = reader.next(std::chrono::nanoseconds::zero());
            patches.apply(made.memory(), data[0] >> 3 & 3);
            if (!block) continue;
            seen = seen + read(block);
            if ((data[0] >> 5 & 1) != 0) held.push_back(std::move(block));
        }
    } catch (const std::system_error& refused) {
        expect(refused.code().value() == EPROTO || refused.code().value() == EBUSY, refused.what());
    }
    return 0;
}
