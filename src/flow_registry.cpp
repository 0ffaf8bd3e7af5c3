// SPDX-License-Identifier: Apache-2.0
#include "flow_registry.hpp"

#include <fmt/format.h>

#include <cerrno>

#include <pktverbs/verbs/error.hpp>

#include "flow_spec.hpp"

namespace pktverbs {

namespace {

/// A rule with its destination MAC address filled in, where the library knows better than "any".
FlowRule completed(const FlowRule& rule, const MacAddress& own_mac) {
    FlowRule full = rule;
    const FlowRule::Fields& fields = rule.fields();
    if (fields.own_mac) return full.own_mac(false).dst_mac(own_mac);
    if (fields.dst_mac) return full;
    if (fields.dst_ipv4 && fields.dst_ipv4->length == 32 && fields.dst_ipv4->address.is_multicast())
        full.dst_mac(fields.dst_ipv4->address.multicast_mac());
    if (fields.dst_ipv6 && fields.dst_ipv6->length == 128 && fields.dst_ipv6->address.is_multicast())
        full.dst_mac(fields.dst_ipv6->address.multicast_mac());
    return full;
}

/// Calls `group` with the multicast address that a rule receives from, if it is one address and not to be dropped.
template <class Group>
void for_group(const FlowRule& rule, Group&& group) {
    const FlowRule::Fields& fields = rule.fields();
    if (fields.drop) return;
    if (fields.dst_ipv4 && fields.dst_ipv4->length == 32 && fields.dst_ipv4->address.is_multicast())
        group(fields.dst_ipv4->address);
    if (fields.dst_ipv6 && fields.dst_ipv6->length == 128 && fields.dst_ipv6->address.is_multicast())
        group(fields.dst_ipv6->address);
}

}  // namespace

/// What the rule takes for granted of the device.
void FlowRegistry::check_device(const FlowRule& rule) const {
    // The loopback interface really has no other address.
    if (rule.fields().own_mac && own_mac_.is_zero() && device_.interface != "lo")
        verbs::throw_message(EADDRNOTAVAIL,
                             fmt::format("cannot install the flow rule '{}' on {}: the MAC address of its port is not "
                                         "known (give dst_mac instead of own_mac)",
                                         rule, device_.name));
    for_group(rule, [&](const auto& address) {
        if (device_.joins_groups && device_.interface.empty())
            verbs::throw_message(ENODEV, fmt::format("cannot join multicast group {} for {}: no interface of this "
                                                     "network namespace belongs to it",
                                                     address, device_.name));
    });
}

void FlowRegistry::join(const FlowRule& rule) {
    for_group(rule, [this](const auto& address) { groups_.join(address); });
}

void FlowRegistry::leave(const FlowRule& rule) noexcept {
    for_group(rule, [this](const auto& address) { groups_.leave(address); });
}

Flow FlowRegistry::install(const FlowRule& rule, ibv_qp* qp) {
    rule.check();
    check_device(rule);
    Flow flow;
    flow.rule_ = completed(rule, own_mac_);
    FlowSpec spec{flow.rule_, own_mac_, device_.port};

    const std::lock_guard lock{mutex_};
    join(flow.rule_);
    try {
        const std::string what = fmt::format("install the flow rule '{}'", flow.rule_);
        verbs::FlowHandle handle{verbs::check_pointer({"create_flow", what, device_.name},
                                                      [&] { return device_.provider->create_flow(qp, spec.attr()); }),
                                 {device_.provider}};
        installed_.emplace(next_id_, Installed{flow.rule_, std::move(handle)});
    } catch (...) {
        leave(flow.rule_);
        throw;
    }
    flow.id_ = next_id_++;
    flow.registry_ = shared_from_this();
    return flow;
}

bool FlowRegistry::same(const FlowRule& one, const FlowRule& other) const {
    one.check();
    other.check();
    return FlowSpec{completed(one, own_mac_), own_mac_, device_.port} ==
           FlowSpec{completed(other, own_mac_), own_mac_, device_.port};
}

void FlowRegistry::remove(std::uint64_t id) noexcept {
    const std::lock_guard lock{mutex_};
    const auto at = installed_.find(id);
    if (at == installed_.end()) return;
    at->second.handle.reset();
    leave(at->second.rule);
    installed_.erase(at);
}

void FlowRegistry::close() noexcept {
    const std::lock_guard lock{mutex_};
    for (auto& [id, flow] : installed_) {
        flow.handle.reset();
        leave(flow.rule);
    }
    installed_.clear();
}

Flow::Flow(Flow&& other) noexcept = default;

Flow& Flow::operator=(Flow&& other) noexcept {
    if (this == &other) return *this;
    remove();
    registry_ = std::move(other.registry_);
    id_ = other.id_;
    rule_ = std::move(other.rule_);
    return *this;
}

void Flow::remove() noexcept {
    if (!registry_) return;
    registry_->remove(id_);
    registry_.reset();
}

}  // namespace pktverbs
