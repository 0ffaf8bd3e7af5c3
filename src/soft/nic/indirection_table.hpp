// SPDX-License-Identifier: Apache-2.0
// IndirectionTable: the soft device's ibv_rwq_ind_table: which work queue takes the frames with which hash.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "soft/nic/nic.hpp"
#include "soft/nic/object_entry.hpp"
#include "soft/nic/receive_queue.hpp"
#include "soft/nic/work_queue.hpp"

namespace pktverbs::soft {

class IndirectionTable final : public ibv_rwq_ind_table {
public:
    static constexpr std::uint32_t max_log_size = 9;

    /// `queues`: their number is a power of two; some may be the same.
    IndirectionTable(Nic& nic, std::vector<WorkQueue*> queues)
        : ibv_rwq_ind_table{},
          object_entry{nic.objects(), ObjectEntry::Kind::indirection_table, entries_of(queues)},
          queues_{std::move(queues)} {
        context = nic.context_base();
    }

    ReceiveQueue& pick(std::uint32_t hash) noexcept { return queues_[hash & (queues_.size() - 1)]->receives(); }
    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(queues_.size()); }

    ObjectEntry object_entry;

private:
    static std::vector<ObjectEntry*> entries_of(const std::vector<WorkQueue*>& queues) {
        std::vector<ObjectEntry*> entries;
        for (WorkQueue* const queue : queues) entries.push_back(&queue->object_entry);
        return entries;
    }

    std::vector<WorkQueue*> queues_;
};

}  // namespace pktverbs::soft
