// SPDX-License-Identifier: Apache-2.0
// FlowRegistry: one context's flows, shared with the Flow handles.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/flow.hpp>
#include <pktverbs/verbs/device.hpp>
#include <pktverbs/verbs/handle.hpp>

#include "flow/multicast_groups.hpp"

namespace pktverbs {

/// Any thread may use it. Flow handles that end after close() do nothing.
class FlowRegistry : public std::enable_shared_from_this<FlowRegistry> {
public:
    FlowRegistry(const Device& device, const MacAddress& own_mac)
        : device_{device}, own_mac_{own_mac}, groups_{device.netdev} {}

    Flow install(const FlowRule& rule, ibv_qp* qp);
    /// Whether two rules are the same to the device, however they are written. Throws as install() does.
    bool same(const FlowRule& one, const FlowRule& other) const;
    void remove(std::uint64_t id) noexcept;
    /// The port's MAC address may have changed: rules for the port's own address are replaced by rules for
    /// read_mac()'s, which come after all others of their priority. A rule that the device refuses stays as it was.
    void follow(const std::function<MacAddress()>& read_mac) noexcept;
    /// See Flow::count.
    std::optional<Flow::Count> count(std::uint64_t id) const;
    struct Counted {
        std::uint64_t id;
        FlowRule rule;
        const ibv_qp* qp;
        Flow::Count count;
    };
    /// The counts of all rules that count, in order of installation. Throws like count().
    std::vector<Counted> counts() const;
    void close() noexcept;

private:
    struct Installed {
        FlowRule rule;
        bool for_own_mac;  ///< requested with FlowRule::own_mac()
        ibv_qp* qp;
        verbs::CountersHandle counters;  ///< null if the rule doesn't count
        verbs::FlowHandle handle;
    };

    void check_device(const FlowRule& rule) const;
    verbs::FlowHandle create(const FlowRule& rule, ibv_qp* qp, ibv_counters* counters) const;
    void join(const FlowRule& rule);
    void leave(const FlowRule& rule) noexcept;
    verbs::CountersHandle make_counters(ibv_context* context) const;
    Flow::Count read(const Installed& flow) const;

    const Device device_;
    mutable std::mutex mutex_;  ///< guards all below
    MacAddress own_mac_;
    MulticastGroups groups_;
    std::map<std::uint64_t, Installed> installed_;
    std::uint64_t next_id_ = 1;
};

}  // namespace pktverbs
