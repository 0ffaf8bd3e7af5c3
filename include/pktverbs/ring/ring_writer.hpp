// SPDX-License-Identifier: Apache-2.0
// RingWriter: the producer's side of a ring: takes free blocks and hands them over filled.
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

/// What RingReceiver is made of; by itself for producers that have packets from elsewhere. One thread at a time. What
/// a writer before it had half filled when its process died is handed over before anything else.
///
/// Which blocks are open, what was handed over and with how many packets is kept here and not read back from the ring:
/// a consumer that goes wrong can lose blocks that it was given, and keep them, but nothing else. A forked child's copy
/// changes nothing when it ends, unless the child opened blocks.
class PKTVERBS_EXPORT RingWriter {
public:
    /// Throws std::system_error: EBUSY if the ring has a producer, ETIMEDOUT if another process has kept the lock under
    /// which sides change for half a second.
    explicit RingWriter(const BlockRing& ring);
    RingWriter(RingWriter&&) noexcept;
    RingWriter& operator=(RingWriter&&) noexcept;
    /// Blocks that are open go back unfilled; the consumer is told that the producer has ended.
    ~RingWriter();

    const RingView& view() const noexcept { return view_; }
    const RingGeometry& geometry() const noexcept { return view_.geometry(); }

    /// A free block, now open and empty, by its index; none if there is none. It stays open, whatever becomes of its
    /// state in the ring, until it is handed over or discarded. Block i is left out if in_use[i] isn't 0.
    std::optional<std::uint32_t> open(std::uint64_t base, std::uint32_t first_slot = 0,
                                      std::span<const std::uint32_t> in_use = {}) noexcept;
    std::uint32_t free_blocks() const noexcept;
    /// Whether there are filled blocks, read or not.
    bool consumer_has_blocks() const noexcept;
    /// Frees the oldest filled block that the consumer has not taken. Gives the number of its packets, or none if there
    /// is no such block.
    std::optional<std::uint32_t> take_back_oldest() noexcept;

    /// Of an open block: says that the slot's header and payload are there.
    void set_valid(std::uint32_t block, std::uint32_t slot, const RingSlot& info) noexcept {
        view_.slot_infos(block)[slot].store(info);
        set_valid_bits(block, slot / 64, std::uint64_t{1} << slot % 64);
    }
    /// The same of several slots, whose RingSlot is there, too: in a word of the bitmap.
    void set_valid_bits(std::uint32_t block, std::uint32_t word, std::uint64_t bits) noexcept {
        RingWord<std::uint64_t>& valid = view_.bitmap(block)[word];
        // Released: whoever finds the bit set, be it after our death, finds the packet, too.
        valid.store(valid.load(std::memory_order_relaxed) | bits, std::memory_order_release);
    }
    bool is_valid(std::uint32_t block, std::uint32_t slot) const noexcept {
        return (view_.bitmap(block)[slot / 64].load(std::memory_order_relaxed) >> slot % 64 & 1) != 0;
    }

    /// An open block, to the consumer, who gets blocks in the order of these calls. `flags` are RingBlockHeader's. With
    /// a block that isn't open, nothing happens.
    void hand_over(std::uint32_t block, std::uint32_t first_slot, std::uint32_t end_slot, std::uint32_t valid_slots,
                   std::uint32_t flags = 0) noexcept;
    /// An open block, back to the free ones. With one that isn't open, nothing happens.
    void discard(std::uint32_t block) noexcept;

    bool has_free() const noexcept { return find_free().has_value(); }
    /// Waits until a block is free. False if `timeout` passed or `stop` was requested first.
    bool wait_for_free(std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) const noexcept;

    /// How it is with the other side, now. Asks the kernel: not for every packet.
    RingPeer consumer() const noexcept;
    /// How many consumers are known to have died, as the ring says; consumer() and wait_for_free() look for news.
    std::uint64_t consumer_deaths() const noexcept;

private:
    /// What only the producer decides about a block.
    struct Block {
        enum class Kind : std::uint8_t { ours, open, given };
        std::uint64_t number = 0;  ///< of one that is given
        std::uint64_t base = 0;
        std::uint32_t packets = 0;  ///< of one that is given
        Kind kind = Kind::ours;
    };
    bool is_free(std::uint32_t block) const noexcept;
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
