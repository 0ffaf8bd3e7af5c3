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

/// Move-only. Any thread may make, move and end it, also while packets are received. Ending
/// it after its Context is harmless: the context has removed the rule by then.
class PKTVERBS_EXPORT Flow {
public:
    /// What a rule with count() has matched since it was installed, whether a packet was posted for it or not.
    struct Count {
        std::uint64_t packets = 0;
        std::uint64_t bytes = 0;  ///< of whole frames, without their check sequence
    };

    Flow() noexcept = default;
    Flow(Flow&& other) noexcept;
    Flow& operator=(Flow&& other) noexcept;
    ~Flow() { remove(); }

    /// Removes the rule now, and leaves the multicast group if no other rule needs it. Twice is harmless.
    void remove() noexcept;
    bool installed() const noexcept { return registry_ != nullptr; }
    /// nullopt for a rule without FlowRule::count(), and after the end. Asks the device: not for every packet. Throws
    /// std::system_error if that refuses.
    std::optional<Count> count() const;
    /// The rule as it was installed: as it was given, with the destination MAC address that was filled in. If that is
    /// the port's own and it changes, the rule in force follows, and this doesn't.
    const FlowRule& rule() const noexcept { return rule_; }

private:
    friend class FlowRegistry;

    std::shared_ptr<FlowRegistry> registry_;
    std::uint64_t id_ = 0;
    FlowRule rule_;
};

}  // namespace pktverbs
