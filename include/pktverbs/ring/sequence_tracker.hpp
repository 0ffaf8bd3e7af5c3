// SPDX-License-Identifier: Apache-2.0
// SequenceTracker: a wrapping number made into one that does not wrap.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include <pktverbs/ring/sequence_field.hpp>

namespace pktverbs {

/// Turns the wrapping numbers of a stream into 64-bit sequence numbers, through reordering, gaps and restarts.
///
/// The number is first + sequence * divisor, modulo the field's range. That holds after a wrap, too, although a divisor
/// that is not a power of two leaves another remainder each time: an odd number has an inverse modulo a power of two,
/// so each number belongs to one sequence number only, and a receiver that joins late need not know how often the field
/// has wrapped.
///
/// A single number never moves it far: a number more than `jump_limit` packets from the newest, or not a multiple of
/// the divisor away from it, is compared with the next such number (as RTP receivers do, RFC 3550 appendix A.1). If the
/// two are near each other, the sender has started again, and so does the sequence.
class SequenceTracker {
public:
    /// What a number turned out to be. `joined` and `restarted` are in sequence, too, and so was the number before,
    /// which was first taken for a mistake.
    enum class Verdict : std::uint8_t { in_sequence, joined, restarted, wild, not_matching };
    /// A verdict and the sequence number.
    struct Result {
        Verdict verdict;         ///< what the number turned out to be
        std::uint64_t sequence;  ///< its sequence number, if it is in sequence
    };

    /// `field` must have passed check(). Numbers are compared the shorter way round the field, so a number more than
    /// half the range away is far, whatever `jump_limit` is.
    SequenceTracker(const SequenceField& field, std::uint64_t jump_limit) noexcept
        : first_{field.first},
          max_number_{field.max_number()},
          divisor_{field.divisor},
          unused_bits_{static_cast<unsigned>(std::countl_zero(field.max_number()))},
          even_bits_{static_cast<unsigned>(std::countr_zero(field.divisor))},
          steps_per_{inverse(field.divisor >> even_bits_) << unused_bits_},
          near_{std::min(jump_limit, field.max_number() / field.divisor / 2)} {}

    /// Judges the next number. The same number may come twice.
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

    /// Returns the sequence number of the next packet, if packets follow each other; for callers that check a run of
    /// packets themselves.
    std::uint64_t next_sequence() const noexcept { return newest_ + 1; }
    /// Returns the value that the next packet then has.
    std::uint64_t next_value() const noexcept { return value_after(newest_value_); }
    /// Returns the value of a number: less `first`, masked.
    std::uint64_t value_of(std::uint64_t number) const noexcept { return (number - first_) & max_number_; }
    /// Returns the value after another one.
    std::uint64_t value_after(std::uint64_t value) const noexcept { return (value + divisor_) & max_number_; }
    /// Records that the next `count` packets came in order.
    void skip(std::uint64_t count) noexcept {
        newest_value_ = (newest_value_ + count * divisor_) & max_number_;
        newest_ += count;
        has_candidate_ = false;
        late_run_ = 0;
    }

    /// Records that the packet of this number came late. After so many late packets in a row that the sender must have
    /// gone back, the sequence starts again with it.
    Result late(std::uint64_t number) noexcept {
        if (++late_run_ < late_limit) return {Verdict::in_sequence, 0};
        const std::uint64_t value = value_of(number);
        return begin(value, sequence_of(value), Verdict::restarted);
    }

private:
    static constexpr std::uint32_t late_limit = 64;

    /// Returns the inverse of `odd` modulo 2^64. Newton's iteration doubles the bits that are right; an odd number is
    /// its own inverse modulo 8, so three bits are right to begin with.
    static constexpr std::uint64_t inverse(std::uint64_t odd) noexcept {
        std::uint64_t found = odd;
        for (int bits = 3; bits < 64; bits *= 2) found *= 2 - odd * found;
        return found;
    }

    struct Distance {
        std::int64_t steps;  ///< the shorter way round
        bool is_whole;       ///< false: it is no multiple of the divisor
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
    /// The remainder of a number by the even part of the divisor; wraps don't change it.
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
    /// Handles a number that is a mistake, or the second one of a sequence that starts again.
    Result far(std::uint64_t value) noexcept {
        const Distance apart = from(candidate_, value);
        const bool follows = has_candidate_ && apart.steps != 0 && is_near(apart);
        candidate_ = value;
        has_candidate_ = true;
        if (!follows) return {is_multiple(value) ? Verdict::wild : Verdict::not_matching, 0};
        if (!started_) return begin(value, sequence_of(value), Verdict::joined);
        // If they are ahead, numbers keep growing; if back, they start as if there had been none.
        const Distance ahead = from(newest_value_, value);
        const bool goes_on = ahead.is_whole && ahead.steps > 0;
        return begin(value, goes_on ? newest_ + static_cast<std::uint64_t>(ahead.steps) : sequence_of(value),
                     Verdict::restarted);
    }
    /// Whether a value is a multiple of the divisor away from the newest, the shorter way round.
    bool is_multiple(std::uint64_t value) const noexcept {
        const auto apart = static_cast<std::int64_t>((value - newest_value_) << unused_bits_) >> unused_bits_;
        return apart % static_cast<std::int64_t>(divisor_) == 0;
    }

    std::uint64_t first_;
    std::uint64_t max_number_;
    std::uint64_t divisor_;
    unsigned unused_bits_;  ///< above the field's bits in 64
    unsigned even_bits_;    ///< the divisor is an odd number times 2 to this
    std::uint64_t
        steps_per_;  ///< multiplies a difference of numbers to steps, above unused_bits_ + even_bits_ of fraction
    std::uint64_t near_;
    std::uint64_t newest_value_ = 0;  ///< the newest number, less first
    std::uint64_t newest_ = 0;
    std::uint64_t candidate_ = 0;  ///< the last number that was far
    std::uint32_t late_run_ = 0;
    bool started_ = false;
    bool has_candidate_ = false;
};

}  // namespace pktverbs
