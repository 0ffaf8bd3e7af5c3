// SPDX-License-Identifier: Apache-2.0
// SequenceTracker: tells from a stream of sequence numbers what is missing, reordered and duplicated.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace example {

/// Remembers which of the last `window` numbers below the highest have come. Numbers count from the
/// first one seen; a number from before the window, or far ahead of it, is a sender that started anew.
class SequenceTracker {
public:
    /// A jump ahead by more than this isn't loss.
    static constexpr std::uint64_t longest_gap = std::uint64_t{1} << 32;

    /// `window` a power of two, at least 64.
    explicit SequenceTracker(std::size_t window = 64 * 1024) : mask_{window - 1}, words_(window / 64) {}

    void add(std::uint64_t number) {
        ++received_;
        if (empty_) return start(number);
        if (number > highest_) {
            if (number - highest_ > longest_gap) return restart(number);
            clear(highest_ + 1, number - highest_);
            highest_ = number;
            set(number);
        } else if (highest_ - number > mask_) {
            restart(number);
        } else if (test(number)) {
            ++duplicated_;
        } else {
            ++reordered_;
            set(number);
            if (number < first_) first_ = number;
        }
    }

    /// All numbers that were added.
    std::uint64_t received() const noexcept { return received_; }
    /// Numbers between the first and the highest that have not come (yet).
    std::uint64_t missing() const noexcept { return missing_before_ + missing_now(); }
    /// Numbers that came after a higher one.
    std::uint64_t reordered() const noexcept { return reordered_; }
    /// Numbers that had come before.
    std::uint64_t duplicated() const noexcept { return duplicated_; }
    std::uint64_t restarts() const noexcept { return restarts_; }

private:
    std::uint64_t missing_now() const noexcept { return empty_ ? 0 : highest_ - first_ + 1 - distinct_; }

    void start(std::uint64_t number) {
        empty_ = false;
        words_.assign(words_.size(), 0);
        first_ = highest_ = number;
        distinct_ = 0;
        set(number);
    }
    void restart(std::uint64_t number) {
        missing_before_ += missing_now();
        ++restarts_;
        start(number);
    }

    bool test(std::uint64_t number) const { return (word(number) >> (number & 63) & 1) != 0; }
    void set(std::uint64_t number) {
        words_[(number & mask_) / 64] |= bit(number);
        ++distinct_;
    }
    void clear(std::uint64_t number, std::uint64_t count) {
        if (count > mask_) return words_.assign(words_.size(), 0);
        for (; count > 0; --count, ++number) words_[(number & mask_) / 64] &= ~bit(number);
    }
    std::uint64_t word(std::uint64_t number) const { return words_[(number & mask_) / 64]; }
    static std::uint64_t bit(std::uint64_t number) { return std::uint64_t{1} << (number & 63); }

    std::uint64_t mask_;
    std::vector<std::uint64_t> words_;
    bool empty_ = true;
    std::uint64_t first_ = 0;
    std::uint64_t highest_ = 0;
    std::uint64_t distinct_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t missing_before_ = 0;
    std::uint64_t reordered_ = 0;
    std::uint64_t duplicated_ = 0;
    std::uint64_t restarts_ = 0;
};

}  // namespace example
