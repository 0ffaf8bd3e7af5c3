// SPDX-License-Identifier: Apache-2.0
// SequenceCounter: counts missing, reordered and duplicated sequence numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/ring/sequence_field.hpp>
#include <pktverbs/ring/sequence_tracker.hpp>

namespace pktverbs {

/// Counts the numbers of a stream that are missing, reordered or duplicated.
///
/// It remembers which of the last `window` numbers have come, and counts from the first number on. For one thread at a
/// time.
class SequenceCounter {
public:
    /// `field` gives the range and the step of the numbers. `window` is a power of two, at least 64. A number older
    /// than the window, or after a gap longer than it, is believed when the next number is near it.
    PKTVERBS_EXPORT explicit SequenceCounter(const SequenceField& field = {}, std::size_t window = 64 * 1024);

    /// Counts a number that has come.
    void add(std::uint64_t number) noexcept {
        ++received_;
        const auto [verdict, sequence] = tracker_.next(number);
        if (verdict == SequenceTracker::Verdict::in_sequence) [[likely]]
            note(sequence);
        else
            note_far(number, verdict, sequence);
    }

    /// Returns how many numbers were added.
    std::uint64_t received() const noexcept { return received_; }
    /// Returns how many numbers between the first and the highest have not come yet.
    std::uint64_t missing() const noexcept { return missing_before_ + missing_now(); }
    /// Returns how many numbers came after a higher one.
    std::uint64_t reordered() const noexcept { return reordered_; }
    /// Returns how many numbers had come before.
    std::uint64_t duplicated() const noexcept { return duplicated_; }
    /// Returns how many numbers were far from all others and were not followed by one near them: old duplicates, or
    /// numbers from another sender.
    std::uint64_t wild() const noexcept { return wild_; }
    /// Returns how often the sender started again.
    std::uint64_t restarts() const noexcept { return restarts_; }

private:
    std::uint64_t missing_now() const noexcept { return empty_ ? 0 : highest_ - first_ + 1 - distinct_; }

    void note(std::uint64_t sequence) noexcept {
        if (empty_) [[unlikely]]
            return start(sequence);
        const auto ahead = static_cast<std::int64_t>(sequence - highest_);
        if (ahead > 0) {
            clear(static_cast<std::uint64_t>(ahead));
            highest_ = sequence;
            set(sequence);
        } else if ((word(sequence) & bit(sequence)) != 0) {
            ++duplicated_;
        } else {
            ++reordered_;
            set(sequence);
            if (static_cast<std::int64_t>(sequence - first_) < 0) first_ = sequence;
        }
    }
    PKTVERBS_EXPORT void note_far(std::uint64_t number, SequenceTracker::Verdict verdict,
                                  std::uint64_t sequence) noexcept;
    PKTVERBS_EXPORT void start(std::uint64_t sequence) noexcept;
    /// Clears the next `count` numbers after the highest.
    void clear(std::uint64_t count) noexcept {
        if (count > mask_) return clear_all();
        for (std::uint64_t i = 1; i <= count; ++i) word(highest_ + i) &= ~bit(highest_ + i);
    }
    PKTVERBS_EXPORT void clear_all() noexcept;
    void set(std::uint64_t sequence) noexcept {
        word(sequence) |= bit(sequence);
        ++distinct_;
    }
    std::uint64_t& word(std::uint64_t sequence) noexcept { return words_[(sequence & mask_) / 64]; }
    static std::uint64_t bit(std::uint64_t sequence) noexcept { return std::uint64_t{1} << (sequence & 63); }

    std::uint64_t mask_;
    std::vector<std::uint64_t> words_;
    SequenceTracker tracker_;
    bool empty_ = true;
    std::uint64_t first_ = 0;
    std::uint64_t highest_ = 0;
    std::uint64_t distinct_ = 0;  ///< numbers that have come, from first_ to highest_
    std::uint64_t last_wild_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t missing_before_ = 0;  ///< from senders that have started again since
    std::uint64_t reordered_ = 0;
    std::uint64_t duplicated_ = 0;
    std::uint64_t wild_ = 0;
    std::uint64_t restarts_ = 0;
};

}  // namespace pktverbs
