// SPDX-License-Identifier: Apache-2.0
// RingWriter: the producer of a ring.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/options.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs {

/// Takes free blocks of a ring and hands them over filled. RingReceiver is built on it; use it for packets from
/// elsewhere.
///
/// One thread at a time. If a writer died with half-filled blocks, those are handed over first.
///
/// The writer keeps its own record of open blocks, of blocks handed over and of their packet counts, and does not read
/// it back from the ring. So a faulty consumer can lose or keep the blocks it was given, and do no other harm. In a
/// forked child, the end of a copy has no effect unless the child opened blocks.
class PKTVERBS_EXPORT RingWriter {
public:
    /// Attaches as the ring's producer. Throws std::system_error: EBUSY if the ring has a producer, ETIMEDOUT if
    /// another process holds the lock for attaching for more than half a second.
    explicit RingWriter(const BlockRing& ring);
    RingWriter(RingWriter&&) noexcept;
    RingWriter& operator=(RingWriter&&) noexcept;
    /// Discards open blocks, and reports to the consumer that the producer has ended.
    ~RingWriter();

    /// Returns the ring's memory.
    const RingView& view() const noexcept { return view_; }
    /// Returns the ring's sizes.
    const RingGeometry& geometry() const noexcept { return view_.geometry(); }

    /// Opens a free block, and returns its index; nullopt if no block is free. The block is empty. It stays open,
    /// whatever its state in the ring becomes, until it is handed over or discarded. Block i is left out if in_use[i]
    /// is not 0.
    std::optional<std::uint32_t> open(std::uint64_t base, std::uint32_t first_slot = 0,
                                      std::span<const std::uint32_t> in_use = {}) noexcept;
    /// Returns the number of free blocks.
    std::uint32_t free_blocks() const noexcept;
    /// Whether there are filled blocks, read or not.
    bool consumer_has_blocks() const noexcept;
    /// Frees the oldest filled block that the consumer has not taken. Returns the number of its packets; nullopt if
    /// there is no such block.
    std::optional<std::uint32_t> take_back_oldest() noexcept;

    /// Marks a slot of an open block as valid: its header and payload are there.
    void set_valid(std::uint32_t block, std::uint32_t slot, const RingSlot& info) noexcept {
        view_.slot_infos(block)[slot].store(info);
        set_valid_bits(block, slot / 64, std::uint64_t{1} << slot % 64);
    }
    /// Marks several slots, which share a word of the bitmap, as valid. Their RingSlots must be there, too.
    void set_valid_bits(std::uint32_t block, std::uint32_t word, std::uint64_t bits) noexcept {
        RingWord<std::uint64_t>& valid = view_.bitmap(block)[word];
        // Released, so that a reader that finds the bit set, even after this process died, finds the packet, too.
        valid.store(valid.load(std::memory_order_relaxed) | bits, std::memory_order_release);
    }
    /// Whether a slot was marked as valid.
    bool is_valid(std::uint32_t block, std::uint32_t slot) const noexcept {
        return (view_.bitmap(block)[slot / 64].load(std::memory_order_relaxed) >> slot % 64 & 1) != 0;
    }

    /// Hands an open block over to the consumer, which reads blocks in the order of these calls. `flags` are those of
    /// RingBlockHeader. Does nothing for a block that is not open.
    void hand_over(std::uint32_t block, std::uint32_t first_slot, std::uint32_t end_slot, std::uint32_t valid_slots,
                   std::uint32_t flags = 0) noexcept;
    /// Frees an open block. Does nothing for a block that is not open.
    void discard(std::uint32_t block) noexcept;

    /// Whether at least `count` blocks are free. Usually cheaper than free_blocks().
    bool has_free(std::uint32_t count = 1) const noexcept;
    /// Waits until a block is free. Returns false if `timeout` passed or `stop` was requested first.
    bool wait_for_free(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) const noexcept;

    /// Returns the current state of the consumer. Asks the kernel, so don't call it per packet.
    RingPeer consumer() const noexcept;
    /// Returns how many consumers have died, as recorded in the ring; consumer() and wait_for_free() update the record.
    std::uint64_t consumer_deaths() const noexcept;

private:
    /// The producer's own record of a block.
    struct Block {
        enum class Kind : std::uint8_t { ours, open, given };
        std::uint64_t number = 0;  ///< of a block that was handed over
        std::uint64_t base = 0;
        std::uint32_t packets = 0;  ///< of a block that was handed over
        Kind kind = Kind::ours;
    };
    /// For a block that was handed over, the consumer decides whether it is back. Only we fill blocks: one that is
    /// marked as being filled, and isn't open, counts as back.
    bool is_free(std::uint32_t block) const noexcept {
        if (blocks_[block].kind != Block::Kind::given) return blocks_[block].kind == Block::Kind::ours;
        // Acquire: the consumer's last read of the block comes before our first write to it.
        const RingState::Kind kind = RingState::kind(view_.state(block).load(std::memory_order_acquire));
        return kind == RingState::free || kind == RingState::filling;
    }
    bool is_filled(std::uint32_t block, std::uint64_t& word) const noexcept;
    bool is_open(std::uint32_t block) const noexcept {
        return block < blocks_.size() && blocks_[block].kind == Block::Kind::open;
    }
    std::optional<std::uint32_t> find_free(std::span<const std::uint32_t> in_use = {}) const noexcept;

    std::shared_ptr<class RingSeat> seat_;
    RingView view_;
    std::vector<Block> blocks_;
    std::uint32_t cursor_ = 0;  ///< where the next free block is likely to be
    std::uint64_t opened_ = 0;  ///< blocks so far
    std::uint64_t number_ = 0;  ///< of the next block that is handed over
};

}  // namespace pktverbs
