// SPDX-License-Identifier: Apache-2.0
// FlowRule: its checks and its text.
#include <net/ethernet.h>
#include <netinet/in.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <pktverbs/flow_rule.hpp>
#include <pktverbs/format.hpp>

#include "flow/flow_spec.hpp"

namespace pktverbs {
namespace {

using Fields = FlowRule::Fields;
using Kind = FlowRule::Kind;

constexpr std::uint16_t max_vlan_id = 4095;
constexpr std::uint8_t max_vlan_priority = 7;
constexpr std::uint32_t tag_end = 1u << 24;

[[noreturn]] void refuse_rule(const std::string& why) {
    throw std::system_error(EINVAL, std::generic_category(), "flow rule contradicts itself: " + why);
}

// A whole address is shown without its length.
std::string text_of(const Ipv4Prefix& prefix) {
    return prefix.length == 32 ? prefix.address.to_string() : prefix.to_string();
}
std::string text_of(const Ipv6Prefix& prefix) {
    return prefix.length == 128 ? prefix.address.to_string() : prefix.to_string();
}

std::string_view text_of(Kind kind) {
    switch (kind) {
        case Kind::normal:
            return "";
        case Kind::sniffer:
            return "sniffer";
        case Kind::all_default:
            return "all_default";
        case Kind::multicast_default:
            return "multicast_default";
    }
    return "";
}

// Collects words; an unset optional or flag adds nothing.
class Words {
public:
    void add(std::string_view word) {
        if (word.empty()) return;
        if (!text_.empty()) text_ += ' ';
        text_ += word;
    }
    void add_if(bool on, std::string_view word) {
        if (on) add(word);
    }
    template <class Number>
    void add_number(std::string_view name, const std::optional<Number>& value) {
        if (value) add(fmt::format("{} {}", name, *value));
    }
    template <class Prefix>
    void add_prefix(std::string_view name, const std::optional<Prefix>& value) {
        if (value) add(fmt::format("{} {}", name, text_of(*value)));
    }
    std::string text() && { return std::move(text_); }

private:
    std::string text_;
};

std::string matches_text(const Fields& f) {
    Words words;
    words.add(text_of(f.kind));
    words.add_if(f.own_mac, "own_mac");
    words.add_number("dst_mac", f.dst_mac);
    words.add_number("src_mac", f.src_mac);
    if (f.ether_type) words.add(fmt::format("ether_type {:#06x}", *f.ether_type));
    words.add_number("vlan", f.vlan_id);
    words.add_number("vlan_priority", f.vlan_priority);
    words.add_if(f.ipv4, "ipv4");
    words.add_if(f.ipv6, "ipv6");
    words.add_prefix("src_ip", f.src_ipv4);
    words.add_prefix("src_ip", f.src_ipv6);
    words.add_prefix("dst_ip", f.dst_ipv4);
    words.add_prefix("dst_ip", f.dst_ipv6);
    words.add_number("protocol", f.protocol);
    words.add_number("tos", f.tos);
    words.add_number("ttl", f.ttl);
    words.add_if(f.udp, "udp");
    words.add_if(f.tcp, "tcp");
    words.add_number("src_port", f.src_port);
    words.add_number("dst_port", f.dst_port);
    return std::move(words).text();
}

std::string actions_text(const Fields& f) {
    Words words;
    words.add_if(f.dont_trap, "dont_trap");
    words.add_if(f.drop, "drop");
    words.add_number("tag", f.tag);
    words.add_if(f.count, "count");
    return std::move(words).text();
}

// The field that makes the rule IPv4, or IPv6; empty if none does.
std::string ipv4_reason(const Fields& f) {
    if (f.src_ipv4) return "src_ip " + text_of(*f.src_ipv4);
    if (f.dst_ipv4) return "dst_ip " + text_of(*f.dst_ipv4);
    return f.ipv4 ? "ipv4()" : "";
}
std::string ipv6_reason(const Fields& f) {
    if (f.src_ipv6) return "src_ip " + text_of(*f.src_ipv6);
    if (f.dst_ipv6) return "dst_ip " + text_of(*f.dst_ipv6);
    return f.ipv6 ? "ipv6()" : "";
}

template <class Prefix>
void check_prefix(std::string_view name, const std::optional<Prefix>& prefix, int max_length) {
    if (prefix && prefix->length > max_length)
        refuse_rule(fmt::format("{} {} has a prefix length above {}", name, *prefix, max_length));
}

void check_ranges(const Fields& f) {
    if (f.vlan_id && *f.vlan_id > max_vlan_id) refuse_rule(fmt::format("vlan {} is above {}", *f.vlan_id, max_vlan_id));
    if (f.vlan_priority && *f.vlan_priority > max_vlan_priority)
        refuse_rule(fmt::format("vlan_priority {} is above {}", *f.vlan_priority, max_vlan_priority));
    if (f.tag && *f.tag >= tag_end) refuse_rule(fmt::format("tag {} is above {}", *f.tag, tag_end - 1));
    check_prefix("src_ip", f.src_ipv4, 32);
    check_prefix("dst_ip", f.dst_ipv4, 32);
    check_prefix("src_ip", f.src_ipv6, 128);
    check_prefix("dst_ip", f.dst_ipv6, 128);
}

void check_kind(const Fields& f) {
    if (f.kind == Kind::normal) return;
    auto rest = f;
    rest.kind = Kind::normal;
    if (const auto fields = matches_text(rest); !fields.empty())
        refuse_rule(fmt::format("{} takes no fields, but there is {}", text_of(f.kind), fields));
    if (const auto actions = actions_text(rest); !actions.empty())
        refuse_rule(fmt::format("{} takes no actions, but there is {}", text_of(f.kind), actions));
}

void check_actions(const Fields& f) {
    if (f.drop && f.dont_trap) refuse_rule("drop and dont_trap, which passes frames on");
    if (f.drop && f.tag) refuse_rule(fmt::format("drop and tag {}, which no completion would report", *f.tag));
}

void check_ip(const Fields& f) {
    const auto ipv4 = ipv4_reason(f);
    const auto ipv6 = ipv6_reason(f);
    if (!ipv4.empty() && !ipv6.empty()) refuse_rule(fmt::format("{} is IPv4 and {} is IPv6", ipv4, ipv6));
    if (f.ether_type && !ipv4.empty() && *f.ether_type != ETHERTYPE_IP)
        refuse_rule(fmt::format("{} is IPv4 ({:#06x}), but ether_type is {:#06x}", ipv4, ETHERTYPE_IP, *f.ether_type));
    if (f.ether_type && !ipv6.empty() && *f.ether_type != ETHERTYPE_IPV6)
        refuse_rule(
            fmt::format("{} is IPv6 ({:#06x}), but ether_type is {:#06x}", ipv6, ETHERTYPE_IPV6, *f.ether_type));
    if (!ipv4.empty() || !ipv6.empty()) return;
    if (const auto* name = f.protocol ? "protocol" : f.tos ? "tos" : f.ttl ? "ttl" : nullptr)
        refuse_rule(fmt::format("{} needs an IP version: add .ipv4(), .ipv6() or an address", name));
}

void check_transport(const Fields& f) {
    if (f.udp && f.tcp) refuse_rule("udp and tcp");
    if (!f.udp && !f.tcp) {
        if (f.src_port) refuse_rule(fmt::format("src_port {} needs a protocol: add .udp() or .tcp()", *f.src_port));
        if (f.dst_port) refuse_rule(fmt::format("dst_port {} needs a protocol: add .udp() or .tcp()", *f.dst_port));
        return;
    }
    const auto* const name = f.udp ? "udp" : "tcp";
    const int number = f.udp ? IPPROTO_UDP : IPPROTO_TCP;
    if (f.protocol && *f.protocol != number)
        refuse_rule(fmt::format("{} is protocol {}, but protocol is {}", name, number, *f.protocol));
    if (f.ether_type && *f.ether_type != ETHERTYPE_IP && *f.ether_type != ETHERTYPE_IPV6)
        refuse_rule(fmt::format("{} is over IP, but ether_type is {:#06x}", name, *f.ether_type));
}

std::string dst_ip_text(const Fields& f) { return f.dst_ipv4 ? text_of(*f.dst_ipv4) : text_of(*f.dst_ipv6); }

bool is_in(const MacAddress& mac, const MaskedMac& group) {
    for (std::size_t i = 0; i < MacAddress::size; ++i)
        if ((mac.bytes()[i] & group.mask.bytes()[i]) != group.value.bytes()[i]) return false;
    return true;
}

void check_dst_mac(const FlowRule& rule) {
    const auto& f = rule.fields();
    if (f.own_mac && f.dst_mac) refuse_rule(fmt::format("own_mac and dst_mac {}", *f.dst_mac));
    const auto group = group_mac(rule);
    if (!group) return;
    if (f.own_mac)
        refuse_rule(
            fmt::format("own_mac and the multicast dst_ip {}, which has dst_mac {}", dst_ip_text(f), group->value));
    if (f.dst_mac && !is_in(*f.dst_mac, *group))
        refuse_rule(fmt::format("dst_mac {} and the multicast dst_ip {}, which has dst_mac {}", *f.dst_mac,
                                dst_ip_text(f), group->value));
}

[[noreturn]] void throw_bad_ip(std::string_view text) {
    throw std::invalid_argument(fmt::format(
        "bad IP address '{}': expected an address or a prefix, like 192.0.2.1, 10.0.0.0/8 or ff15::42", text));
}

}  // namespace

FlowRule& FlowRule::src_ip(std::string_view text) {
    if (const auto ipv4 = Ipv4Prefix::parse(text)) return src_ip(*ipv4);
    if (const auto ipv6 = Ipv6Prefix::parse(text)) return src_ip(*ipv6);
    throw_bad_ip(text);
}

FlowRule& FlowRule::dst_ip(std::string_view text) {
    if (const auto ipv4 = Ipv4Prefix::parse(text)) return dst_ip(*ipv4);
    if (const auto ipv6 = Ipv6Prefix::parse(text)) return dst_ip(*ipv6);
    throw_bad_ip(text);
}

void FlowRule::check() const {
    check_ranges(fields_);
    check_kind(fields_);
    check_actions(fields_);
    check_ip(fields_);
    check_transport(fields_);
    check_dst_mac(*this);
}

std::string FlowRule::to_string() const {
    const auto matches = matches_text(fields_);
    Words words;
    words.add(matches.empty() ? "everything" : matches);
    if (fields_.priority != 0) words.add(fmt::format("priority {}", fields_.priority));
    words.add(actions_text(fields_));
    return std::move(words).text();
}

}  // namespace pktverbs
