// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/ring_writer.hpp>

#include <algorithm>
#include <utility>

#include "base/deadline.hpp"
#include "ring/ring_seat.hpp"
#include "ring/ring_states.hpp"

namespace pktverbs {

RingWriter::RingWriter(const BlockRing& ring)
    : seat_{std::make_shared<RingSeat>(ring.mapping_, RingSeat::Side::producer)},
      view_{seat_->view()},
      number_{next_number(view_)} {}

RingWriter::RingWriter(RingWriter&&) noexcept = default;

RingWriter& RingWriter::operator=(RingWriter&& other) noexcept {
    RingWriter old{std::move(*this)};
    seat_ = std::move(other.seat_);
    view_ = other.view_;
    cursor_ = other.cursor_;
    opened_ = other.opened_;
    number_ = other.number_;
    return *this;
}

RingWriter::~RingWriter() {
    if (!seat_) return;
    while (const auto open = oldest_of(view_, RingState::filling)) discard(open->index);
}

std::optional<std::uint32_t> RingWriter::find_free(std::span<const std::uint32_t> in_use) const noexcept {
    const std::uint32_t blocks = view_.geometry().blocks;
    for (std::uint32_t i = 0, index = cursor_; i < blocks; ++i, index = index + 1 == blocks ? 0 : index + 1)
        // Acquired: the consumer's last look at the block comes before our first write to it.
        if (RingState::kind(view_.state(index).load(std::memory_order_acquire)) == RingState::free &&
            (in_use.empty() || in_use[index] == 0))
            return index;
    return std::nullopt;
}

std::uint32_t RingWriter::free_blocks() const noexcept {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < view_.geometry().blocks; ++i)
        count += RingState::kind(view_.state(i).load(std::memory_order_relaxed)) == RingState::free ? 1U : 0U;
    return count;
}

bool RingWriter::consumer_has_blocks() const noexcept {
    for (std::uint32_t i = 0; i < view_.geometry().blocks; ++i) {
        const auto kind = RingState::kind(view_.state(i).load(std::memory_order_relaxed));
        if (kind == RingState::filled || kind == RingState::reading) return true;
    }
    return false;
}

std::optional<std::uint32_t> RingWriter::open(std::uint64_t base, std::uint32_t first_slot,
                                              std::span<const std::uint32_t> in_use) noexcept {
    const auto index = find_free(in_use);
    if (!index) return std::nullopt;
    std::atomic<std::uint64_t>* const bitmap = view_.bitmap(*index);
    for (std::uint32_t i = 0; i < (view_.geometry().slots + 63) / 64; ++i)
        bitmap[i].store(0, std::memory_order_relaxed);
    RingBlockHeader& header = view_.block_header(*index);
    header.base = base;
    header.first_slot = first_slot;
    header.flags = 0;
    // Released: whoever finds it being filled, after our death, finds no packets of before in it.
    view_.state(*index).store(RingState::word(opened_++, RingState::filling), std::memory_order_release);
    cursor_ = *index + 1 == view_.geometry().blocks ? 0 : *index + 1;
    return index;
}

std::optional<std::uint32_t> RingWriter::take_back_oldest() noexcept {
    while (const auto oldest = oldest_of(view_, RingState::filled)) {
        const std::uint32_t packets = view_.block_header(oldest->index).valid_slots;
        std::uint64_t word = RingState::word(oldest->number, RingState::filled);
        if (view_.state(oldest->index)
                .compare_exchange_strong(word, RingState::word(oldest->number, RingState::free),
                                         std::memory_order_acq_rel))
            return packets;
    }
    return std::nullopt;
}

void RingWriter::hand_over(std::uint32_t block, std::uint32_t first_slot, std::uint32_t end_slot,
                           std::uint32_t valid_slots, std::uint32_t flags) noexcept {
    RingBlockHeader& header = view_.block_header(block);
    header.number = number_;
    header.first_slot = first_slot;
    header.end_slot = end_slot;
    header.valid_slots = valid_slots;
    header.flags = flags;
    // Released: the packets, and all that the header says, come before it.
    view_.state(block).store(RingState::word(number_, RingState::filled), std::memory_order_release);
    seat_->own().blocks.store(++number_, std::memory_order_relaxed);
    seat_->notify();
}

void RingWriter::discard(std::uint32_t block) noexcept { view_.state(block).store(0, std::memory_order_release); }

bool RingWriter::wait_for_free(std::chrono::nanoseconds timeout, std::stop_token stop) const noexcept {
    if (find_free()) return true;
    if (timeout <= std::chrono::nanoseconds::zero()) return false;
    const Deadline deadline{timeout};
    const SeatStop stop_wake{stop, *seat_};
    for (;;) {
        const std::uint32_t seen = seat_->other().events.load(std::memory_order_seq_cst);
        if (find_free()) return true;
        if (stop.stop_requested() || deadline.passed()) return false;
        seat_->sleep(seen, deadline.left_at_most(look_interval));
        if (seat_->other().events.load(std::memory_order_relaxed) == seen) seat_->look();
    }
}

RingPeer RingWriter::consumer() const noexcept { return seat_->look(); }

std::uint64_t RingWriter::consumer_deaths() const noexcept {
    return seat_->other().deaths.load(std::memory_order_relaxed);
}

}  // namespace pktverbs
