// SPDX-License-Identifier: Apache-2.0
#include "soft/nic/object_table.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace pktverbs::soft {

namespace {

std::uint32_t max_objects(ObjectTable::Kind kind) noexcept {
    switch (kind) {
        case ObjectTable::Kind::queue_pair:
            return ObjectTable::max_queue_pairs;
        case ObjectTable::Kind::work_queue:
            return ObjectTable::max_work_queues;
        case ObjectTable::Kind::indirection_table:
            return ObjectTable::max_indirection_tables;
        default:
            return std::numeric_limits<std::uint32_t>::max();
    }
}

}  // namespace

bool ObjectTable::empty() const noexcept {
    const std::lock_guard lock{mutex_};
    return std::ranges::all_of(counts_, [](std::uint32_t count) { return count == 0; });
}

void ObjectTable::list(QueuePair& queue_pair) {
    const std::lock_guard lock{mutex_};
    queue_pairs_.push_back(&queue_pair);
}

void ObjectTable::unlist(QueuePair& queue_pair) noexcept {
    const std::lock_guard lock{mutex_};
    std::erase(queue_pairs_, &queue_pair);
}

/// Returns the object's number.
std::uint32_t ObjectTable::add(Kind kind) {
    std::uint32_t& count = counts_[static_cast<std::size_t>(kind)];
    if (count == max_objects(kind)) throw std::bad_alloc{};
    ++count;
    if (kind == Kind::domain) return ++last_domain_;
    return kind == Kind::queue_pair || kind == Kind::work_queue ? ++last_queue_ : 0;
}

void ObjectTable::remove(Kind kind) noexcept { --counts_[static_cast<std::size_t>(kind)]; }

}  // namespace pktverbs::soft
