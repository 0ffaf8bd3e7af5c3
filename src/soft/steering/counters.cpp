// SPDX-License-Identifier: Apache-2.0
#include "soft/steering/counters.hpp"

#include <algorithm>
#include <cerrno>
#include <new>

namespace pktverbs::soft {

int Counters::attach(const ibv_counter_attach_attr& attr) noexcept {
    const auto what = static_cast<std::uint32_t>(attr.counter_desc);
    if (attr.comp_mask != 0 || what > IBV_COUNTER_BYTES) return EOPNOTSUPP;
    const std::lock_guard lock{mutex_};
    if (flows_ > 0) return EBUSY;
    try {
        points_.push_back({attr.index, what == IBV_COUNTER_BYTES});
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    return 0;
}

int Counters::read(std::span<std::uint64_t> values) const noexcept {
    const std::lock_guard lock{mutex_};
    const auto fits = [&](const Point& point) { return point.index < values.size(); };
    if (flows_ == 0 || !std::ranges::all_of(points_, fits)) return EINVAL;
    std::ranges::fill(values, std::uint64_t{0});
    for (const Point& point : points_) values[point.index] += point.of_bytes ? bytes() : packets();
    return 0;
}

int Counters::add_flow() noexcept {
    const std::lock_guard lock{mutex_};
    if (points_.empty()) return EINVAL;
    ++flows_;
    return 0;
}

void Counters::remove_flow() noexcept {
    const std::lock_guard lock{mutex_};
    --flows_;
}

bool Counters::has_flows() const noexcept {
    const std::lock_guard lock{mutex_};
    return flows_ > 0;
}

}  // namespace pktverbs::soft
