// SPDX-License-Identifier: Apache-2.0
// RssGroups: where flow rules of a context with receive-side scaling send their frames.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/rss.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "verbs/port.hpp"

namespace pktverbs {

class QueueState;

/// Makes indirection tables and their queue pairs as rules need them, and keeps them: one table for each choice of
/// queues, one queue pair for each choice of fields to hash. Any thread.
class RssGroups {
public:
    /// Throws std::system_error (EOPNOTSUPP) if the device can't.
    RssGroups(const verbs::Port& port, const std::vector<std::unique_ptr<QueueState>>& queues, const Rss& rss,
              const ibv_rss_caps& caps);

    /// The queue pair for a rule whose frames go to these queues. Throws std::system_error.
    ibv_qp* target(const FlowRule& rule, std::span<const std::size_t> queues);
    /// The queues behind a queue pair of target()'s.
    std::vector<std::size_t> queues_of(const ibv_qp* queue_pair);

private:
    using Queues = std::vector<std::size_t>;

    std::uint64_t fields_of(const FlowRule& rule) const;
    ibv_rwq_ind_table* table_of(const Queues& queues);

    const verbs::Port port_;
    const std::vector<std::unique_ptr<QueueState>>& queues_;
    const Rss rss_;
    const std::uint32_t max_places_;
    std::mutex mutex_;
    std::map<Queues, verbs::TableHandle> tables_;
    std::map<std::pair<Queues, std::uint64_t>, verbs::QpHandle> queue_pairs_;  ///< by queues and fields
};

}  // namespace pktverbs
