// SPDX-License-Identifier: Apache-2.0
// FlowAttr: an ibv_flow_attr followed by specs, built for a test, valid or not.
#pragma once

#include <infiniband/verbs.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "soft/steering/flow_match.hpp"

template <class Spec>
Spec new_spec(ibv_flow_spec_type type) {
    Spec spec{};
    spec.type = type;
    spec.size = sizeof spec;
    return spec;
}

inline ibv_flow_spec_eth eth_spec() { return new_spec<ibv_flow_spec_eth>(IBV_FLOW_SPEC_ETH); }
inline ibv_flow_spec_ipv4 ipv4_spec() { return new_spec<ibv_flow_spec_ipv4>(IBV_FLOW_SPEC_IPV4); }
inline ibv_flow_spec_ipv4_ext ipv4_ext_spec() { return new_spec<ibv_flow_spec_ipv4_ext>(IBV_FLOW_SPEC_IPV4_EXT); }
inline ibv_flow_spec_ipv6 ipv6_spec() { return new_spec<ibv_flow_spec_ipv6>(IBV_FLOW_SPEC_IPV6); }
inline ibv_flow_spec_tcp_udp tcp_spec() { return new_spec<ibv_flow_spec_tcp_udp>(IBV_FLOW_SPEC_TCP); }
inline ibv_flow_spec_tcp_udp udp_spec() { return new_spec<ibv_flow_spec_tcp_udp>(IBV_FLOW_SPEC_UDP); }
inline ibv_flow_spec_action_drop drop_spec() { return new_spec<ibv_flow_spec_action_drop>(IBV_FLOW_SPEC_ACTION_DROP); }
inline ibv_flow_spec_action_tag tag_spec(std::uint32_t tag) {
    auto spec = new_spec<ibv_flow_spec_action_tag>(IBV_FLOW_SPEC_ACTION_TAG);
    spec.tag_id = tag;
    return spec;
}

inline ibv_flow_spec_counter_action count_spec(ibv_counters* counters) {
    auto spec = new_spec<ibv_flow_spec_counter_action>(IBV_FLOW_SPEC_ACTION_COUNT);
    spec.counters = counters;
    return spec;
}

class FlowAttr {
public:
    explicit FlowAttr(ibv_flow_attr_type type = IBV_FLOW_ATTR_NORMAL) : type_(type) {
        attr_.port = 1;
        attr_.size = sizeof attr_;
    }

    template <class Spec>
    FlowAttr& add(const Spec& spec) {
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&spec);
        return append({bytes, bytes + sizeof spec});
    }
    FlowAttr& add_raw(std::uint32_t type, std::uint16_t bytes) {
        std::vector<std::uint8_t> spec(bytes);
        std::memcpy(spec.data(), &type, sizeof type);
        std::memcpy(spec.data() + sizeof type, &bytes, sizeof bytes);
        return append(spec);
    }

    FlowAttr& comp_mask(std::uint32_t mask) { return attr_.comp_mask = mask, *this; }
    FlowAttr& raw_type(std::uint32_t type) { return type_ = type, *this; }
    FlowAttr& size(std::size_t bytes) { return attr_.size = static_cast<std::uint16_t>(bytes), *this; }
    FlowAttr& priority(std::uint16_t priority) { return attr_.priority = priority, *this; }
    FlowAttr& specs(std::uint8_t count) { return attr_.num_of_specs = count, *this; }
    FlowAttr& port(std::uint8_t port) { return attr_.port = port, *this; }
    FlowAttr& flags(std::uint32_t flags) { return attr_.flags = flags, *this; }

    /// As ibv_create_flow gets it: in a block that ends where attr.size says. Returns the result of `use`.
    template <class Use>
    auto with_block(Use&& use) const {
        const std::size_t bytes = std::max<std::size_t>(attr_.size, sizeof attr_);
        const auto block = std::make_unique<std::uint8_t[]>(bytes);
        std::memcpy(block.get(), &attr_, sizeof attr_);
        std::memcpy(block.get() + offsetof(ibv_flow_attr, type), &type_, sizeof type_);
        std::copy_n(specs_.begin(), std::min(bytes - sizeof attr_, specs_.size()), block.get() + sizeof attr_);
        return use(*reinterpret_cast<ibv_flow_attr*>(block.get()));
    }
    int read(pktverbs::soft::FlowMatch& match) const {
        return with_block([&](const ibv_flow_attr& attr) { return read_flow_attr(attr, attr.size, match); });
    }

private:
    FlowAttr& append(const std::vector<std::uint8_t>& spec) {
        specs_.insert(specs_.end(), spec.begin(), spec.end());
        attr_.size = static_cast<std::uint16_t>(attr_.size + spec.size());
        ++attr_.num_of_specs;
        return *this;
    }

    ibv_flow_attr attr_{};
    std::uint32_t type_;
    std::vector<std::uint8_t> specs_;
};
