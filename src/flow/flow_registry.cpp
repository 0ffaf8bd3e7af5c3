// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_registry.hpp"

#include <array>
#include <cerrno>
#include <exception>
#include <string>
#include <utility>

#include <pktverbs/format.hpp>
#include <pktverbs/verbs/error.hpp>

#include "flow/flow_spec.hpp"

namespace pktverbs {

namespace {

/// Fills in a rule's destination MAC address if the library knows it more precisely than "any".
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

/// Calls `group` with the multicast address that a rule receives, if it is a single address and not dropped.
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

/// Checks what the rule requires from the device.
void FlowRegistry::check_device(const FlowRule& rule) const {
    // The loopback interface really has the all-zero address.
    const bool is_loopback = device_.netdev && device_.netdev->found().is_loopback();
    if (rule.fields().own_mac && own_mac_.is_zero() && !is_loopback)
        verbs::throw_message(EADDRNOTAVAIL,
                             fmt::format("cannot install the flow rule '{}' on {}: the MAC address of its port is not "
                                         "known (give dst_mac instead of own_mac)",
                                         rule, device_.name));
    for_group(rule, [&](const auto& address) {
        if (device_.joins_groups && !device_.netdev)
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

/// Points are attached before the flow is made: mlx5 takes none afterwards.
verbs::CountersHandle FlowRegistry::make_counters(ibv_context* context) const {
    const verbs::Provider& provider = *device_.provider;
    ibv_counters_init_attr init{};
    verbs::CountersHandle counters{verbs::check_pointer({"create_counters", "make counters for a flow", device_.name},
                                                        [&] { return provider.create_counters(context, &init); }),
                                   {&provider}};
    for (const auto what : {IBV_COUNTER_PACKETS, IBV_COUNTER_BYTES}) {
        ibv_counter_attach_attr attach{};
        attach.counter_desc = what;
        attach.index = what == IBV_COUNTER_PACKETS ? 0 : 1;
        verbs::check_result({"attach_counters_point_flow", "count packets and bytes of a flow", device_.name},
                            [&] { return provider.attach_counters_point_flow(counters.get(), &attach, nullptr); });
    }
    return counters;
}

Flow::Count FlowRegistry::read(const Installed& flow) const {
    std::array<std::uint64_t, 2> values{};
    verbs::check_result({"read_counters", "read the counters of a flow", device_.name}, [&] {
        return device_.provider->read_counters(flow.counters.get(), values.data(), values.size(), 0);
    });
    return {values[0], values[1]};
}

std::optional<Flow::Count> FlowRegistry::count(std::uint64_t id) const {
    const std::lock_guard lock{mutex_};
    const auto at = installed_.find(id);
    if (at == installed_.end() || !at->second.counters) return std::nullopt;
    return read(at->second);
}

std::vector<FlowRegistry::Counted> FlowRegistry::counts() const {
    std::vector<Counted> all;
    const std::lock_guard lock{mutex_};
    for (const auto& [id, flow] : installed_)
        if (flow.counters) all.push_back({id, flow.rule, flow.qp, read(flow)});
    return all;
}

verbs::FlowHandle FlowRegistry::create(const FlowRule& rule, ibv_qp* qp, ibv_counters* counters) const {
    FlowSpec spec{rule, own_mac_, device_.port, counters};
    const std::string what = fmt::format("install the flow rule '{}'", rule);
    return {verbs::check_pointer({"create_flow", what, device_.name},
                                 [&] { return device_.provider->create_flow(qp, spec.attr()); }),
            {device_.provider}};
}

Flow FlowRegistry::install(const FlowRule& rule, ibv_qp* qp) {
    rule.check();
    const std::lock_guard lock{mutex_};
    check_device(rule);
    Flow flow;
    flow.rule_ = completed(rule, own_mac_);
    join(flow.rule_);
    try {
        verbs::CountersHandle counters;
        if (flow.rule_.fields().count) counters = make_counters(qp->context);
        verbs::FlowHandle handle = create(flow.rule_, qp, counters.get());
        installed_.emplace(next_id_,
                           Installed{flow.rule_, rule.fields().own_mac, qp, std::move(counters), std::move(handle)});
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
    const std::lock_guard lock{mutex_};
    return one.fields().count == other.fields().count &&
           FlowSpec{completed(one, own_mac_), own_mac_, device_.port} ==
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

void FlowRegistry::follow(const std::function<MacAddress()>& read_mac) noexcept {
    // Read under the lock: if two threads took an event, the last one to arrive here reads the newest address.
    const std::lock_guard lock{mutex_};
    const MacAddress mac = read_mac();
    if (mac == own_mac_ || mac.is_zero()) return;
    own_mac_ = mac;
    for (auto& [id, flow] : installed_) {
        if (!flow.for_own_mac) continue;
        try {
            FlowRule rule = flow.rule;
            rule.dst_mac(mac);
            verbs::FlowHandle handle = create(rule, flow.qp, flow.counters.get());
            flow.handle = std::move(handle);  // the new one is already in force: no frame is missed
            flow.rule = std::move(rule);
        } catch (const std::exception&) {
            // The program gets the event that caused this.
        }
    }
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

std::optional<Flow::Count> Flow::count() const { return registry_ ? registry_->count(id_) : std::nullopt; }

void Flow::remove() noexcept {
    if (!registry_) return;
    registry_->remove(id_);
    registry_.reset();
}

}  // namespace pktverbs
