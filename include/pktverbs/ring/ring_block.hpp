// SPDX-License-Identifier: Apache-2.0
// RingBlock: a filled block of a ring in the consumer's hands.
#pragma once

#include <infiniband/verbs.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <pktverbs/export.hpp>
#include <pktverbs/ring/ring_layout.hpp>

namespace pktverbs {

/// Why RingReader::next returned.
enum class RingOutcome : std::uint8_t {
    block,          ///< it holds a block
    timeout,        ///< the deadline passed; also "nothing yet" from a call that may not wait
    stopped,        ///< a stop was requested
    finished,       ///< the producer has ended and everything has been read; reported once for each producer
    producer_died,  ///< the same, but its process died; blocks that it had half filled have been read as well
    corrupt,        ///< the producer handed over a block that contradicts itself; it was returned unread
};

/// Returns "block", "timeout", ...
PKTVERBS_EXPORT std::string_view to_string(RingOutcome outcome) noexcept;

/// A filled block that a consumer reads; it returns to the producer when it ends.
///
/// Move-only. It may be moved to, and end in, any thread. In a process forked after next() returned it, its end has no
/// effect. While a block lives, its consumer counts as attached. Slots run from 0 to slot_count(); those outside
/// [first_slot(), end_slot()) belong to another block with the same base, or to none.
///
/// The validity bitmap was copied when the block was taken. Everything else is read from the ring, where a faulty
/// producer may still write: lengths never reach outside a slot, but frames, timestamps and statuses may have any
/// value, and may change. Copy what must not change before you check it.
class PKTVERBS_EXPORT RingBlock {
public:
    /// No block.
    RingBlock() noexcept = default;
    RingBlock(RingBlock&& other) noexcept { swap(other); }
    RingBlock& operator=(RingBlock&& other) noexcept {
        RingBlock{std::move(other)}.swap(*this);
        return *this;
    }
    ~RingBlock() {
        if (seat_) give_back();
    }

    /// Whether it holds a block. Only outcome() may be called if it does not.
    explicit operator bool() const noexcept { return seat_ != nullptr; }
    /// Returns why next() returned.
    RingOutcome outcome() const noexcept { return outcome_; }

    /// Returns how many blocks were handed over before this one. A gap means blocks that were overwritten.
    std::uint64_t number() const noexcept { return number_; }
    /// Returns the sequence number of slot 0; in arrival order, the number of packets before it. It keeps growing when
    /// the field in the packets wraps around.
    std::uint64_t base() const noexcept { return header_.base; }
    /// Returns the number of slots in each block of the ring.
    std::uint32_t slot_count() const noexcept { return slots_.count; }
    /// Returns the first slot of this block.
    std::uint32_t first_slot() const noexcept { return header_.first_slot; }
    /// Returns the slot after the last one of this block.
    std::uint32_t end_slot() const noexcept { return header_.end_slot; }
    /// Returns the number of slots with a packet.
    std::uint32_t valid_count() const noexcept { return header_.valid_slots; }
    /// Returns the number of slots without a packet.
    std::uint32_t missing() const noexcept { return end_slot() - first_slot() - valid_count(); }
    /// Whether the producer died while it was filling the block.
    bool abandoned() const noexcept { return (header_.flags & RingBlockHeader::flag_abandoned) != 0; }
    /// Whether sequence numbers start again with this block, because the sender started again.
    bool discontinuous() const noexcept { return (header_.flags & RingBlockHeader::flag_discontinuous) != 0; }

    /// Whether the slot holds a packet. `slot` must be below slot_count(), here and below.
    bool valid(std::uint32_t slot) const noexcept {
        assert(slot < slot_count());
        return (bitmap_[slot / 64] >> slot % 64 & 1) != 0;
    }
    /// Returns the validity bitmap: slot i is bit i % 64 of word i / 64. It is a private copy, valid until the block is
    /// returned.
    std::span<const std::uint64_t> bitmap() const noexcept { return {bitmap_, (slot_count() + 63) / 64}; }
    /// Returns the length in bytes of a valid slot's frame; never more than header and payload have room for.
    std::uint32_t length(std::uint32_t slot) const noexcept {
        return std::min(length_and_status(slot)[0], slots_.header_bytes + slots_.payload_bytes);
    }
    /// Returns the packet's RecvPkt::status(); IBV_WC_GENERAL_ERR if the producer wrote a number that is no status.
    ibv_wc_status status(std::uint32_t slot) const noexcept {
        const std::uint32_t status = length_and_status(slot)[1];
        // Casting any other number is undefined behaviour (C++20, expr.static.cast 10).
        return status <= IBV_WC_TM_RNDV_INCOMPLETE ? static_cast<ibv_wc_status>(status) : IBV_WC_GENERAL_ERR;
    }
    /// Returns the packet's RecvPkt::timestamp().
    std::chrono::nanoseconds timestamp(std::uint32_t slot) const noexcept {
        assert(slot < slot_count());
        return std::chrono::nanoseconds{static_cast<std::int64_t>(slots_.infos[slot].word(1))};
    }
    /// Returns the first RingGeometry::header_bytes of the frame, or all of a shorter one.
    std::span<const std::uint8_t> header(std::uint32_t slot) const noexcept {
        return {slots_.headers + std::size_t{slots_.header_stride} * slot, std::min(length(slot), slots_.header_bytes)};
    }
    /// Returns the rest of the frame, after header().
    std::span<const std::uint8_t> payload(std::uint32_t slot) const noexcept {
        const std::uint32_t bytes = length(slot);
        return {slots_.payloads + std::size_t{slots_.payload_stride} * slot,
                bytes - std::min(bytes, slots_.header_bytes)};
    }
    /// Returns the payloads of all slots, payload_stride apart, as one page-aligned array. Slots that are not valid
    /// hold old bytes.
    std::span<const std::uint8_t> payloads() const noexcept {
        return {slots_.payloads, std::size_t{slots_.payload_stride} * slots_.count};
    }
    /// Returns the headers of all slots, header_stride apart, as one array.
    std::span<const std::uint8_t> headers() const noexcept {
        return {slots_.headers, std::size_t{slots_.header_stride} * slots_.count};
    }

    /// Returns the whole block as it is in the ring, page-aligned and in whole pages; RingLayout describes it.
    std::span<const std::uint8_t> memory() const noexcept {
        return {view_->block(index_), view_->layout().block_stride};
    }
    /// Returns the layout of the ring.
    const RingLayout& layout() const noexcept { return view_->layout(); }

    /// Returns the block to the producer now.
    void give_back() noexcept;

    /// Exchanges two blocks.
    void swap(RingBlock& other) noexcept {
        seat_.swap(other.seat_);
        std::swap(view_, other.view_);
        std::swap(slots_, other.slots_);
        std::swap(bitmap_, other.bitmap_);
        std::swap(header_, other.header_);
        std::swap(number_, other.number_);
        std::swap(index_, other.index_);
        std::swap(process_, other.process_);
        std::swap(outcome_, other.outcome_);
    }

private:
    friend class RingReader;
    explicit RingBlock(RingOutcome outcome) noexcept : outcome_{outcome} {}

    /// What is needed for each slot, so that a loop over them needs nothing else. Sizes were checked.
    struct Slots {
        const RingRecord<RingSlot>* infos = nullptr;
        const std::uint8_t* headers = nullptr;
        const std::uint8_t* payloads = nullptr;
        std::uint32_t count = 0;
        std::uint32_t header_bytes = 0;
        std::uint32_t payload_bytes = 0;
        std::uint32_t header_stride = 0;
        std::uint32_t payload_stride = 0;
    };
    static_assert(offsetof(RingSlot, length) == 0 && offsetof(RingSlot, status) == 4 &&
                  offsetof(RingSlot, timestamp_ns) == 8);
    /// Reads both once.
    std::array<std::uint32_t, 2> length_and_status(std::uint32_t slot) const noexcept {
        assert(slot < slot_count());
        return std::bit_cast<std::array<std::uint32_t, 2>>(slots_.infos[slot].word(0));
    }

    std::shared_ptr<class ConsumerSeat> seat_;
    const RingView* view_ = nullptr;  ///< the seat's
    Slots slots_;
    const std::uint64_t* bitmap_ = nullptr;  ///< the seat's copy
    RingBlockHeader header_{};               ///< a copy, checked
    std::uint64_t number_ = 0;
    std::uint32_t index_ = 0;
    pid_t process_ = 0;  ///< that took it
    RingOutcome outcome_ = RingOutcome::timeout;
};

}  // namespace pktverbs
