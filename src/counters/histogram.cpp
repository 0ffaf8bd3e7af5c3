// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/counters/histogram.hpp>

#include <cmath>

namespace pktverbs {

Histogram::Histogram() : counts_(bucket_count) {
    static_assert(index_of(0) == 0 && index_of(~std::uint64_t{0}) + 1 == bucket_count);
}

void Histogram::merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < bucket_count; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_high_ += other.sum_high_;
    const std::uint64_t added = other.sum_low_;  // which may be of this one
    sum_low_ += added;
    if (sum_low_ < added) ++sum_high_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
}

void Histogram::clear() noexcept {
    std::ranges::fill(counts_, 0);
    count_ = sum_low_ = sum_high_ = max_ = 0;
    min_ = std::numeric_limits<std::uint64_t>::max();
}

double Histogram::mean() const noexcept {
    if (empty()) return 0;
    const double sum = std::ldexp(static_cast<double>(sum_high_), 64) + static_cast<double>(sum_low_);
    return sum / static_cast<double>(count_);
}

std::uint64_t Histogram::percentile(double percent) const noexcept {
    if (empty() || !(percent > 0)) return min();
    if (percent >= 100) return max_;
    // In binary, a percentage may be a little more than was meant: 99.9 % of 1000 numbers are 999, and not one more.
    constexpr double below = 1 - 1e-15;
    const double rank = std::ceil(percent / 100 * static_cast<double>(count_) * below);
    auto left = static_cast<std::uint64_t>(rank);
    for (const Bucket& bucket : *this) {
        if (left <= bucket.count) return std::clamp(bucket.last, min_, max_);
        left -= bucket.count;
    }
    return max_;
}

}  // namespace pktverbs
