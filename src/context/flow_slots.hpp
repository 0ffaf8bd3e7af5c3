// SPDX-License-Identifier: Apache-2.0
// FlowSlots: flows by number, each replaced as a whole.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include <pktverbs/flow.hpp>
#include <pktverbs/flow_rule.hpp>

namespace pktverbs {

/// Any thread.
class FlowSlots {
public:
    using Queues = std::span<const std::size_t>;
    using Install = std::function<Flow(const FlowRule&, Queues)>;
    /// Whether two rules are installed as the same one.
    using Same = std::function<bool(const FlowRule&, const FlowRule&)>;

    /// Replaces the flow in a slot by one that `install` makes. Throws what `install` throws; the old flow then stays
    /// in force, or is installed again.
    void set(std::size_t slot, const FlowRule& rule, Queues queues, const Install& install, const Same& same);
    /// Removes the flow of a slot.
    void clear(std::size_t slot);
    void clear();

private:
    struct Slot {
        std::vector<std::size_t> queues;
        Flow flow;
    };

    std::mutex mutex_;
    std::map<std::size_t, Slot> slots_;
};

}  // namespace pktverbs
