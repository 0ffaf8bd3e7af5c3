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
      blocks_(view_.geometry().blocks),
      number_{next_number(view_)} {
    // An opened block loses its number: if the number was not counted before, it would be used again.
    seat_->own().blocks.store(number_, std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < blocks_.size(); ++i) {
        const std::uint64_t word = view_.state(i).load(std::memory_order_acquire);
        const RingState::Kind kind = RingState::kind(word);
        if (kind != RingState::filled && kind != RingState::reading) continue;
        blocks_[i].kind = Block::Kind::given;
        blocks_[i].number = RingState::number(word);
        blocks_[i].packets = std::min(view_.block_header(i).load().valid_slots, view_.geometry().block_slots);
    }
}

RingWriter::RingWriter(RingWriter&&) noexcept = default;

RingWriter& RingWriter::operator=(RingWriter&& other) noexcept {
    RingWriter old{std::move(*this)};
    seat_ = std::move(other.seat_);
    view_ = other.view_;
    blocks_ = std::move(other.blocks_);
    cursor_ = other.cursor_;
    opened_ = other.opened_;
    number_ = other.number_;
    return *this;
}

RingWriter::~RingWriter() {
    if (!seat_ || !seat_->is_ours()) return;
    for (std::uint32_t i = 0; i < blocks_.size(); ++i) discard(i);
}

/// Whether the block was handed over and is not being read; `word` is its state then.
bool RingWriter::is_filled(std::uint32_t block, std::uint64_t& word) const noexcept {
    if (blocks_[block].kind != Block::Kind::given) return false;
    word = view_.state(block).load(std::memory_order_relaxed);
    return RingState::kind(word) == RingState::filled;
}

std::optional<std::uint32_t> RingWriter::find_free(std::span<const std::uint32_t> in_use) const noexcept {
    const std::uint32_t blocks = view_.geometry().blocks;
    for (std::uint32_t i = 0, index = cursor_; i < blocks; ++i, index = index + 1 == blocks ? 0 : index + 1)
        if ((index >= in_use.size() || in_use[index] == 0) && is_free(index)) return index;
    return std::nullopt;
}

std::uint32_t RingWriter::free_blocks() const noexcept {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < blocks_.size(); ++i) count += is_free(i) ? 1U : 0U;
    return count;
}

/// The oldest blocks, which are the likeliest to be free, follow the cursor.
bool RingWriter::has_free(std::uint32_t count) const noexcept {
    const std::uint32_t blocks = view_.geometry().blocks;
    for (std::uint32_t left = blocks, index = cursor_; count != 0; index = index + 1 == blocks ? 0 : index + 1) {
        if (left-- == 0) return false;
        if (is_free(index)) --count;
    }
    return true;
}

bool RingWriter::consumer_has_blocks() const noexcept {
    for (std::uint32_t i = 0; i < blocks_.size(); ++i)
        if (blocks_[i].kind == Block::Kind::given && !is_free(i)) return true;
    return false;
}

std::optional<std::uint32_t> RingWriter::open(std::uint64_t base, std::uint32_t first_slot,
                                              std::span<const std::uint32_t> in_use) noexcept {
    const auto index = find_free(in_use);
    if (!index) return std::nullopt;
    RingWord<std::uint64_t>* const bitmap = view_.bitmap(*index);
    for (std::uint32_t i = 0; i < (view_.geometry().block_slots + 63) / 64; ++i)
        bitmap[i].store(0, std::memory_order_relaxed);
    blocks_[*index] = {.base = base, .kind = Block::Kind::open};
    view_.block_header(*index) = {
        .number = 0, .base = base, .first_slot = first_slot, .end_slot = first_slot, .valid_slots = 0, .flags = 0};
    // Release: a process that finds it being filled, after our death, finds no earlier packets in it.
    view_.state(*index).store(RingState::word(opened_++, RingState::filling), std::memory_order_release);
    seat_->use();
    cursor_ = *index + 1 == view_.geometry().blocks ? 0 : *index + 1;
    return index;
}

std::optional<std::uint32_t> RingWriter::take_back_oldest() noexcept {
    // If a block can't be taken, the consumer has just taken it. While it does so others are left, but not forever.
    for (std::uint32_t tries = 0; tries < blocks_.size(); ++tries) {
        std::optional<std::uint32_t> oldest;
        std::uint64_t oldest_word = 0;
        for (std::uint32_t i = 0; i < blocks_.size(); ++i) {
            std::uint64_t word = 0;
            if ((oldest && blocks_[i].number >= blocks_[*oldest].number) || !is_filled(i, word)) continue;
            oldest = i;
            oldest_word = word;
        }
        if (!oldest) break;
        const std::uint64_t freed = RingState::freed(RingState::number(oldest_word));
        if (!view_.state(*oldest).change(oldest_word, freed, std::memory_order_acq_rel)) continue;
        blocks_[*oldest].kind = Block::Kind::ours;
        return blocks_[*oldest].packets;
    }
    return std::nullopt;
}

void RingWriter::hand_over(std::uint32_t block, std::uint32_t first_slot, std::uint32_t end_slot,
                           std::uint32_t valid_slots, std::uint32_t flags) noexcept {
    if (!is_open(block)) return;
    Block& given = blocks_[block];
    given = {.number = number_, .base = given.base, .packets = valid_slots, .kind = Block::Kind::given};
    view_.block_header(block) = {.number = number_,
                                 .base = given.base,
                                 .first_slot = first_slot,
                                 .end_slot = end_slot,
                                 .valid_slots = valid_slots,
                                 .flags = flags};
    // Release: the packets and the header are written before it.
    view_.state(block).store(RingState::word(number_, RingState::filled), std::memory_order_release);
    seat_->own().blocks.store(++number_, std::memory_order_relaxed);
    seat_->notify();
}

void RingWriter::discard(std::uint32_t block) noexcept {
    if (!is_open(block)) return;
    blocks_[block].kind = Block::Kind::ours;
    view_.state(block).store(0, std::memory_order_release);
}

bool RingWriter::wait_for_free(std::chrono::nanoseconds timeout, std::stop_token stop) const noexcept {
    if (find_free()) return true;
    if (timeout <= std::chrono::nanoseconds::zero()) return false;
    const Deadline deadline{timeout};
    const SeatStop stop_wake{stop, *seat_};
    for (SeatWait wait{*seat_};;) {
        const std::uint32_t seen = wait.begin();
        if (find_free()) return true;
        if (stop.stop_requested() || deadline.passed()) return false;
        wait.sleep(seen, deadline);
    }
}

RingPeer RingWriter::consumer() const noexcept { return seat_->look(); }

std::uint64_t RingWriter::consumer_deaths() const noexcept {
    return seat_->other().deaths.load(std::memory_order_relaxed);
}

}  // namespace pktverbs
