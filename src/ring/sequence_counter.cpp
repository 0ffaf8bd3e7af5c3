// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/ring/sequence_counter.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs {

namespace {

/// A jump ahead by more than this is not a loss.
constexpr std::uint64_t longest_gap = std::uint64_t{1} << 32;

const SequenceField& checked(const SequenceField& field, std::size_t window) {
    field.check();
    if (!std::has_single_bit(window) || window < 64)
        verbs::throw_message(
            EINVAL, fmt::format("cannot count a sequence: a window of {} is no power of two from 64 on", window));
    return field;
}

}  // namespace

SequenceCounter::SequenceCounter(const SequenceField& field, std::size_t window)
    : mask_{window - 1}, words_(window / 64), tracker_{checked(field, window), window - 1} {}

void SequenceCounter::note_far(std::uint64_t number, SequenceTracker::Verdict verdict,
                               std::uint64_t sequence) noexcept {
    if (verdict == SequenceTracker::Verdict::wild || verdict == SequenceTracker::Verdict::not_matching) {
        ++wild_;
        last_wild_ = number;
        return;
    }
    // The previous number was not a mistake, either.
    --wild_;
    const std::uint64_t first = tracker_.next(last_wild_).sequence;
    if (!empty_ && first - highest_ > longest_gap) {
        missing_before_ += missing_now();
        ++restarts_;
        start(first);
    } else {
        note(first);
    }
    note(sequence);
}

void SequenceCounter::start(std::uint64_t sequence) noexcept {
    empty_ = false;
    clear_all();
    first_ = highest_ = sequence;
    distinct_ = 0;
    set(sequence);
}

void SequenceCounter::clear_all() noexcept { std::ranges::fill(words_, 0); }

}  // namespace pktverbs
