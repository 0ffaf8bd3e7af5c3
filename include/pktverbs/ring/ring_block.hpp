// SPDX-License-Identifier: Apache-2.0
// RingBlock: a filled block of a ring in the consumer's hands.
#pragma once

#include <infiniband/verbs.h>
#include <sys/types.h>

#include <algorithm>
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

/// Why RingReader::next came back.
enum class RingOutcome : std::uint8_t {
    block,          ///< there is one
    timeout,        ///< the deadline passed; also what a call that may not wait gives for "nothing yet"
    stopped,        ///< the stop token asked for it
    finished,       ///< the producer has ended and everything has been read; told once for each producer
    producer_died,  ///< the same, but its process died; what it had half filled has been read as well
    corrupt,        ///< the producer handed over a block that contradicts itself; it went back unread
};

/// "block", "timeout", ...
PKTVERBS_EXPORT std::string_view to_string(RingOutcome outcome) noexcept;

/// Move-only owner: when it ends, the block goes back to the producer. May be moved to, and end in, any thread; in a
/// process that was forked since next() gave it, nothing happens when it ends. As long as one lives, its consumer
/// counts as attached. Slots run from 0 to slot_count(); those outside [first_slot(), end_slot()) belong to another
/// block with the same base, or to none.
///
/// Which slots are valid was copied when the block was taken. The rest stands in the ring, where a producer that goes
/// wrong may still write: lengths never reach outside a slot, but frames, timestamps and statuses may be anything, and
/// may change. Copy what must not change before you check it.
class PKTVERBS_EXPORT RingBlock {
public:
    RingBlock() noexcept = default;
    RingBlock(RingBlock&& other) noexcept { swap(other); }
    RingBlock& operator=(RingBlock&& other) noexcept {
        RingBlock{std::move(other)}.swap(*this);
        return *this;
    }
    ~RingBlock() { give_back(); }

    /// Whether there is a block. All but outcome() is of a block that is there.
    explicit operator bool() const noexcept { return seat_ != nullptr; }
    RingOutcome outcome() const noexcept { return outcome_; }

    /// How many blocks were handed over before this one: a gap was overwritten.
    std::uint64_t number() const noexcept { return number_; }
    /// The sequence number of slot 0; in arrival order, how many packets came before it. Goes on growing where the
    /// field in the packets wraps around.
    std::uint64_t base() const noexcept { return header_.base; }
    std::uint32_t slot_count() const noexcept { return view_.geometry().block_slots; }
    std::uint32_t first_slot() const noexcept { return header_.first_slot; }
    std::uint32_t end_slot() const noexcept { return header_.end_slot; }
    /// Slots with a packet, and those without.
    std::uint32_t valid_count() const noexcept { return header_.valid_slots; }
    std::uint32_t missing() const noexcept { return end_slot() - first_slot() - valid_count(); }
    /// The producer died over it.
    bool abandoned() const noexcept { return (header_.flags & RingBlockHeader::flag_abandoned) != 0; }
    /// Sequence numbers began anew with it: the sender started again.
    bool discontinuous() const noexcept { return (header_.flags & RingBlockHeader::flag_discontinuous) != 0; }

    /// `slot` below slot_count(), here and below.
    bool valid(std::uint32_t slot) const noexcept {
        assert(slot < slot_count());
        return (bitmap_[slot / 64] >> slot % 64 & 1) != 0;
    }
    /// The validity bitmap: slot i is bit i % 64 of word i / 64. A private copy; until the block goes back.
    std::span<const std::uint64_t> bitmap() const noexcept { return {bitmap_, (slot_count() + 63) / 64}; }
    /// Of a valid slot's frame in bytes; never more than header and payload have room for.
    std::uint32_t length(std::uint32_t slot) const noexcept {
        const RingGeometry& geometry = view_.geometry();
        return std::min(info(slot).length, geometry.header_bytes + geometry.payload_bytes);
    }
    ibv_wc_status status(std::uint32_t slot) const noexcept { return static_cast<ibv_wc_status>(info(slot).status); }
    /// RecvPkt::timestamp().
    std::chrono::nanoseconds timestamp(std::uint32_t slot) const noexcept {
        return std::chrono::nanoseconds{static_cast<std::int64_t>(info(slot).timestamp_ns)};
    }
    std::span<const std::uint8_t> header(std::uint32_t slot) const noexcept {
        const RingGeometry& geometry = view_.geometry();
        return {view_.headers(index_) + std::size_t{geometry.header_stride} * slot,
                std::min(length(slot), geometry.header_bytes)};
    }
    std::span<const std::uint8_t> payload(std::uint32_t slot) const noexcept {
        const RingGeometry& geometry = view_.geometry();
        const std::uint32_t bytes = length(slot);
        return {view_.payloads(index_) + std::size_t{geometry.payload_stride} * slot,
                bytes - std::min(bytes, geometry.header_bytes)};
    }
    /// All of them, payload_stride apart: one array, page-aligned. Of a slot that isn't valid there is whatever was
    /// there before.
    std::span<const std::uint8_t> payloads() const noexcept {
        return {view_.payloads(index_), std::size_t{view_.geometry().payload_stride} * slot_count()};
    }
    std::span<const std::uint8_t> headers() const noexcept {
        return {view_.headers(index_), std::size_t{view_.geometry().header_stride} * slot_count()};
    }

    /// All of the block as it stands in the ring, page-aligned, whole pages: RingLayout tells what is where.
    std::span<const std::uint8_t> memory() const noexcept { return {view_.block(index_), view_.layout().block_stride}; }
    /// Of the ring.
    const RingLayout& layout() const noexcept { return view_.layout(); }

    /// Back to the producer, now.
    void give_back() noexcept;

    void swap(RingBlock& other) noexcept {
        seat_.swap(other.seat_);
        std::swap(view_, other.view_);
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

    /// Read once by each call.
    RingSlot info(std::uint32_t slot) const noexcept {
        assert(slot < slot_count());
        return view_.slot_infos(index_)[slot].load();
    }

    std::shared_ptr<class ConsumerSeat> seat_;
    RingView view_;
    const std::uint64_t* bitmap_ = nullptr;  ///< the seat's copy
    RingBlockHeader header_{};               ///< a copy, checked
    std::uint64_t number_ = 0;
    std::uint32_t index_ = 0;
    pid_t process_ = 0;  ///< that took it
    RingOutcome outcome_ = RingOutcome::timeout;
};

}  // namespace pktverbs
