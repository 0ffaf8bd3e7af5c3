// SPDX-License-Identifier: Apache-2.0
// FlowSpec: a flow rule in the form that ibv_create_flow takes.
#pragma once

#include <infiniband/verbs.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <pktverbs/flow_rule.hpp>

namespace pktverbs {

/// The MAC addresses that equal `value` in the bits of `mask`.
struct MaskedMac {
    MacAddress value;
    MacAddress mask;
};

/// The destination MAC addresses of the multicast groups that a rule's dst_ip means: one for a whole
/// address, a range for a prefix. nullopt if dst_ip isn't set or may be unicast.
std::optional<MaskedMac> group_mac(const FlowRule& rule) noexcept;

/// The attribute and its specs, back to back in one block, in network order.
class FlowSpec {
public:
    /// `rule` must have passed check(); `own_mac` is what its own_mac() means; `port` counts from 1.
    /// The counters of a normal rule, if any, must outlive the flow.
    FlowSpec(const FlowRule& rule, const MacAddress& own_mac, std::uint8_t port,
             ibv_counters* counters = nullptr) noexcept;

    /// Valid while this object lives and is not moved.
    ibv_flow_attr* attr() noexcept { return reinterpret_cast<ibv_flow_attr*>(bytes_.data()); }

    friend bool operator==(const FlowSpec&, const FlowSpec&) = default;

private:
    template <class Spec>
    Spec& append(ibv_flow_spec_type type) noexcept;
    void append_counters(ibv_counters* counters) noexcept;
    void append_eth(const FlowRule& rule, const MacAddress& own_mac) noexcept;
    void append_ipv4(const FlowRule::Fields& fields) noexcept;
    void append_ipv6(const FlowRule::Fields& fields) noexcept;

    static constexpr std::size_t capacity =
        sizeof(ibv_flow_attr) + sizeof(ibv_flow_spec_eth) + sizeof(ibv_flow_spec_ipv6) + sizeof(ibv_flow_spec_tcp_udp) +
        sizeof(ibv_flow_spec_action_tag) + sizeof(ibv_flow_spec_action_drop) + sizeof(ibv_flow_spec_counter_action);
    alignas(ibv_flow_attr) std::array<std::byte, capacity> bytes_{};
};

}  // namespace pktverbs
