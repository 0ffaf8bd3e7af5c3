// SPDX-License-Identifier: Apache-2.0
// WorkQueue: the soft device's ibv_wq: a receive queue that is reached through indirection tables.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <mutex>

#include "soft/nic/object_entry.hpp"
#include "soft/nic/receive_queue.hpp"

namespace pktverbs::soft {

class Nic;

class WorkQueue final : public ibv_wq {
public:
    static constexpr std::uint32_t max_wr = ReceiveQueue::max_wr;
    static constexpr std::uint32_t max_sge = ReceiveQueue::max_sge;

    static constexpr std::uint32_t flags_supported = IBV_WQ_FLAGS_CVLAN_STRIPPING | IBV_WQ_FLAGS_SCATTER_FCS;

    /// `attr` must be within the limits above; its max_wr and max_sge are set to the granted values.
    WorkQueue(Nic& nic, ibv_wq_init_attr& attr);

    static WorkQueue& of(ibv_wq* wq) noexcept { return *static_cast<WorkQueue*>(wq); }

    /// Of the flags, CVLAN_STRIPPING may change.
    int modify(const ibv_wq_attr& attr) noexcept;
    /// After this call no receive begins or is running, and its completions are removed.
    void reset() noexcept;

    ReceiveQueue& receives() noexcept { return receives_; }

    ObjectEntry object_entry;  ///< its users are its places in tables

private:
    int step(const ibv_wq_attr& attr) noexcept;

    Nic& nic_;
    std::mutex modify_mutex_;
    ReceiveQueue receives_;
};

}  // namespace pktverbs::soft
