// SPDX-License-Identifier: Apache-2.0
// IndirectionTable: the soft device's ibv_rwq_ind_table: which work queue takes the frames with which hash.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "soft/nic/receive_queue.hpp"
#include "soft/nic/work_queue.hpp"

namespace pktverbs::soft {

class IndirectionTable final : public ibv_rwq_ind_table {
public:
    static constexpr std::uint32_t max_log_size = 9;
    static constexpr std::uint32_t max_tables = 1024;

    /// `queues`: their number is a power of two; some may be the same.
    IndirectionTable(ibv_context* made_of, std::vector<WorkQueue*> queues)
        : ibv_rwq_ind_table{}, queues_{std::move(queues)} {
        context = made_of;
    }

    ReceiveQueue& pick(std::uint32_t hash) noexcept { return queues_[hash & (queues_.size() - 1)]->receives(); }
    const std::vector<WorkQueue*>& queues() const noexcept { return queues_; }
    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(queues_.size()); }
    int users = 0;  ///< under the lock of the NIC's objects

private:
    std::vector<WorkQueue*> queues_;
};

}  // namespace pktverbs::soft
