// SPDX-License-Identifier: Apache-2.0
// SequenceCounter: tells from a stream of numbers what is missing, reordered and duplicated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <pktverbs/export.hpp>
#include <pktverbs/ring/sequence_field.hpp>
#include <pktverbs/ring/sequence_tracker.hpp>

namespace pktverbs {

/// Remembers which of the last `window` sequence numbers have come. Counts from the first number on. For one thread at
/// a time.
class SequenceCounter {
public:
    /// `field` says how far numbers count and by how much they grow. `window` is a power of two, at least 64. Numbers
    /// from before it, and gaps longer than it, are believed when the next number is near.
    PKTVERBS_EXPORT explicit SequenceCounter(const SequenceField& field = {}, std::size_t window = 64 * 1024);

    void add(std::uint64_t number) noexcept {
        ++received_;
        const auto [verdict, sequence] = tracker_.next(number);
        if (verdict == SequenceTracker::Verdict::in_sequence) [[likely]]
            note(sequence);
        else
            note_far(number, verdict, sequence);
    }

    /// All numbers that were added.
    std::uint64_t received() const noexcept { return received_; }
    /// Sequence numbers between the first and the highest that have not come (yet).
    std::uint64_t missing() const noexcept { return missing_before_ + missing_now(); }
    /// Numbers that came after a higher one.
    std::uint64_t reordered() const noexcept { return reordered_; }
    /// Numbers that had come before.
    std::uint64_t duplicated() const noexcept { return duplicated_; }
    /// Numbers from nowhere near, that no other one followed: duplicates of long ago, or not the sender's.
    std::uint64_t wild() const noexcept { return wild_; }
    /// Times that the sender began anew.
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
    /// So many behind the highest, which are to be the newest.
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
    std::uint64_t distinct_ = 0;  ///< that have come, from first_ to highest_
    std::uint64_t last_wild_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t missing_before_ = 0;  ///< of senders that have begun anew since
    std::uint64_t reordered_ = 0;
    std::uint64_t duplicated_ = 0;
    std::uint64_t wild_ = 0;
    std::uint64_t restarts_ = 0;
};

}  // namespace pktverbs
