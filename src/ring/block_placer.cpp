// SPDX-License-Identifier: Apache-2.0
#include "ring/block_placer.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

namespace pktverbs {

namespace {

/// Calls `change(word, bits, how many)` for every word of a bitmap in which [begin, begin + count) has bits.
template <class Change>
void for_bits(std::uint32_t begin, std::uint32_t count, Change&& change) {
    for (const std::uint32_t end = begin + count; begin < end;) {
        const std::uint32_t in_word = std::min(64 - begin % 64, end - begin);
        change(begin / 64, ~std::uint64_t{0} >> (64 - in_word) << begin % 64, in_word);
        begin += in_word;
    }
}

}  // namespace

BlockPlacer::BlockPlacer(const BlockRing& ring, const RingReceiverOptions& options, std::uint32_t packets)
    : writer_{ring},
      view_{writer_.view()},
      when_full_{options.when_full},
      slots_{view_.geometry().block_slots},
      words_{(slots_ + 63) / 64},
      reorder_window_{options.sequence ? options.reorder_window : 0},
      // Room for all blocks that may be open at once: the reorder window, and as many blocks ahead of it.
      window_(std::bit_ceil((reorder_window_ + slots_ - 1) / slots_ + view_.geometry().blocks + 2),
              RingSlotIndex::nowhere),
      blocks_(view_.geometry().blocks),
      claimed_(std::size_t{view_.geometry().blocks} * words_),
      busy_(claimed_.size()),
      busy_count_(view_.geometry().blocks),
      parked_{view_.geometry(), packets} {
    moves_.reserve(packets);
}

void BlockPlacer::copy(const RingSlotIndex& to, const std::uint8_t* header, const std::uint8_t* payload,
                       std::uint32_t length) noexcept {
    const std::uint32_t header_bytes = std::min(length, view_.geometry().header_bytes);
    if (header_bytes != 0) std::memcpy(header_of(to), header, header_bytes);
    if (length != header_bytes) std::memcpy(payload_of(to), payload, length - header_bytes);
    ++stats.copied;
}

/// The packet is in its slot.
void BlockPlacer::settle(const RingSlotIndex& at, const RingSlot& info) noexcept {
    writer_.set_valid(at.block, at.slot, info);
    Block& block = blocks_[at.block];
    complete_ |= ++block.settled + block.first == slots_;
    ++settled_;
    ++stats.placed;
    stats.bytes += info.length;
}

void BlockPlacer::vacate(const RingSlotIndex& landed) noexcept {
    if (landed.is_nowhere()) return;
    word(busy_, landed) &= ~bit(landed.slot);
    --busy_count_[landed.block];
    if (parked_.contains(landed)) [[unlikely]]
        unpark(landed, landed);
}

void BlockPlacer::put(const Packet& packet, const RingSlotIndex& to) noexcept {
    copy(to, packet.header, packet.payload, packet.info.length);
    settle(to, packet.info);
    vacate(packet.landed);
}

void BlockPlacer::finish_moves() noexcept {
    for (; !moves_.empty(); moves_.pop_back()) {
        const Move& move = moves_.back();
        if (is_busy(move.to))
            park(move);
        else
            put(move.packet, move.to);
    }
}

void BlockPlacer::park(const Move& move) noexcept {
    parked_.add(move.to, move.packet.info, move.packet.header, move.packet.payload);
    vacate(move.packet.landed);
}

/// The slot `to` is free, and takes the packet that waits for the slot `at`.
void BlockPlacer::unpark(const RingSlotIndex& at, const RingSlotIndex& to) noexcept {
    const ParkedPackets::Parked packet = parked_.take(at);
    copy(to, packet.header(), packet.payload(), packet.info.length);
    settle(to, packet.info);
}

/// If the next number's slot is in an open block, packets may follow there.
void BlockPlacer::begin_run() noexcept {
    run_.left = 0;
    // A number that closed blocks, and then found no free one, has not moved the end.
    if (static_cast<std::int64_t>(end_ - (base_ + resume_)) < 0) return;
    std::uint64_t slot = end_ - base_;
    std::uint64_t i = 0;
    for (; slot >= slots_; slot -= slots_) ++i;
    if (!is_open(i)) return;
    run_.next = end_;
    run_.left = std::min(slots_ - slot, base_ + slots_ + reorder_window_ - end_);
    run_.at = {window_at(i), static_cast<std::uint32_t>(slot)};
    run_.payload = reinterpret_cast<std::uint64_t>(payload_of(run_.at));
    run_.infos = view_.slot_infos(run_.at.block) + slot;
}

void BlockPlacer::note_run() noexcept {
    const std::uint32_t count = std::exchange(run_count_, 0);
    if (count == 0) return;
    const std::uint32_t index = run_.at.block;
    std::uint64_t* const claimed = &claimed_[std::size_t{index} * words_];
    std::uint64_t* const busy = &busy_[std::size_t{index} * words_];
    for_bits(run_.at.slot - count, count, [&](std::uint32_t word, std::uint64_t bits, std::uint32_t in_word) {
        claimed[word] |= bits;
        // All of a run's packets were received into their slots, or none into any.
        assert((busy[word] & bits) == bits || (busy[word] & bits) == 0);
        if ((busy[word] & bits) != 0) busy_count_[index] -= in_word;
        busy[word] &= ~bits;
        writer_.set_valid_bits(index, word, bits);
    });
    Block& block = blocks_[index];
    block.claimed += count;
    block.settled += count;
    complete_ |= block.settled + block.first == slots_;
    settled_ += count;
    stats.placed += count;
    stats.bytes += std::exchange(run_bytes_, 0);
}

/// Frees a block for position `i` of the window: one that only aims opened, or the consumer's oldest.
bool BlockPlacer::make_room(std::uint64_t i) noexcept {
    for (std::uint64_t ahead = count_; ahead-- > i + 1;) {
        std::uint32_t& index = window_at(ahead);
        if (index == RingSlotIndex::nowhere || blocks_[index].claimed != 0) continue;
        if (index == run_.at.block) run_.left = 0;
        if (index == aims_.block) aims_left_ = 0;
        writer_.discard(std::exchange(index, RingSlotIndex::nowhere));
        return true;
    }
    if (when_full_ != WhenFull::overwrite) return false;
    const auto packets = writer_.take_back_oldest();
    if (!packets) return false;
    ++stats.overwritten_blocks;
    stats.overwritten_packets += *packets;
    return true;
}

bool BlockPlacer::open(std::uint64_t i, bool for_packet) noexcept {
    while (count_ <= i) window_at(count_++) = RingSlotIndex::nowhere;
    if (window_at(i) != RingSlotIndex::nowhere) [[likely]]
        return true;
    const std::uint32_t first = i == 0 ? resume_ : 0;
    const std::uint64_t base = base_ + i * slots_;
    std::optional<std::uint32_t> index;
    if (for_packet) {
        if (no_free_block_) return false;
        index = writer_.open(base, first);
        if (!index && make_room(i)) index = writer_.open(base, first);
        no_free_block_ = !index;
    } else {
        if (no_block_to_aim_) return false;
        // Packets will arrive for the blocks before this one: those must exist.
        std::uint64_t wanted = 1;
        for (std::uint64_t before = 0; before < i; ++before) wanted += window_at(before) == RingSlotIndex::nowhere;
        if (writer_.has_free(static_cast<std::uint32_t>(wanted) + 1)) index = writer_.open(base, first);
        no_block_to_aim_ = !index;
    }
    if (!index) return false;
    std::fill_n(&claimed_[std::size_t{*index} * words_], words_, 0);
    blocks_[*index] = {.first = first};
    window_at(i) = *index;
    return true;
}

BlockPlacer::Placed BlockPlacer::place(std::uint64_t sequence, const Packet& packet) noexcept {
    note_run();
    if (complete_) close_complete();
    if (!started_) [[unlikely]] {
        base_ = sequence - sequence % slots_;
        end_ = aimed_end_ = sequence;
        resume_ = 0;
        started_ = starting_ = true;
    }
    const auto past = [&](std::uint64_t mark) { return static_cast<std::int64_t>(sequence - mark) >= 0; };
    if (past(base_ + slots_ + reorder_window_)) [[unlikely]]
        if (!advance(sequence)) return Placed::no_block;
    if (!past(base_ + resume_)) [[unlikely]]
        return Placed::late;
    std::uint64_t offset = sequence - base_;
    std::uint64_t i = 0;
    for (; offset >= slots_; offset -= slots_) ++i;
    if (!is_open(i) && !open(i, true)) [[unlikely]]
        return Placed::no_block;
    // Not earlier: the block of a packet that has to wait must not be closed.
    if (past(end_)) end_ = sequence + 1;
    const RingSlotIndex to{window_at(i), static_cast<std::uint32_t>(offset)};
    Block& block = blocks_[to.block];
    if (starting_) [[unlikely]] {
        block.floating = true;
        block.first = slots_;
        starting_ = false;
    }
    if (block.floating) [[unlikely]]
        block.first = std::min(block.first, to.slot);
    std::uint64_t& claims = word(claimed_, to);
    if ((claims & bit(to.slot)) != 0) [[unlikely]]
        return Placed::duplicate;
    claims |= bit(to.slot);
    ++block.claimed;
    if (packet.landed == to) [[likely]] {
        word(busy_, to) &= ~bit(to.slot);
        --busy_count_[to.block];
        settle(to, packet.info);
    } else if (is_busy(to)) {
        moves_.push_back({packet, to});
    } else {
        put(packet, to);
    }
    if (complete_) [[unlikely]]
        close_complete();
    if (sequence + 1 == end_) begin_run();
    return Placed::placed;
}

void BlockPlacer::end_batch() noexcept {
    note_run();
    finish_moves();
    if (complete_) close_complete();
}

void BlockPlacer::close_complete() noexcept {
    complete_ = false;
    while (count_ != 0 && window_at(0) != RingSlotIndex::nowhere) {
        const Block& block = blocks_[window_at(0)];
        if (block.settled + block.first != slots_ || block.settled == 0) break;
        close_front(slots_);
    }
}

/// A number arrived that closes blocks.
bool BlockPlacer::advance(std::uint64_t sequence) noexcept {
    std::uint64_t blocks = (sequence - reorder_window_ - slots_ - base_) / slots_ + 1;
    for (; blocks != 0 && count_ != 0; --blocks)
        if (!close_front(slots_)) return false;
    if (blocks != 0) {
        stats.skipped += blocks * slots_ - resume_;
        resume_ = 0;
        base_ += blocks * slots_;
    }
    return true;
}

/// Hands over the first block of the window, with its slots below `end`; if there are more, the block continues.
bool BlockPlacer::close_front(std::uint32_t end) noexcept {
    std::uint32_t& index = window_at(0);
    if (index == run_.at.block) run_.left = 0;
    if (index == aims_.block) aims_left_ = 0;
    if (index != RingSlotIndex::nowhere && blocks_[index].claimed != blocks_[index].settled) {
        finish_moves();
        // The remaining packets wait for posted receives.
        if (blocks_[index].claimed != blocks_[index].settled && !relocate(index)) {
            if (when_full_ == WhenFull::wait && writer_.consumer_has_blocks()) return false;
            drop_parked(index);
        }
    }
    if (index == RingSlotIndex::nowhere) {
        stats.skipped += end - std::min(end, resume_);
    } else if (blocks_[index].settled == 0) {
        stats.skipped += end - std::min(end, blocks_[index].first);
        writer_.discard(index);
    } else {
        hand_over(index, end);
    }
    index = RingSlotIndex::nowhere;
    resume_ = end;
    if (end == slots_) {
        ++head_;
        --count_;
        base_ += slots_;
        resume_ = 0;
    }
    return true;
}

void BlockPlacer::hand_over(std::uint32_t index, std::uint32_t end) noexcept {
    const Block& block = blocks_[index];
    writer_.hand_over(index, block.first, end, block.settled,
                      std::exchange(discontinuous_, false) ? RingBlockHeader::flag_discontinuous : 0);
    settled_ -= block.settled;
    ++stats.blocks;
    stats.block_slots += end - block.first;
    stats.missing += end - block.first - block.settled;
}

/// A block with parked packets is replaced by one at whose slots no receive is aimed.
bool BlockPlacer::relocate(std::uint32_t& index) noexcept {
    const std::uint32_t from = index;
    auto to = writer_.open(base_, blocks_[from].first, busy_count_);
    if (!to && when_full_ == WhenFull::overwrite && make_room(count_))
        to = writer_.open(base_, blocks_[from].first, busy_count_);
    if (!to) return false;
    blocks_[*to] = blocks_[from];
    std::copy_n(&claimed_[std::size_t{from} * words_], words_, &claimed_[std::size_t{*to} * words_]);
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        const RingSlotIndex old_place{from, slot};
        const RingSlotIndex new_place{*to, slot};
        if ((word(claimed_, old_place) & bit(slot)) == 0) continue;
        if (parked_.contains(old_place)) {
            unpark(old_place, new_place);
        } else {
            const RingSlot info = view_.slot_infos(from)[slot].load();
            const std::uint32_t most = view_.geometry().header_bytes + view_.geometry().payload_bytes;
            copy(new_place, header_of(old_place), payload_of(old_place), std::min(info.length, most));
            writer_.set_valid(*to, slot, info);
        }
    }
    writer_.discard(from);
    index = *to;
    return true;
}

void BlockPlacer::drop_parked(std::uint32_t index) noexcept {
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
        const RingSlotIndex at{index, slot};
        if (!parked_.contains(at)) continue;
        parked_.take(at);
        --blocks_[index].claimed;
        ++stats.no_block;
    }
}

bool BlockPlacer::flush() noexcept {
    note_run();
    finish_moves();
    close_complete();
    while (started_ && static_cast<std::int64_t>(end_ - (base_ + resume_)) > 0) {
        if (count_ == 0) window_at(count_++) = RingSlotIndex::nowhere;
        if (!close_front(static_cast<std::uint32_t>(std::min<std::uint64_t>(slots_, end_ - base_)))) return false;
    }
    return true;
}

bool BlockPlacer::restart() noexcept {
    if (!flush()) return false;
    for (; count_ != 0; --count_, ++head_)
        if (window_at(0) != RingSlotIndex::nowhere) writer_.discard(window_at(0));
    started_ = false;
    run_.left = 0;
    aims_left_ = 0;
    discontinuous_ = true;
    ++stats.restarts;
    return true;
}

/// How many slots from this one on are not busy, up to the first that is.
std::uint32_t BlockPlacer::free_from(const RingSlotIndex& at) const noexcept {
    for (std::uint32_t slot = at.slot; slot < slots_; slot += 64 - slot % 64) {
        const std::uint64_t busy = busy_[std::size_t{at.block} * words_ + slot / 64] >> slot % 64;
        if (busy != 0) return slot + static_cast<std::uint32_t>(std::countr_zero(busy)) - at.slot;
    }
    return slots_ - at.slot;
}

BlockPlacer::Target BlockPlacer::aim(std::uint64_t posted_before) noexcept {
    const std::uint64_t sequence = end_ + posted_before;
    if (sequence != aimed_end_ || aims_left_ == 0) {
        aims_left_ = 0;
        // Behind the aim: a packet arrived twice, and the receive that it used is one too many.
        if (!started_ || static_cast<std::int64_t>(sequence - aimed_end_) < 0) return {};
        aimed_end_ = sequence + 1;
        const std::uint64_t offset = sequence - base_;
        const std::uint64_t i = offset / slots_;
        if (i >= window_.size() - 1 || (!is_open(i) && !open(i, false))) return {};
        aims_ = {window_at(i), static_cast<std::uint32_t>(offset - i * slots_)};
        // No number this high has arrived: so the slots are free, unless an earlier aim was wrong.
        aims_left_ = busy_count_[aims_.block] == 0 ? slots_ - aims_.slot : free_from(aims_);
        if (aims_left_ == 0) return {};
        aimed_end_ = sequence;
    }
    return {header_of(aims_), payload_of(aims_), aims_left_};
}

void BlockPlacer::aimed(std::uint32_t count) noexcept {
    for_bits(aims_.slot, count, [&](std::uint32_t word, std::uint64_t bits, std::uint32_t) {
        busy_[std::size_t{aims_.block} * words_ + word] |= bits;
    });
    busy_count_[aims_.block] += count;
    aims_.slot += count;
    aims_left_ -= count;
    aimed_end_ += count;
}

}  // namespace pktverbs
