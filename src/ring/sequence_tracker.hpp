// SPDX-License-Identifier: Apache-2.0
// SequenceTracker: follows a wrapping number through reordering, gaps and restarts.
#pragma once

#include <bit>
#include <cstdint>

#include <pktverbs/ring/sequence_field.hpp>

namespace pktverbs {

/// Turns a field's numbers into sequence numbers of 64 bits that don't wrap. No number moves it far by itself: one that
/// is further than `jump_limit` packets from the newest is wild until the next one is near it (as RTP receivers do,
/// RFC 3550 appendix A.1). Then the sequence begins anew there.
class SequenceTracker {
public:
    enum class Verdict : std::uint8_t { in_sequence, restarted, wild, not_matching };
    struct Result {
        Verdict verdict;
        std::uint64_t sequence;
    };

    SequenceTracker(const SequenceField& field, std::uint64_t jump_limit) noexcept
        : first_{field.first},
          most_{field.most()},
          unused_bits_{static_cast<unsigned>(std::countl_zero(field.most()))},
          divisor_{static_cast<std::int64_t>(field.divisor)},
          jump_limit_{jump_limit} {}

    /// May be told the same number twice.
    Result next(std::uint64_t number) noexcept {
        const std::uint64_t value = value_of(number);
        if (!started_) [[unlikely]]
            return start(value, value);
        const std::int64_t place = newest_ + distance(value, newest_value_);
        std::int64_t sequence = place;
        if (divisor_ != 1) {
            sequence = place / divisor_;
            if (sequence * divisor_ != place) [[unlikely]]
                return {Verdict::not_matching, 0};
        }
        const std::int64_t step = sequence - newest_sequence_;
        if (static_cast<std::uint64_t>(step + jump_limit_) > 2 * jump_limit_) [[unlikely]]
            return wild(value, place);
        has_candidate_ = false;
        if (step > 0) {
            newest_ = place;
            newest_value_ = value;
            newest_sequence_ = sequence;
            late_run_ = 0;
        }
        return {Verdict::in_sequence, static_cast<std::uint64_t>(sequence)};
    }

    /// For numbers that follow each other: the next packet is `sequence` and has the number `value` (less first,
    /// masked).
    std::uint64_t next_sequence() const noexcept { return static_cast<std::uint64_t>(newest_sequence_) + 1; }
    std::uint64_t next_value() const noexcept { return value_after(newest_value_); }
    std::uint64_t value_of(std::uint64_t number) const noexcept { return (number - first_) & most_; }
    std::uint64_t value_after(std::uint64_t value) const noexcept {
        return (value + static_cast<std::uint64_t>(divisor_)) & most_;
    }
    /// So many of them came.
    void skip(std::uint64_t count) noexcept {
        newest_ += static_cast<std::int64_t>(count) * divisor_;
        newest_value_ = static_cast<std::uint64_t>(newest_) & most_;
        newest_sequence_ += static_cast<std::int64_t>(count);
        has_candidate_ = false;
        late_run_ = 0;
    }

    /// The packet of this number came late. After so many in a row that it must be the sender that went back, the
    /// sequence begins anew with it.
    Result late(std::uint64_t number) noexcept {
        if (++late_run_ < late_limit) return {Verdict::in_sequence, 0};
        const std::uint64_t value = value_of(number);
        return restart(value, value);
    }

private:
    static constexpr std::uint32_t late_limit = 64;

    /// From b to a, the shorter way round.
    std::int64_t distance(std::uint64_t a, std::uint64_t b) const noexcept {
        return static_cast<std::int64_t>((a - b) << unused_bits_) >> unused_bits_;
    }
    Result start(std::uint64_t value, std::uint64_t place) noexcept {
        const auto signed_place = static_cast<std::int64_t>(place);
        const std::int64_t sequence = signed_place / divisor_;
        if (sequence * divisor_ != signed_place) return {Verdict::not_matching, 0};
        started_ = true;
        has_candidate_ = false;
        late_run_ = 0;
        newest_ = signed_place;
        newest_value_ = value;
        newest_sequence_ = sequence;
        return {Verdict::in_sequence, static_cast<std::uint64_t>(sequence)};
    }
    Result restart(std::uint64_t value, std::uint64_t place) noexcept {
        Result result = start(value, place);
        if (result.verdict == Verdict::in_sequence) result.verdict = Verdict::restarted;
        return result;
    }
    Result wild(std::uint64_t value, std::int64_t place) noexcept {
        const std::int64_t apart = distance(value, candidate_) / divisor_;
        const bool follows =
            has_candidate_ && apart != 0 && static_cast<std::uint64_t>(apart + jump_limit_) <= 2 * jump_limit_;
        candidate_ = value;
        has_candidate_ = true;
        if (!follows) return {Verdict::wild, 0};
        // Ahead, numbers go on growing; back, they begin as if nothing had been.
        return restart(value, place > newest_ ? static_cast<std::uint64_t>(place) : value);
    }

    std::uint64_t first_;
    std::uint64_t most_;
    unsigned unused_bits_;
    std::int64_t divisor_;
    std::uint64_t jump_limit_;
    std::int64_t newest_ = 0;         ///< the field's number, as if it did not wrap
    std::uint64_t newest_value_ = 0;  ///< the same, as it was
    std::int64_t newest_sequence_ = 0;
    std::uint64_t candidate_ = 0;  ///< the last wild one
    std::uint32_t late_run_ = 0;
    bool started_ = false;
    bool has_candidate_ = false;
};

}  // namespace pktverbs
