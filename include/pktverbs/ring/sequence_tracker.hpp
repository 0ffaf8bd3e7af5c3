// SPDX-License-Identifier: Apache-2.0
// SequenceTracker: follows a wrapping number through reordering, gaps and restarts.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include <pktverbs/ring/sequence_field.hpp>

namespace pktverbs {

/// Turns a field's numbers into sequence numbers of 64 bits that don't wrap: first + sequence * divisor is the number,
/// modulo the field's range. That holds after a wrap, too, where a divisor that is no power of two leaves another
/// remainder every time: an odd number has an inverse modulo a power of two, so each number belongs to one sequence
/// number only, and who joins late needs not know how often the field wrapped.
///
/// No number moves it far by itself: one that is further than `jump_limit` packets from the newest, or that is no
/// multiple of the divisor away from it, is held against the next such one (as RTP receivers do, RFC 3550 appendix
/// A.1). If the two are near each other, the sender began anew, in whatever phase, and the sequence begins anew there.
class SequenceTracker {
public:
    /// `joined` and `restarted` are in sequence, too, and so was the number before, though it was taken for a mistake.
    enum class Verdict : std::uint8_t { in_sequence, joined, restarted, wild, not_matching };
    struct Result {
        Verdict verdict;
        std::uint64_t sequence;
    };

    /// `field` must have passed its check(). Numbers are compared the shorter way round the field, so what is further
    /// than half its range is far, too, whatever `jump_limit` says.
    SequenceTracker(const SequenceField& field, std::uint64_t jump_limit) noexcept
        : first_{field.first},
          max_number_{field.max_number()},
          divisor_{field.divisor},
          unused_bits_{static_cast<unsigned>(std::countl_zero(field.max_number()))},
          even_bits_{static_cast<unsigned>(std::countr_zero(field.divisor))},
          steps_per_{inverse(field.divisor >> even_bits_) << unused_bits_},
          near_{std::min(jump_limit, field.max_number() / field.divisor / 2)} {}

    /// May be told the same number twice.
    Result next(std::uint64_t number) noexcept {
        const std::uint64_t value = value_of(number);
        if (started_) [[likely]] {
            const Distance distance = from(newest_value_, value);
            if (!is_near(distance)) [[unlikely]]
                return far(value);
            has_candidate_ = false;
            if (distance.steps > 0) {
                newest_value_ = value;
                newest_ += static_cast<std::uint64_t>(distance.steps);
                late_run_ = 0;
                return {Verdict::in_sequence, newest_};
            }
            return {Verdict::in_sequence, newest_ + static_cast<std::uint64_t>(distance.steps)};
        }
        return phase_of(value) == 0 ? begin(value, sequence_of(value), Verdict::in_sequence) : far(value);
    }

    /// For numbers that follow each other: the next packet is `sequence` and has the number `value` (less first,
    /// masked).
    std::uint64_t next_sequence() const noexcept { return newest_ + 1; }
    std::uint64_t next_value() const noexcept { return value_after(newest_value_); }
    std::uint64_t value_of(std::uint64_t number) const noexcept { return (number - first_) & max_number_; }
    std::uint64_t value_after(std::uint64_t value) const noexcept { return (value + divisor_) & max_number_; }
    /// So many of them came.
    void skip(std::uint64_t count) noexcept {
        newest_value_ = (newest_value_ + count * divisor_) & max_number_;
        newest_ += count;
        has_candidate_ = false;
        late_run_ = 0;
    }

    /// The packet of this number came late. After so many in a row that it must be the sender that went back, the
    /// sequence begins anew with it.
    Result late(std::uint64_t number) noexcept {
        if (++late_run_ < late_limit) return {Verdict::in_sequence, 0};
        const std::uint64_t value = value_of(number);
        return begin(value, sequence_of(value), Verdict::restarted);
    }

private:
    static constexpr std::uint32_t late_limit = 64;

    /// What number, times `odd`, is 1 modulo 2^64. Newton's iteration doubles the bits that are right; of an odd number
    /// that is its own inverse modulo 8, three are right to begin with.
    static constexpr std::uint64_t inverse(std::uint64_t odd) noexcept {
        std::uint64_t found = odd;
        for (int bits = 3; bits < 64; bits *= 2) found *= 2 - odd * found;
        return found;
    }

    struct Distance {
        std::int64_t steps;  ///< the shorter way round
        bool is_whole;       ///< else there is no such number of steps
    };
    /// Left-aligned, the difference is steps times the divisor modulo 2^64: a multiplication divides it.
    Distance from(std::uint64_t begin, std::uint64_t end) const noexcept {
        const std::uint64_t aligned = (end - begin) * steps_per_;
        const unsigned fraction_bits = unused_bits_ + even_bits_;
        return {static_cast<std::int64_t>(aligned) >> fraction_bits,
                (aligned & ~(~std::uint64_t{0} << fraction_bits)) == 0};
    }
    bool is_near(const Distance& distance) const noexcept {
        return distance.is_whole && static_cast<std::uint64_t>(distance.steps) + near_ <= 2 * near_;
    }
    /// What is left of a number by the even part of the divisor; wraps don't change it.
    std::uint64_t phase_of(std::uint64_t value) const noexcept { return value & ~(~std::uint64_t{0} << even_bits_); }
    std::uint64_t sequence_of(std::uint64_t value) const noexcept {
        return (value - phase_of(value)) * steps_per_ >> (unused_bits_ + even_bits_);
    }

    Result begin(std::uint64_t value, std::uint64_t sequence, Verdict verdict) noexcept {
        started_ = true;
        has_candidate_ = false;
        late_run_ = 0;
        newest_value_ = value;
        newest_ = sequence;
        return {verdict, sequence};
    }
    /// A mistake, or the second packet of a sequence that begins anew.
    Result far(std::uint64_t value) noexcept {
        const Distance apart = from(candidate_, value);
        const bool follows = has_candidate_ && apart.steps != 0 && is_near(apart);
        candidate_ = value;
        has_candidate_ = true;
        if (!follows) return {is_multiple(value) ? Verdict::wild : Verdict::not_matching, 0};
        if (!started_) return begin(value, sequence_of(value), Verdict::joined);
        // Ahead, numbers go on growing; back, they begin as if nothing had been.
        const Distance ahead = from(newest_value_, value);
        const bool goes_on = ahead.is_whole && ahead.steps > 0;
        return begin(value, goes_on ? newest_ + static_cast<std::uint64_t>(ahead.steps) : sequence_of(value),
                     Verdict::restarted);
    }
    /// Of the divisor away from the newest, the shorter way round.
    bool is_multiple(std::uint64_t value) const noexcept {
        const auto apart = static_cast<std::int64_t>((value - newest_value_) << unused_bits_) >> unused_bits_;
        return apart % static_cast<std::int64_t>(divisor_) == 0;
    }

    std::uint64_t first_;
    std::uint64_t max_number_;
    std::uint64_t divisor_;
    unsigned unused_bits_;     ///< of 64, above the field's
    unsigned even_bits_;       ///< the divisor is an odd number times 2 to this
    std::uint64_t steps_per_;  ///< times a difference of numbers: steps, above unused_bits_ + even_bits_ of fraction
    std::uint64_t near_;
    std::uint64_t newest_value_ = 0;  ///< the number of the newest, less first
    std::uint64_t newest_ = 0;
    std::uint64_t candidate_ = 0;  ///< the last number that was far
    std::uint32_t late_run_ = 0;
    bool started_ = false;
    bool has_candidate_ = false;
};

}  // namespace pktverbs
