// SPDX-License-Identifier: Apache-2.0
// Histogram: counts numbers of any size, to within 1/128 of each, in memory of one size.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <ranges>
#include <vector>

#include <pktverbs/export.hpp>

namespace pktverbs {

/// Counts 64-bit numbers, such as latencies in nanoseconds, to within 1/128 of each.
///
/// Log-linear, as HdrHistogram: from each power of two to the next, 128 buckets of the same width; numbers below 256
/// have a bucket each. A value; it takes 58 KiB, whatever is recorded, and record() allocates nothing. For one thread
/// at a time: give each thread its own, and merge them.
class Histogram {
public:
    /// No number is further from its bucket's ends than this part of it.
    static constexpr double max_relative_error = 1.0 / 128;

    PKTVERBS_EXPORT Histogram();

    /// Counts a number.
    void record(std::uint64_t value) noexcept {
        ++counts_[index_of(value)];
        ++count_;
        sum_low_ += value;
        if (sum_low_ < value) ++sum_high_;
        min_ = std::min(min_, value);
        max_ = std::max(max_, value);
    }
    /// Adds what another one has recorded.
    PKTVERBS_EXPORT void merge(const Histogram& other) noexcept;
    /// Forgets everything.
    PKTVERBS_EXPORT void clear() noexcept;

    /// Returns how many numbers were recorded.
    std::uint64_t count() const noexcept { return count_; }
    /// Whether none was.
    bool empty() const noexcept { return count_ == 0; }
    /// Returns the lowest number, exactly; 0 if nothing was recorded.
    std::uint64_t min() const noexcept { return empty() ? 0 : min_; }
    /// Returns the highest number, exactly; 0 if nothing was recorded.
    std::uint64_t max() const noexcept { return max_; }
    /// Returns the mean, exact but for rounding; 0 if nothing was recorded.
    PKTVERBS_EXPORT double mean() const noexcept;
    /// Returns a number that `percent` % of those recorded do not exceed: the last one of the bucket in which that many
    /// are reached, so it is never too low, and too high by max_relative_error at most. At 0 and below the minimum, at
    /// 100 and above the maximum; 0 if nothing was recorded.
    PKTVERBS_EXPORT std::uint64_t percentile(double percent) const noexcept;

    /// One bucket, and how many numbers it counted.
    struct Bucket {
        std::uint64_t first = 0;  ///< the numbers from here
        std::uint64_t last = 0;   ///< to here
        std::uint64_t count = 0;  ///< numbers recorded in it
    };
    class Iterator;
    /// Iterates over the buckets that are not empty, from the lowest on. Recording makes iterators invalid.
    Iterator begin() const noexcept;
    Iterator end() const noexcept;

    friend bool operator==(const Histogram&, const Histogram&) noexcept = default;

private:
    static constexpr unsigned precision = 7;  ///< bits of a number that count, behind its first
    static constexpr std::size_t bucket_count = (64 - precision + 1) << precision;

    /// How many low bits the bucket of a number is wide.
    static constexpr unsigned shift_of(std::uint64_t value) noexcept {
        return static_cast<unsigned>(std::bit_width(value | 1U << precision)) - precision - 1;
    }
    static constexpr std::size_t index_of(std::uint64_t value) noexcept {
        const unsigned shift = shift_of(value);
        return (std::size_t{shift} << precision) + static_cast<std::size_t>(value >> shift);
    }
    static constexpr std::uint64_t first_of(std::size_t index) noexcept {
        const std::size_t octave = index >> precision;
        if (octave < 2) return index;
        const std::size_t shift = octave - 1;
        return std::uint64_t{index - (shift << precision)} << shift;
    }
    static constexpr std::uint64_t last_of(std::size_t index) noexcept {
        return index + 1 == bucket_count ? std::numeric_limits<std::uint64_t>::max() : first_of(index + 1) - 1;
    }

    std::vector<std::uint64_t> counts_;
    std::uint64_t count_ = 0;
    std::uint64_t sum_low_ = 0;
    std::uint64_t sum_high_ = 0;
    std::uint64_t min_ = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t max_ = 0;
};

class Histogram::Iterator {
public:
    using value_type = Bucket;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::forward_iterator_tag;

    Iterator() noexcept = default;
    Bucket operator*() const noexcept { return {first_of(index_), last_of(index_), (*counts_)[index_]}; }
    Iterator& operator++() noexcept {
        ++index_;
        skip_empty();
        return *this;
    }
    Iterator operator++(int) noexcept {
        const Iterator before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const Iterator&, const Iterator&) noexcept = default;

private:
    friend Histogram;
    Iterator(const std::vector<std::uint64_t>& counts, std::size_t index) noexcept : counts_{&counts}, index_{index} {
        skip_empty();
    }
    void skip_empty() noexcept {
        while (index_ < counts_->size() && (*counts_)[index_] == 0) ++index_;
    }

    const std::vector<std::uint64_t>* counts_ = nullptr;
    std::size_t index_ = 0;
};

inline Histogram::Iterator Histogram::begin() const noexcept { return {counts_, 0}; }
inline Histogram::Iterator Histogram::end() const noexcept { return {counts_, bucket_count}; }

static_assert(std::ranges::forward_range<const Histogram>);

}  // namespace pktverbs
