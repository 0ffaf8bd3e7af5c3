// SPDX-License-Identifier: Apache-2.0
// ObjectTable: the objects made from an opened device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace pktverbs::soft {

class QueuePair;

/// Counts objects, numbers them and lists queue pairs. Objects put themselves into it by an ObjectEntry. Thread-safe.
class ObjectTable {
public:
    /// The kinds that have numbers or of which there are only so many, and all others.
    enum class Kind : std::uint8_t { domain, queue_pair, work_queue, indirection_table, other };
    static constexpr std::uint32_t max_queue_pairs = 1024;
    static constexpr std::uint32_t max_work_queues = 1024;
    static constexpr std::uint32_t max_indirection_tables = 1024;

    bool empty() const noexcept;

    /// From now on for_each_queue_pair() visits it. Throws std::bad_alloc.
    void list(QueuePair& queue_pair);
    /// When this returns, no visit to it is running, and none begins.
    void unlist(QueuePair& queue_pair) noexcept;
    /// With the table locked.
    template <class Visit>
    void for_each_queue_pair(Visit&& visit) noexcept {
        const std::lock_guard lock{mutex_};
        for (QueuePair* const queue_pair : queue_pairs_) visit(*queue_pair);
    }

private:
    friend class ObjectEntry;
    static constexpr std::size_t kinds = static_cast<std::size_t>(Kind::other) + 1;

    // Under mutex_, which also guards what entries contain.
    std::uint32_t add(Kind kind);
    void remove(Kind kind) noexcept;

    mutable std::mutex mutex_;
    std::array<std::uint32_t, kinds> counts_{};
    std::uint32_t last_domain_ = 0;
    std::uint32_t last_queue_ = 0;  ///< of queue pairs and work queues
    std::vector<QueuePair*> queue_pairs_;
};

}  // namespace pktverbs::soft
