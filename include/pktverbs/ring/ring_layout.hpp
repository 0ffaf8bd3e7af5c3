// SPDX-License-Identifier: Apache-2.0
// RingLayout: the places of everything in a ring's memory, version 1; docs/ring.md describes it in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <pktverbs/export.hpp>
#include <pktverbs/ring/ring_geometry.hpp>
#include <pktverbs/ring/ring_word.hpp>

namespace pktverbs {

/// Whether one side of a ring is attached, and if not, how it ended; in RingSide::state.
enum class RingPeer : std::uint32_t {
    absent,   ///< was never attached
    present,  ///< attached
    ended,    ///< detached by itself
    died,     ///< its process ended without detaching
};

/// Returns "absent", "present", "ended" or "died".
PKTVERBS_EXPORT std::string_view to_string(RingPeer peer) noexcept;

/// The state of one side, producer or consumer, as it is in the ring. A cache line, which only this side writes often.
struct alignas(64) RingSide {
    RingWord<std::uint32_t> events;    ///< changes when this side has done something; the other sleeps on it (futex(2))
    RingWord<std::uint32_t> sleepers;  ///< not 0: the other side may be asleep and must be woken
    RingWord<std::uint32_t> state;     ///< a RingPeer
    std::uint32_t unused;              ///< padding
    RingWord<std::uint64_t> generation;  ///< how many have attached to this side
    RingWord<std::uint64_t> deaths;      ///< how many of them died
    RingWord<std::uint64_t> blocks;      ///< blocks handed over by the producer, or returned by the consumer
};

/// A ring's description of itself; written once.
struct RingDescription {
    std::uint32_t version;          ///< RingHeader::version_number
    std::uint32_t bytes;            ///< size of the RingHeader; the states follow it
    std::uint64_t total_bytes;      ///< size of the ring's memory
    RingGeometry geometry;          ///< with all defaults filled in
    std::uint64_t states_offset;    ///< from the header to states[blocks]
    std::uint64_t blocks_offset;    ///< from the header to the first block
    std::uint64_t block_stride;     ///< from one block to the next
    std::uint64_t bitmap_offset;    ///< from a block to its validity bitmap: slot i is bit i % 64 of word i / 64
    std::uint64_t slots_offset;     ///< from a block to slots[block_slots]
    std::uint64_t headers_offset;   ///< from a block to its headers
    std::uint64_t payloads_offset;  ///< from a block to its payloads; page-aligned

    bool operator==(const RingDescription&) const = default;
};

/// The ring's first page. The description is written before `magic`.
struct RingHeader {
    static constexpr std::uint64_t magic_number = 0x31474e4952565450;  ///< "PTVRING1"
    /// The version of this layout.
    static constexpr std::uint32_t version_number = 1;

    RingWord<std::uint64_t> magic;            ///< magic_number, once the ring is complete
    RingRecord<RingDescription> description;  ///< sizes and offsets
    RingSide producer;                        ///< the side that fills blocks
    RingSide consumer;                        ///< the side that reads blocks
};

/// The state of a block, packed in one word so that it changes at once: a kind, and above it a number. For a block that
/// is being filled, the number counts the blocks opened before it; for one that was handed over, the blocks handed over
/// before it, which is also the order of reading. A freed block keeps it: see freed().
struct RingState {
    /// What a block is used for.
    enum Kind : std::uint64_t { free, filling, filled, reading };
    /// Packs a number and a kind.
    static constexpr std::uint64_t word(std::uint64_t number, Kind kind) noexcept { return number << 2 | kind; }
    /// Packs the state of a block that was returned: its number plus 1, as 0 stands for a block that never had one.
    static constexpr std::uint64_t freed(std::uint64_t number) noexcept { return word(number + 1, free); }
    /// Returns the number in a word.
    static constexpr std::uint64_t number(std::uint64_t word) noexcept { return word >> 2; }
    /// Returns the kind in a word.
    static constexpr Kind kind(std::uint64_t word) noexcept { return static_cast<Kind>(word & 3); }
};

/// The start of each block. It belongs to the producer while the block is being filled, then to the consumer.
struct RingBlockHeader {
    std::uint64_t number;                                   ///< blocks handed over before this one
    std::uint64_t base;                                     ///< the sequence number of slot 0
    std::uint32_t first_slot;                               ///< the block has the slots [first_slot, end_slot)
    std::uint32_t end_slot;                                 ///< one after the last
    std::uint32_t valid_slots;                              ///< how many of them have a packet
    std::uint32_t flags;                                    ///< flag_abandoned, flag_discontinuous
    static constexpr std::uint32_t flag_abandoned = 1;      ///< the producer died while it was filling the block
    static constexpr std::uint32_t flag_discontinuous = 2;  ///< sequence numbers start again with the block
};

/// What is known about the packet in a slot. Meaningless if the slot is not valid.
struct RingSlot {
    std::uint32_t length;        ///< of the whole frame
    std::uint32_t status;        ///< an ibv_wc_status
    std::uint64_t timestamp_ns;  ///< RecvPkt::timestamp()
};

/// The offsets of everything in a ring of a given geometry.
struct PKTVERBS_EXPORT RingLayout {
    /// Computes the offsets for a checked geometry.
    explicit RingLayout(const RingGeometry& checked) noexcept;
    RingLayout() noexcept = default;
    /// Returns the description that such a ring's header must have.
    RingDescription description() const noexcept;

    RingGeometry geometry;              ///< with all defaults filled in
    std::uint64_t states_offset = 0;    ///< see RingDescription, also for the others
    std::uint64_t blocks_offset = 0;    ///< of the first block
    std::uint64_t block_stride = 0;     ///< from one block to the next
    std::uint64_t bitmap_offset = 0;    ///< of the validity bitmap in a block
    std::uint64_t slots_offset = 0;     ///< of the RingSlots in a block
    std::uint64_t headers_offset = 0;   ///< of the headers in a block
    std::uint64_t payloads_offset = 0;  ///< of the payloads in a block
    std::uint64_t total_bytes = 0;      ///< size of the ring's memory
};

static_assert(std::is_standard_layout_v<RingHeader> && std::is_standard_layout_v<RingBlockHeader>);
static_assert(sizeof(RingHeader) == 256 && offsetof(RingHeader, description) == 8 &&
              offsetof(RingDescription, geometry) == 16 && offsetof(RingHeader, producer) == 128);
static_assert(sizeof(RingBlockHeader) == 32 && sizeof(RingSlot) == 16 && sizeof(RingSide) == 64);
static_assert(sizeof(RingRecord<RingBlockHeader>) == 32 && sizeof(RingRecord<RingSlot>) == 16);

/// Finds the parts of a ring's memory, which both sides use it for. A value that owns nothing.
///
/// The memory was checked when it was mapped. Sizes are copies, so nobody can change them later; everything else that
/// is read may have any value, and another one when it is read again.
class RingView {
public:
    RingView() noexcept = default;
    /// Views a mapped ring.
    RingView(std::uint8_t* memory, const RingLayout& layout) noexcept : memory_{memory}, layout_{layout} {}

    /// Returns the offsets.
    const RingLayout& layout() const noexcept { return layout_; }
    /// Returns the sizes.
    const RingGeometry& geometry() const noexcept { return layout_.geometry; }
    /// Returns the start of the ring.
    std::uint8_t* memory() const noexcept { return memory_; }
    /// Returns the ring's first page.
    RingHeader& header() const noexcept { return *as<RingHeader>(memory_); }
    /// Returns the state of a block.
    RingWord<std::uint64_t>& state(std::uint32_t block) const noexcept {
        return as<RingWord<std::uint64_t>>(memory_ + layout_.states_offset)[block];
    }
    /// Returns the start of a block.
    std::uint8_t* block(std::uint32_t block) const noexcept {
        return memory_ + layout_.blocks_offset + layout_.block_stride * block;
    }
    /// Returns the header of a block.
    RingRecord<RingBlockHeader>& block_header(std::uint32_t index) const noexcept {
        return *as<RingRecord<RingBlockHeader>>(block(index));
    }
    /// Returns the validity bitmap of a block.
    RingWord<std::uint64_t>* bitmap(std::uint32_t index) const noexcept {
        return as<RingWord<std::uint64_t>>(block(index) + layout_.bitmap_offset);
    }
    /// Returns the information on a block's packets, one for each slot.
    RingRecord<RingSlot>* slot_infos(std::uint32_t index) const noexcept {
        return as<RingRecord<RingSlot>>(block(index) + layout_.slots_offset);
    }
    /// Returns the first header in a block.
    std::uint8_t* headers(std::uint32_t index) const noexcept { return block(index) + layout_.headers_offset; }
    /// Returns the first payload in a block.
    std::uint8_t* payloads(std::uint32_t index) const noexcept { return block(index) + layout_.payloads_offset; }

private:
    /// Every part is aligned by RingLayout.
    template <class Part>
    static Part* as(std::uint8_t* memory) noexcept {
        return static_cast<Part*>(static_cast<void*>(memory));
    }

    std::uint8_t* memory_ = nullptr;
    RingLayout layout_;
};

}  // namespace pktverbs
