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
      next_{next_position(view_)},
      number_{next_number(view_)} {}

RingWriter::RingWriter(RingWriter&&) noexcept = default;

RingWriter& RingWriter::operator=(RingWriter&& other) noexcept {
    RingWriter old{std::move(*this)};
    seat_ = std::move(other.seat_);
    view_ = other.view_;
    next_ = other.next_;
    number_ = other.number_;
    return *this;
}

RingWriter::~RingWriter() {
    if (!seat_) return;
    while (const auto open = oldest_of(view_, RingState::filling)) discard(open->index);
}

std::optional<std::uint32_t> RingWriter::open(std::uint64_t base, std::uint32_t first_slot) noexcept {
    const std::uint32_t blocks = view_.geometry().blocks;
    for (std::uint64_t position = next_; position < next_ + blocks; ++position) {
        const auto index = static_cast<std::uint32_t>(position % blocks);
        std::atomic<std::uint64_t>& state = view_.state(index);
        // Acquired: the consumer's last look at the block comes before our first write to it.
        if (RingState::kind(state.load(std::memory_order_acquire)) != RingState::free) continue;
        std::atomic<std::uint64_t>* const bitmap = view_.bitmap(index);
        for (std::uint32_t i = 0; i < (view_.geometry().slots + 63) / 64; ++i)
            bitmap[i].store(0, std::memory_order_relaxed);
        RingBlockHeader& header = view_.block_header(index);
        header.base = base;
        header.first_slot = first_slot;
        header.flags = 0;
        // Released: whoever finds it being filled, after our death, finds no packets of before in it.
        state.store(RingState::word(position, RingState::filling), std::memory_order_release);
        next_ = position + 1;
        return index;
    }
    return std::nullopt;
}

std::optional<std::uint32_t> RingWriter::take_back_oldest() noexcept {
    while (const auto oldest = oldest_of(view_, RingState::filled)) {
        std::uint64_t word = RingState::word(oldest->position, RingState::filled);
        if (view_.state(oldest->index)
                .compare_exchange_strong(word, RingState::word(oldest->position, RingState::free),
                                         std::memory_order_acq_rel))
            return view_.block_header(oldest->index).valid_slots;
    }
    return std::nullopt;
}

void RingWriter::hand_over(std::uint32_t block, std::uint32_t first_slot, std::uint32_t end_slot,
                           std::uint32_t valid_slots, std::uint32_t flags) noexcept {
    RingBlockHeader& header = view_.block_header(block);
    header.number = number_++;
    header.first_slot = first_slot;
    header.end_slot = end_slot;
    header.valid_slots = valid_slots;
    header.flags = flags;
    std::atomic<std::uint64_t>& state = view_.state(block);
    const std::uint64_t position = RingState::position(state.load(std::memory_order_relaxed));
    // Released: the packets, and all that the header says, come before it.
    state.store(RingState::word(position, RingState::filled), std::memory_order_release);
    seat_->own().blocks.store(number_, std::memory_order_relaxed);
    seat_->notify();
}

void RingWriter::discard(std::uint32_t block) noexcept {
    std::atomic<std::uint64_t>& state = view_.state(block);
    state.store(RingState::word(RingState::position(state.load(std::memory_order_relaxed)), RingState::free),
                std::memory_order_release);
}

bool RingWriter::has_free() const noexcept {
    const std::uint32_t blocks = view_.geometry().blocks;
    for (std::uint64_t position = next_; position < next_ + blocks; ++position) {
        const auto index = static_cast<std::uint32_t>(position % blocks);
        if (RingState::kind(view_.state(index).load(std::memory_order_relaxed)) == RingState::free) return true;
    }
    return false;
}

bool RingWriter::wait_for_free(std::chrono::nanoseconds timeout, std::stop_token stop) const noexcept {
    if (has_free()) return true;
    if (timeout <= std::chrono::nanoseconds::zero()) return false;
    const Deadline deadline{timeout};
    const SeatStop stop_wake{stop, *seat_};
    for (;;) {
        const std::uint32_t seen = seat_->other().events.load(std::memory_order_seq_cst);
        if (has_free()) return true;
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
