// SPDX-License-Identifier: Apache-2.0
// Flow: an installed flow rule, removed when it ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <pktverbs/export.hpp>
#include <pktverbs/flow_rule.hpp>

namespace pktverbs {

class FlowRegistry;

/// Keeps a flow rule installed, and removes it when it ends.
///
/// Move-only. Any thread may make, move and end it, also while packets are received. Ending it after its Context is
/// harmless: the context has removed the rule by then.
class PKTVERBS_EXPORT Flow {
public:
    /// Frames that a rule with FlowRule::count() has matched since it was installed, with or without a packet posted to
    /// receive them.
    struct Count {
        std::uint64_t packets = 0;  ///< number of frames
        std::uint64_t bytes = 0;    ///< bytes of whole frames, without their check sequence
    };

    /// A flow that is not installed.
    Flow() noexcept = default;
    Flow(Flow&& other) noexcept;
    Flow& operator=(Flow&& other) noexcept;
    ~Flow() { remove(); }

    /// Removes the rule now, and leaves the multicast group if no other rule needs it. A second call is harmless.
    void remove() noexcept;
    /// Whether the rule is installed: false after remove() and in a moved-from flow.
    bool installed() const noexcept { return registry_ != nullptr; }
    /// Returns the rule's counters; nullopt for a rule without FlowRule::count(), and after the end. Asks the device,
    /// so don't call it per packet. Throws std::system_error if the device refuses.
    std::optional<Count> count() const;
    /// Returns the rule as it was installed, with the destination MAC address filled in. If that address is the port's
    /// own and it changes, the rule in force follows it; this copy does not.
    const FlowRule& rule() const noexcept { return rule_; }

private:
    friend class FlowRegistry;

    std::shared_ptr<FlowRegistry> registry_;
    std::uint64_t id_ = 0;
    FlowRule rule_;
};

}  // namespace pktverbs
