// SPDX-License-Identifier: Apache-2.0
// RingLayout: where everything stands in a ring's memory, version 1; docs/ring.md has it in words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <pktverbs/export.hpp>
#include <pktverbs/ring/ring_geometry.hpp>
#include <pktverbs/ring/ring_word.hpp>

namespace pktverbs {

/// Of a side: whether it is there, and how its last holder ended. In RingSide::state.
enum class RingPeer : std::uint32_t {
    absent,   ///< there has been none
    present,  ///< attached
    ended,    ///< detached by itself
    died,     ///< its process ended without detaching
};

/// "absent", "present", "ended", "died".
PKTVERBS_EXPORT std::string_view to_string(RingPeer peer) noexcept;

/// One of the two sides, producer and consumer, as it stands in the ring. A cache line: only this side writes it often.
struct alignas(64) RingSide {
    RingWord<std::uint32_t> events;    ///< changes when this side did something; the other sleeps on it (futex(2))
    RingWord<std::uint32_t> sleepers;  ///< not 0: the other side may be asleep, wake it
    RingWord<std::uint32_t> state;     ///< a RingPeer
    std::uint32_t unused;
    RingWord<std::uint64_t> generation;  ///< how many have been attached
    RingWord<std::uint64_t> deaths;      ///< how many of them died
    RingWord<std::uint64_t> blocks;      ///< handed over, or given back
};

/// What a ring says of itself; written once.
struct RingDescription {
    std::uint32_t version;
    std::uint32_t bytes;  ///< of the RingHeader: states follow
    std::uint64_t total_bytes;
    RingGeometry geometry;          ///< checked
    std::uint64_t states_offset;    ///< from the header to states[blocks]
    std::uint64_t blocks_offset;    ///< from the header to the first block
    std::uint64_t block_stride;     ///< from one block to the next
    std::uint64_t bitmap_offset;    ///< from a block to its validity bitmap: slot i is bit i % 64 of word i / 64
    std::uint64_t slots_offset;     ///< from a block to slots[block_slots]
    std::uint64_t headers_offset;   ///< from a block to its headers
    std::uint64_t payloads_offset;  ///< from a block to its payloads; page-aligned

    bool operator==(const RingDescription&) const = default;
};

/// The first page. The description is written before `magic`.
struct RingHeader {
    static constexpr std::uint64_t magic_number = 0x31474e4952565450;  ///< "PTVRING1"
    static constexpr std::uint32_t version_number = 1;

    RingWord<std::uint64_t> magic;
    RingRecord<RingDescription> description;
    RingSide producer;
    RingSide consumer;
};

/// The state of a block is one word, so that it changes at once: what is going on, and above that a number. Of a block
/// that is being filled, how many were opened before it; of one that was handed over, how many were so before, which is
/// also the order in which it is read. Whoever frees it leaves that there.
struct RingState {
    enum Kind : std::uint64_t { free, filling, filled, reading };
    static constexpr std::uint64_t word(std::uint64_t number, Kind kind) noexcept { return number << 2 | kind; }
    /// Of a block that comes back: its number plus 1, as 0 is a block that has never had one.
    static constexpr std::uint64_t freed(std::uint64_t number) noexcept { return word(number + 1, free); }
    static constexpr std::uint64_t number(std::uint64_t word) noexcept { return word >> 2; }
    static constexpr Kind kind(std::uint64_t word) noexcept { return static_cast<Kind>(word & 3); }
};

/// What a block begins with. The producer's while it is being filled, then the consumer's.
struct RingBlockHeader {
    std::uint64_t number;      ///< blocks handed over before this one
    std::uint64_t base;        ///< the sequence number of slot 0
    std::uint32_t first_slot;  ///< slots [first_slot, end_slot) are this block's
    std::uint32_t end_slot;
    std::uint32_t valid_slots;  ///< of these, the ones that have a packet
    std::uint32_t flags;
    static constexpr std::uint32_t flag_abandoned = 1;      ///< its producer died over it
    static constexpr std::uint32_t flag_discontinuous = 2;  ///< numbers began anew with it
};

/// What is known of a slot's packet. Meaningless if the slot isn't valid.
struct RingSlot {
    std::uint32_t length;        ///< of the whole frame
    std::uint32_t status;        ///< an ibv_wc_status
    std::uint64_t timestamp_ns;  ///< RecvPkt::timestamp()
};

/// Where it all stands for a geometry.
struct PKTVERBS_EXPORT RingLayout {
    /// Of a checked geometry.
    explicit RingLayout(const RingGeometry& checked) noexcept;
    RingLayout() noexcept = default;
    /// What a header must say.
    RingDescription description() const noexcept;

    RingGeometry geometry;
    std::uint64_t states_offset = 0;
    std::uint64_t blocks_offset = 0;
    std::uint64_t block_stride = 0;
    std::uint64_t bitmap_offset = 0;
    std::uint64_t slots_offset = 0;
    std::uint64_t headers_offset = 0;
    std::uint64_t payloads_offset = 0;
    std::uint64_t total_bytes = 0;
};

static_assert(std::is_standard_layout_v<RingHeader> && std::is_standard_layout_v<RingBlockHeader>);
static_assert(sizeof(RingHeader) == 256 && offsetof(RingHeader, description) == 8 &&
              offsetof(RingDescription, geometry) == 16 && offsetof(RingHeader, producer) == 128);
static_assert(sizeof(RingBlockHeader) == 32 && sizeof(RingSlot) == 16 && sizeof(RingSide) == 64);
static_assert(sizeof(RingRecord<RingBlockHeader>) == 32 && sizeof(RingRecord<RingSlot>) == 16);

/// A ring's memory, mapped and checked: what both sides look through. Sizes are copies, so that no one can change them
/// afterwards; everything else that is read may be anything, and differ when it is read again. A value; owns nothing.
class RingView {
public:
    RingView() noexcept = default;
    RingView(std::uint8_t* memory, const RingLayout& layout) noexcept : memory_{memory}, layout_{layout} {}

    const RingLayout& layout() const noexcept { return layout_; }
    const RingGeometry& geometry() const noexcept { return layout_.geometry; }
    std::uint8_t* memory() const noexcept { return memory_; }
    RingHeader& header() const noexcept { return *as<RingHeader>(memory_); }
    RingWord<std::uint64_t>& state(std::uint32_t block) const noexcept {
        return as<RingWord<std::uint64_t>>(memory_ + layout_.states_offset)[block];
    }
    std::uint8_t* block(std::uint32_t block) const noexcept {
        return memory_ + layout_.blocks_offset + layout_.block_stride * block;
    }
    RingRecord<RingBlockHeader>& block_header(std::uint32_t index) const noexcept {
        return *as<RingRecord<RingBlockHeader>>(block(index));
    }
    RingWord<std::uint64_t>* bitmap(std::uint32_t index) const noexcept {
        return as<RingWord<std::uint64_t>>(block(index) + layout_.bitmap_offset);
    }
    RingRecord<RingSlot>* slot_infos(std::uint32_t index) const noexcept {
        return as<RingRecord<RingSlot>>(block(index) + layout_.slots_offset);
    }
    std::uint8_t* headers(std::uint32_t index) const noexcept { return block(index) + layout_.headers_offset; }
    std::uint8_t* payloads(std::uint32_t index) const noexcept { return block(index) + layout_.payloads_offset; }

private:
    /// RingLayout aligns every part.
    template <class Part>
    static Part* as(std::uint8_t* memory) noexcept {
        return static_cast<Part*>(static_cast<void*>(memory));
    }

    std::uint8_t* memory_ = nullptr;
    RingLayout layout_;
};

}  // namespace pktverbs
