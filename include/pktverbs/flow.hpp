// SPDX-License-Identifier: Apache-2.0
// Flow: an installed flow rule, removed when it ends.
#pragma once

#include <cstdint>
#include <memory>

#include <pktverbs/export.hpp>
#include <pktverbs/flow_rule.hpp>

namespace pktverbs {

class FlowRegistry;

/// Move-only. Any thread may make, move and end it, also while packets are received. Ending
/// it after its Context is harmless: the context has removed the rule by then.
class PKTVERBS_EXPORT Flow {
public:
    Flow() noexcept = default;
    Flow(Flow&& other) noexcept;
    Flow& operator=(Flow&& other) noexcept;
    ~Flow() { remove(); }

    /// Removes the rule now, and leaves the multicast group if no other rule needs it. Twice is harmless.
    void remove() noexcept;
    bool installed() const noexcept { return registry_ != nullptr; }
    /// The rule in force: as it was given, with the destination MAC address that was filled in.
    const FlowRule& rule() const noexcept { return rule_; }

private:
    friend class FlowRegistry;

    std::shared_ptr<FlowRegistry> registry_;
    std::uint64_t id_ = 0;
    FlowRule rule_;
};

}  // namespace pktverbs
