// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/ring_reader.hpp>

#include <utility>

#include "base/deadline.hpp"
#include "base/process_id.hpp"
#include "ring/consumer_seat.hpp"
#include "ring/ring_states.hpp"

namespace pktverbs {

namespace {

constexpr std::uint32_t polls_per_look = 1024;  ///< for readers that never wait, or too briefly

}  // namespace

void RingBlock::give_back() noexcept {
    const std::shared_ptr<ConsumerSeat> seat = std::move(seat_);
    if (!seat || process_ != process_id()) return;
    seat->let_go(index_);
    // Release: our last read of the block comes before the producer's first write. Only if it is still ours: the other
    // side may have overwritten its state, and it may be in use again.
    view_->state(index_).change(RingState::word(number_, RingState::reading), RingState::freed(number_),
                                std::memory_order_release);
    seat->own().blocks.fetch_add(1, std::memory_order_relaxed);
    seat->notify();
}

RingReader::RingReader(const BlockRing& ring)
    : seat_{std::make_shared<ConsumerSeat>(ring.mapping_)}, view_{seat_->view()} {
    const RingSide& producer = seat_->other();
    known_deaths_ = producer.deaths.load(std::memory_order_relaxed);
    // A producer that is already dead is news, too.
    if (producer.state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(RingPeer::died)) --known_deaths_;
}

RingReader::RingReader(RingReader&&) noexcept = default;
RingReader& RingReader::operator=(RingReader&&) noexcept = default;
RingReader::~RingReader() = default;

bool RingReader::take(RingBlock& block, std::uint32_t index, std::uint64_t number) noexcept {
    // Acquire: packets are read after it. Only the producer competes, to take the block back.
    if (seat_->is_held(index) ||
        !view_.state(index).change(RingState::word(number, RingState::filled),
                                   RingState::word(number, RingState::reading), std::memory_order_acquire))
        return false;
    seat_->hold(index);
    seat_->use();
    next_number_ = number + 1;
    next_index_ = index + 1 == view_.geometry().blocks ? 0 : index + 1;
    block.seat_ = seat_;
    block.process_ = process_id();
    block.view_ = &seat_->view();
    const RingGeometry& geometry = view_.geometry();
    block.slots_ = {.infos = view_.slot_infos(index),
                    .headers = view_.headers(index),
                    .payloads = view_.payloads(index),
                    .count = geometry.block_slots,
                    .header_bytes = geometry.header_bytes,
                    .payload_bytes = geometry.payload_bytes,
                    .header_stride = geometry.header_stride,
                    .payload_stride = geometry.payload_stride};
    block.index_ = index;
    block.number_ = number;
    block.bitmap_ = seat_->bitmap(index);
    const RingBlockHeader header = view_.block_header(index).load();
    block.header_ = header;
    if (header.end_slot <= view_.geometry().block_slots && header.first_slot <= header.end_slot &&
        seat_->copy_bitmap(index, header.first_slot, header.end_slot) == header.valid_slots) [[likely]] {
        block.outcome_ = RingOutcome::block;
    } else {
        block.give_back();
        block.outcome_ = RingOutcome::corrupt;
    }
    return true;
}

/// Blocks are usually filled in order.
bool RingReader::take_expected(RingBlock& block) noexcept {
    const std::uint64_t expected = RingState::word(next_number_, RingState::filled);
    return view_.state(next_index_).load(std::memory_order_relaxed) == expected &&
           take(block, next_index_, next_number_);
}

bool RingReader::take_oldest(RingBlock& block) noexcept {
    const auto oldest_filled = [&] {
        return oldest_of(view_, RingState::filled, [&](std::uint32_t index) { return !seat_->is_held(index); });
    };
    // If a block can't be taken, the producer has just taken it back. It cannot do that forever.
    for (std::uint32_t tries = 0; tries < view_.geometry().blocks; ++tries) {
        auto oldest = oldest_filled();
        // Two may have been handed over meanwhile, the first in a place that we had already checked. Now it is visible.
        if (oldest && oldest->number != next_number_) oldest = oldest_filled();
        if (!oldest) break;
        if (take(block, oldest->index, oldest->number)) return true;
    }
    return false;
}

/// How the producer ended, if not yet reported.
RingReader::News RingReader::news() const noexcept {
    const RingSide& producer = seat_->other();
    News news{.deaths = producer.deaths.load(std::memory_order_relaxed),
              .generation = producer.generation.load(std::memory_order_relaxed)};
    const auto state = static_cast<RingPeer>(producer.state.load(std::memory_order_acquire));
    if (news.deaths != known_deaths_)
        news.outcome = RingOutcome::producer_died;
    else if (state == RingPeer::ended && news.generation != told_generation_)
        news.outcome = RingOutcome::finished;
    return news;
}

RingOutcome RingReader::report(const News& news) noexcept {
    if (news.outcome == RingOutcome::finished) told_generation_ = news.generation;
    if (news.outcome == RingOutcome::producer_died) known_deaths_ = news.deaths;
    return news.outcome;
}

/// Only if the expected block is not there. The producer counts blocks after it has handed them over, so as long as
/// its count is what we have read, there is none elsewhere. The count may be wrong, if it died before it counted or is
/// faulty: so once in a while, and before its end is reported, all states are read.
RingOutcome RingReader::poll(RingBlock& block) noexcept {
    const bool must_look = ++empty_polls_ % polls_per_look == 0;
    if (must_look) seat_->look();
    // Read the news first, report it last: blocks handed over before the end must be found.
    const News now = news();
    if (now.outcome == RingOutcome::timeout && !must_look &&
        seat_->other().blocks.load(std::memory_order_acquire) == next_number_) [[likely]]
        return RingOutcome::timeout;
    return take_oldest(block) ? block.outcome_ : report(now);
}

RingOutcome RingReader::wait(RingBlock& block, std::chrono::nanoseconds timeout, const std::stop_token& stop) noexcept {
    if (++empty_polls_ % polls_per_look == 0) seat_->look();
    const Deadline deadline{timeout};
    const SeatStop stop_wake{stop, *seat_};
    for (SeatWait wait{*seat_};;) {
        const std::uint32_t seen = wait.begin();
        const News now = news();
        if (take_expected(block) || take_oldest(block)) return block.outcome_;
        if (now.outcome != RingOutcome::timeout) return report(now);
        if (stop.stop_requested()) return RingOutcome::stopped;
        if (deadline.passed()) return RingOutcome::timeout;
        wait.sleep(seen, deadline);
    }
}

RingBlock RingReader::next(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    RingBlock block;
    if (stop.stop_requested())
        block.outcome_ = RingOutcome::stopped;
    else if (!take_expected(block))
        block.outcome_ = timeout > std::chrono::nanoseconds::zero() ? wait(block, timeout, stop) : poll(block);
    return block;
}

RingPeer RingReader::producer() const noexcept { return seat_->look(); }

std::string_view to_string(RingOutcome outcome) noexcept {
    switch (outcome) {
        case RingOutcome::block:
            return "block";
        case RingOutcome::timeout:
            return "timeout";
        case RingOutcome::stopped:
            return "stopped";
        case RingOutcome::finished:
            return "finished";
        case RingOutcome::producer_died:
            return "producer died";
        case RingOutcome::corrupt:
            return "corrupt";
    }
    return "?";
}

}  // namespace pktverbs
