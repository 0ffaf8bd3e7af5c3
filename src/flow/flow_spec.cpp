// SPDX-License-Identifier: Apache-2.0
// FlowSpec: writes the specs of a flow rule, level by level.
#include <arpa/inet.h>
#include <net/ethernet.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <new>

#include "flow/flow_spec.hpp"

namespace pktverbs {
namespace {

using Fields = FlowRule::Fields;

constexpr std::uint16_t vlan_id_mask = 0x0fff;
constexpr std::uint16_t vlan_priority_mask = 0xe000;
constexpr int vlan_priority_shift = 13;

bool is_ipv4(const Fields& f) noexcept { return f.ipv4 || f.src_ipv4 || f.dst_ipv4; }
bool is_ipv6(const Fields& f) noexcept { return f.ipv6 || f.src_ipv6 || f.dst_ipv6; }

template <class Bytes>
void mask_bytes(Bytes& value, const Bytes& mask) noexcept {
    for (std::size_t i = 0; i < std::size(value); ++i) value[i] = static_cast<std::uint8_t>(value[i] & mask[i]);
}

// The known part of a group's MAC address if only the bits in `mask` of its IP address are known.
MaskedMac mask_group(MacAddress::Bytes value, const MacAddress::Bytes& mask) noexcept {
    mask_bytes(value, mask);
    return {MacAddress{value}, MacAddress{mask}};
}

void set_mac(std::uint8_t (&value)[6], std::uint8_t (&mask)[6], const MaskedMac& mac) noexcept {
    std::ranges::copy(mac.value.bytes(), value);
    std::ranges::copy(mac.mask.bytes(), mask);
}

void set_mac(std::uint8_t (&value)[6], std::uint8_t (&mask)[6], const MacAddress& mac) noexcept {
    set_mac(value, mask, MaskedMac{mac, MacAddress::broadcast()});
}

void set_ip(std::uint32_t& value, std::uint32_t& mask, const std::optional<Ipv4Prefix>& prefix) noexcept {
    if (!prefix) return;
    mask = std::bit_cast<std::uint32_t>(prefix->mask().bytes());
    value = std::bit_cast<std::uint32_t>(prefix->address.bytes()) & mask;
}

void set_ip(std::uint8_t (&value)[16], std::uint8_t (&mask)[16], const std::optional<Ipv6Prefix>& prefix) noexcept {
    if (!prefix) return;
    std::ranges::copy(prefix->mask().bytes(), mask);
    std::ranges::copy(prefix->address.bytes(), value);
    mask_bytes(value, mask);
}

void set_octet(std::uint8_t& value, std::uint8_t& mask, const std::optional<std::uint8_t>& octet) noexcept {
    if (!octet) return;
    value = *octet;
    mask = 0xff;
}

void set_port(std::uint16_t& value, std::uint16_t& mask, const std::optional<std::uint16_t>& port) noexcept {
    if (!port) return;
    value = htons(*port);
    mask = 0xffff;
}

void set_ether_type(ibv_flow_spec_eth& eth, const Fields& f) noexcept {
    const auto implied = is_ipv4(f)   ? std::optional<std::uint16_t>{ETHERTYPE_IP}
                         : is_ipv6(f) ? std::optional<std::uint16_t>{ETHERTYPE_IPV6}
                                      : std::nullopt;
    const auto type = f.ether_type ? f.ether_type : implied;
    if (!type) return;
    eth.val.ether_type = htons(*type);
    eth.mask.ether_type = 0xffff;
}

void set_vlan(ibv_flow_spec_eth& eth, const Fields& f) noexcept {
    unsigned tag = 0;
    unsigned mask = 0;
    if (f.vlan_id) {
        tag |= *f.vlan_id;
        mask |= vlan_id_mask;
    }
    if (f.vlan_priority) {
        tag |= static_cast<unsigned>(*f.vlan_priority) << vlan_priority_shift;
        mask |= vlan_priority_mask;
    }
    eth.val.vlan_tag = htons(static_cast<std::uint16_t>(tag & mask));
    eth.mask.vlan_tag = htons(static_cast<std::uint16_t>(mask));
}

ibv_flow_attr_type attr_type(FlowRule::Kind kind) noexcept {
    switch (kind) {
        case FlowRule::Kind::normal:
            return IBV_FLOW_ATTR_NORMAL;
        case FlowRule::Kind::sniffer:
            return IBV_FLOW_ATTR_SNIFFER;
        case FlowRule::Kind::all_default:
            return IBV_FLOW_ATTR_ALL_DEFAULT;
        case FlowRule::Kind::multicast_default:
            return IBV_FLOW_ATTR_MC_DEFAULT;
    }
    return IBV_FLOW_ATTR_NORMAL;
}

}  // namespace

std::optional<MaskedMac> group_mac(const FlowRule& rule) noexcept {
    const auto& f = rule.fields();
    // Below these lengths (224.0.0.0/4, ff00::/8) a prefix holds unicast addresses too.
    if (f.dst_ipv4 && f.dst_ipv4->address.is_multicast() && f.dst_ipv4->length >= 4) {
        const auto m = f.dst_ipv4->mask().bytes();
        return mask_group(f.dst_ipv4->address.multicast_mac().bytes(),
                          {0xff, 0xff, 0xff, static_cast<std::uint8_t>(0x80 | m[1]), m[2], m[3]});
    }
    if (f.dst_ipv6 && f.dst_ipv6->address.is_multicast() && f.dst_ipv6->length >= 8) {
        const auto m = f.dst_ipv6->mask().bytes();
        return mask_group(f.dst_ipv6->address.multicast_mac().bytes(), {0xff, 0xff, m[12], m[13], m[14], m[15]});
    }
    return std::nullopt;
}

template <class Spec>
Spec& FlowSpec::append(ibv_flow_spec_type type) noexcept {
    static_assert(alignof(Spec) <= alignof(ibv_flow_attr) && sizeof(Spec) % alignof(ibv_flow_attr) == 0);
    // Spec() and not Spec{}: it also zeroes the padding, as ibv_create_flow(3), note 2, requires.
    auto* const spec = new (bytes_.data() + attr()->size) Spec();
    spec->type = type;
    spec->size = sizeof(Spec);
    attr()->size = static_cast<std::uint16_t>(attr()->size + sizeof(Spec));
    ++attr()->num_of_specs;
    return *spec;
}

FlowSpec::FlowSpec(const FlowRule& rule, const MacAddress& own_mac, std::uint8_t port,
                   ibv_counters* counters) noexcept {
    const auto& f = rule.fields();
    auto* const header = new (bytes_.data()) ibv_flow_attr();
    header->type = attr_type(f.kind);
    header->size = sizeof(ibv_flow_attr);
    header->priority = f.priority;
    header->port = port;
    header->flags = f.dont_trap ? IBV_FLOW_ATTR_FLAGS_DONT_TRAP : 0;
    if (f.kind != FlowRule::Kind::normal) return;

    append_eth(rule, own_mac);
    if (is_ipv4(f)) append_ipv4(f);
    if (is_ipv6(f)) append_ipv6(f);
    if (f.udp || f.tcp) {
        auto& spec = append<ibv_flow_spec_tcp_udp>(f.udp ? IBV_FLOW_SPEC_UDP : IBV_FLOW_SPEC_TCP);
        set_port(spec.val.src_port, spec.mask.src_port, f.src_port);
        set_port(spec.val.dst_port, spec.mask.dst_port, f.dst_port);
    }
    if (f.tag) append<ibv_flow_spec_action_tag>(IBV_FLOW_SPEC_ACTION_TAG).tag_id = *f.tag;
    if (f.drop) append<ibv_flow_spec_action_drop>(IBV_FLOW_SPEC_ACTION_DROP);
    if (counters) append_counters(counters);
}

// Unlike the others: specs lie back to back, and this one's pointer would not be aligned.
void FlowSpec::append_counters(ibv_counters* counters) noexcept {
    ibv_flow_spec_counter_action spec{};
    spec.type = IBV_FLOW_SPEC_ACTION_COUNT;
    spec.size = sizeof spec;
    spec.counters = counters;
    std::memcpy(bytes_.data() + attr()->size, &spec, sizeof spec);
    attr()->size = static_cast<std::uint16_t>(attr()->size + sizeof spec);
    ++attr()->num_of_specs;
}

// Always present, even if empty: drivers expect a rule to start with the Ethernet level.
void FlowSpec::append_eth(const FlowRule& rule, const MacAddress& own_mac) noexcept {
    const auto& f = rule.fields();
    auto& eth = append<ibv_flow_spec_eth>(IBV_FLOW_SPEC_ETH);
    if (f.dst_mac) {
        set_mac(eth.val.dst_mac, eth.mask.dst_mac, *f.dst_mac);
    } else if (f.own_mac) {
        set_mac(eth.val.dst_mac, eth.mask.dst_mac, own_mac);
    } else if (const auto group = group_mac(rule)) {
        set_mac(eth.val.dst_mac, eth.mask.dst_mac, *group);
    }
    if (f.src_mac) set_mac(eth.val.src_mac, eth.mask.src_mac, *f.src_mac);
    set_ether_type(eth, f);
    set_vlan(eth, f);
}

// The plain spec if it suffices: not every device takes the extended one.
void FlowSpec::append_ipv4(const FlowRule::Fields& f) noexcept {
    if (!f.protocol && !f.tos && !f.ttl) {
        auto& ip = append<ibv_flow_spec_ipv4>(IBV_FLOW_SPEC_IPV4);
        set_ip(ip.val.src_ip, ip.mask.src_ip, f.src_ipv4);
        set_ip(ip.val.dst_ip, ip.mask.dst_ip, f.dst_ipv4);
        return;
    }
    auto& ip = append<ibv_flow_spec_ipv4_ext>(IBV_FLOW_SPEC_IPV4_EXT);
    set_ip(ip.val.src_ip, ip.mask.src_ip, f.src_ipv4);
    set_ip(ip.val.dst_ip, ip.mask.dst_ip, f.dst_ipv4);
    set_octet(ip.val.proto, ip.mask.proto, f.protocol);
    set_octet(ip.val.tos, ip.mask.tos, f.tos);
    set_octet(ip.val.ttl, ip.mask.ttl, f.ttl);
}

void FlowSpec::append_ipv6(const FlowRule::Fields& f) noexcept {
    auto& ip = append<ibv_flow_spec_ipv6>(IBV_FLOW_SPEC_IPV6);
    set_ip(ip.val.src_ip, ip.mask.src_ip, f.src_ipv6);
    set_ip(ip.val.dst_ip, ip.mask.dst_ip, f.dst_ipv6);
    set_octet(ip.val.next_hdr, ip.mask.next_hdr, f.protocol);
    set_octet(ip.val.traffic_class, ip.mask.traffic_class, f.tos);
    set_octet(ip.val.hop_limit, ip.mask.hop_limit, f.ttl);
}

}  // namespace pktverbs
