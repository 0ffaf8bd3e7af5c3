// SPDX-License-Identifier: Apache-2.0
// BlockPlacer: puts numbered packets into the slots of open blocks, and says where the next ones should land.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_receiver.hpp>
#include <pktverbs/ring/ring_stats.hpp>
#include <pktverbs/ring/ring_writer.hpp>

#include "ring/parked_packets.hpp"
#include "ring/ring_slot_index.hpp"

namespace pktverbs {

/// A window of blocks, from the one that is handed over next. A packet's block is `number - base` divided by the slots
/// in a block; it is opened when the first packet arrives or is aimed there, and handed over when it is complete, or
/// when a number reorder_window past its end has arrived.
///
/// Aimed packets land in a slot, but not always their own. A slot is busy while a receive aimed at it is posted, or has
/// completed and its packet is still there. A packet that belongs in a busy slot is deferred to the end of the batch,
/// last first, so that one copy per packet undoes a shift by one, as after a loss. If the slot is still busy then, the
/// packet is parked in a spare buffer until it is free. A receive aimed at a slot leaves its own buffer as a spare, and
/// at most one packet waits for a slot, so there are always enough.
///
/// Most packets continue a run: they have the next number and are in its slot. They cost little, and so do receives
/// aimed at successive slots: the state is updated once for the whole run.
class __attribute__((visibility("hidden"))) BlockPlacer {
public:
    enum class Placed : std::uint8_t { placed, duplicate, late, no_block };
    struct Packet {
        const std::uint8_t* header;  ///< its first header_bytes, or fewer if it is shorter
        const std::uint8_t* payload;
        RingSlot info;
        RingSlotIndex landed;  ///< the slot that holds both, if it was received into one
    };
    using Buffers = ParkedPackets::Buffers;

    /// At most `packets` packets are received into slots at once.
    BlockPlacer(const BlockRing& ring, const RingReceiverOptions& options, std::uint32_t packets);
    BlockPlacer(const BlockPlacer&) = delete;
    BlockPlacer& operator=(const BlockPlacer&) = delete;

    /// Packets between begin and end of a batch may be deferred; their buffers' contents must stay.
    void begin_batch() noexcept { no_free_block_ = no_block_to_aim_ = false; }
    /// The places of the packets with the next numbers. If a packet is in its place, and `info` was written, call
    /// continue_run().
    struct Run {
        std::uint64_t next = 0;     ///< the number of the next packet
        std::uint64_t left = 0;     ///< the number of slots for it and its successors; 0 if none
        std::uint64_t payload = 0;  ///< address of the next one's payload; the others follow at a stride
        RingRecord<RingSlot>* infos = nullptr;
        RingSlotIndex at;
    };
    const Run& run() const noexcept { return run_; }
    /// When the run has reached the end of its block: goes on in the next one, if it is open. The same as place() for
    /// the first packet there.
    bool next_run() noexcept {
        note_run();
        if (complete_) close_complete();
        if (!starting_) begin_run();
        return run_.left != 0;
    }
    void continue_run(std::uint32_t count, std::uint64_t bytes) noexcept {
        run_.next = end_ += count;
        run_.left -= count;
        run_.payload += std::uint64_t{view_.geometry().payload_stride} * count;
        run_.infos += count;
        run_.at.slot += count;
        run_count_ += count;
        run_bytes_ += bytes;
    }
    /// Copies to a slot that isn't busy.
    void copy(const RingSlotIndex& to, const std::uint8_t* header, const std::uint8_t* payload,
              std::uint32_t length) noexcept;
    /// Copies the packet to its slot, now or at the end of the batch. no_block: nothing has changed, and the call may
    /// be repeated.
    Placed place(std::uint64_t sequence, const Packet& packet) noexcept;
    void end_batch() noexcept;
    /// The packet was not placed and leaves its slot.
    void vacate(const RingSlotIndex& landed) noexcept;

    /// Hands over all blocks. False if one had to stay, with WhenFull::wait.
    bool flush() noexcept;
    /// Flushes, and restarts from the next number.
    bool restart() noexcept;
    /// Whether any packets are not yet handed over.
    bool has_packets() const noexcept { return settled_ != 0; }

    /// The expected places of packets, if so many receives are posted before the first of them.
    struct Target {
        std::uint8_t* header = nullptr;
        std::uint8_t* payload = nullptr;
        std::uint32_t count = 0;  ///< successive slots; 0 if unknown, or not free
    };
    Target aim(std::uint64_t posted_before) noexcept;
    /// Receives were aimed at so many of these slots: they are busy now.
    void aimed(std::uint32_t count) noexcept;
    /// Takes the buffers of a packet that has been aimed at a slot, as spares; gives a spare back to a packet that is
    /// not aimed.
    void put_spare(const Buffers& buffers) noexcept { parked_.put_spare(buffers); }
    Buffers take_spare() noexcept { return parked_.take_spare(); }
    /// Whether every packet is aimed, or in a slot.
    bool are_all_aimed() const noexcept { return parked_.has_all(); }

    RingWriter& writer() noexcept { return writer_; }
    const RingWriter& writer() const noexcept { return writer_; }
    RingStats stats;

private:
    struct Block {
        std::uint32_t first = 0;    ///< first own slot; lower ones belong to another block
        std::uint32_t claimed = 0;  ///< packets that belong here
        std::uint32_t settled = 0;  ///< those of them that are in their slots
        bool floating = false;      ///< `first` is the lowest that has arrived; what preceded it is unknown
    };
    struct Move {
        Packet packet;
        RingSlotIndex to;
    };

    std::uint32_t free_from(const RingSlotIndex& at) const noexcept;
    void begin_run() noexcept;
    void note_run() noexcept;
    std::uint32_t& window_at(std::uint64_t i) noexcept { return window_[(head_ + i) & (window_.size() - 1)]; }
    bool is_open(std::uint64_t i) noexcept { return i < count_ && window_at(i) != RingSlotIndex::nowhere; }
    bool advance(std::uint64_t sequence) noexcept;
    bool make_room(std::uint64_t i) noexcept;
    bool open(std::uint64_t i, bool for_packet) noexcept;
    bool close_front(std::uint32_t end) noexcept;
    void close_complete() noexcept;
    void hand_over(std::uint32_t index, std::uint32_t end) noexcept;
    bool relocate(std::uint32_t& index) noexcept;
    void drop_parked(std::uint32_t index) noexcept;
    void put(const Packet& packet, const RingSlotIndex& to) noexcept;
    void settle(const RingSlotIndex& at, const RingSlot& info) noexcept;
    void finish_moves() noexcept;
    void park(const Move& move) noexcept;
    void unpark(const RingSlotIndex& at, const RingSlotIndex& to) noexcept;

    static std::uint64_t bit(std::uint32_t slot) noexcept { return std::uint64_t{1} << slot % 64; }
    std::uint64_t& word(std::vector<std::uint64_t>& bits, const RingSlotIndex& at) const noexcept {
        return bits[std::size_t{at.block} * words_ + at.slot / 64];
    }
    bool is_busy(const RingSlotIndex& at) noexcept { return (word(busy_, at) & bit(at.slot)) != 0; }
    std::uint8_t* header_of(const RingSlotIndex& at) const noexcept {
        return view_.headers(at.block) + std::size_t{view_.geometry().header_stride} * at.slot;
    }
    std::uint8_t* payload_of(const RingSlotIndex& at) const noexcept {
        return view_.payloads(at.block) + std::size_t{view_.geometry().payload_stride} * at.slot;
    }

    RingWriter writer_;
    const RingView view_;
    const WhenFull when_full_;
    const std::uint32_t slots_;
    const std::uint32_t words_;  ///< words in a block's bitmap
    const std::uint64_t reorder_window_;

    std::vector<std::uint32_t> window_;  ///< blocks by their order, from head_; nowhere if not open
    std::uint64_t head_ = 0;
    std::uint64_t count_ = 0;
    std::uint64_t base_ = 0;       ///< sequence number of the first block's slot 0
    std::uint32_t resume_ = 0;     ///< the first block's slots below this have been handed over
    std::uint64_t end_ = 0;        ///< one past the highest number that has arrived
    std::uint64_t aimed_end_ = 0;  ///< one past the highest number aimed at
    bool started_ = false;
    bool starting_ = false;       ///< no block was opened since
    bool discontinuous_ = false;  ///< the next block handed over begins a new sequence
    bool complete_ = false;       ///< some block may be complete
    bool no_free_block_ = false;
    bool no_block_to_aim_ = false;
    std::uint64_t settled_ = 0;  ///< in all open blocks

    Run run_;
    std::uint32_t run_count_ = 0;  ///< packets of the run, before its `at`, not yet accounted for
    std::uint64_t run_bytes_ = 0;
    RingSlotIndex aims_;  ///< the slot after the last one aimed at
    std::uint32_t aims_left_ = 0;

    std::vector<Block> blocks_;
    std::vector<std::uint64_t> claimed_;
    std::vector<std::uint64_t> busy_;
    std::vector<std::uint32_t> busy_count_;  ///< by block
    ParkedPackets parked_;
    std::vector<Move> moves_;
};

}  // namespace pktverbs
