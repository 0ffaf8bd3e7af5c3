// SPDX-License-Identifier: Apache-2.0
// FlowRule: the description of which received frames a queue wants.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pktverbs/address/ipv4_address.hpp>
#include <pktverbs/address/ipv6_address.hpp>
#include <pktverbs/address/mac_address.hpp>
#include <pktverbs/export.hpp>

namespace pktverbs {

/// Describes which received frames a queue wants; built by chaining, as in
/// FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148).
///
/// A field that is not set matches anything, the destination MAC address included: use own_mac() for frames addressed
/// to this port. Zero is a value like any other. The protocol levels follow from the fields: a port needs udp() or
/// tcp(), an IP address makes the rule IPv4 or IPv6. Setters only store; a rule that contradicts itself (an IPv4 source
/// with an IPv6 destination, a port on ARP) is refused as a whole, by Context::install and by check(). It is a value:
/// copy it, keep it, install it often.
class PKTVERBS_EXPORT FlowRule {
public:
    /// Which frames a rule is about, before any field is compared (ibv_create_flow(3), rule types).
    enum class Kind : std::uint8_t {
        normal,             ///< frames that match every field that is set
        sniffer,            ///< a copy of every frame, whichever rule steers it
        all_default,        ///< frames that no normal rule steers
        multicast_default,  ///< multicast and broadcast frames that no normal rule steers
    };

    /// Matches the destination MAC address.
    FlowRule& dst_mac(MacAddress mac) { return fields_.dst_mac = mac, *this; }
    /// Matches the source MAC address.
    FlowRule& src_mac(MacAddress mac) { return fields_.src_mac = mac, *this; }
    /// Matches the destination MAC address, as text. Throws std::invalid_argument with the text in the message.
    FlowRule& dst_mac(std::string_view mac) { return dst_mac(MacAddress{mac}); }
    /// Matches the source MAC address, as text. Throws std::invalid_argument with the text in the message.
    FlowRule& src_mac(std::string_view mac) { return src_mac(MacAddress{mac}); }
    /// Matches frames to the port's own MAC address. The rule follows that address when it changes (docs/lifetime.md).
    FlowRule& own_mac(bool on = true) { return fields_.own_mac = on, *this; }
    /// Matches the EtherType after the last VLAN tag (ibv_create_flow(3), note 3), in host order.
    FlowRule& ether_type(std::uint16_t type) { return fields_.ether_type = type, *this; }
    /// Matches the VLAN id, 0 to 4095: 12 bits of the tag, not the whole tag.
    FlowRule& vlan(std::uint16_t id) { return fields_.vlan_id = id, *this; }
    /// Matches the VLAN priority (PCP), 0 to 7.
    FlowRule& vlan_priority(std::uint8_t priority) { return fields_.vlan_priority = priority, *this; }

    /// Matches any IPv4 packet. An IPv4 address implies it.
    FlowRule& ipv4() { return fields_.ipv4 = true, *this; }
    /// Matches any IPv6 packet. An IPv6 address implies it.
    FlowRule& ipv6() { return fields_.ipv6 = true, *this; }
    /// Matches the source address.
    FlowRule& src_ip(Ipv4Address address) { return fields_.src_ipv4 = Ipv4Prefix{address}, *this; }
    /// Matches the destination address.
    FlowRule& dst_ip(Ipv4Address address) { return fields_.dst_ipv4 = Ipv4Prefix{address}, *this; }
    /// Matches the source address.
    FlowRule& src_ip(Ipv6Address address) { return fields_.src_ipv6 = Ipv6Prefix{address}, *this; }
    /// Matches the destination address.
    FlowRule& dst_ip(Ipv6Address address) { return fields_.dst_ipv6 = Ipv6Prefix{address}, *this; }
    /// Matches source addresses that begin with the prefix.
    FlowRule& src_ip(Ipv4Prefix prefix) { return fields_.src_ipv4 = prefix, *this; }
    /// Matches destination addresses that begin with the prefix.
    FlowRule& dst_ip(Ipv4Prefix prefix) { return fields_.dst_ipv4 = prefix, *this; }
    /// Matches source addresses that begin with the prefix.
    FlowRule& src_ip(Ipv6Prefix prefix) { return fields_.src_ipv6 = prefix, *this; }
    /// Matches destination addresses that begin with the prefix.
    FlowRule& dst_ip(Ipv6Prefix prefix) { return fields_.dst_ipv6 = prefix, *this; }
    /// Matches a source address or prefix of either version, as text ("10.0.0.0/8", "ff15::42"). Throws
    /// std::invalid_argument with the text in the message.
    FlowRule& src_ip(std::string_view text);
    /// Matches a destination address or prefix; like src_ip() with text.
    FlowRule& dst_ip(std::string_view text);
    /// Matches the IPv4 protocol, or the IPv6 next header after extension headers.
    FlowRule& protocol(std::uint8_t number) { return fields_.protocol = number, *this; }
    /// Matches the whole IPv4 TOS or IPv6 traffic class octet: DSCP and ECN.
    FlowRule& tos(std::uint8_t value) { return fields_.tos = value, *this; }
    /// Matches the IPv4 time to live or IPv6 hop limit.
    FlowRule& ttl(std::uint8_t value) { return fields_.ttl = value, *this; }

    /// Matches UDP packets.
    FlowRule& udp() { return fields_.udp = true, *this; }
    /// Matches TCP packets.
    FlowRule& tcp() { return fields_.tcp = true, *this; }
    /// Matches the source port, in host order. Needs udp() or tcp().
    FlowRule& src_port(std::uint16_t port) { return fields_.src_port = port, *this; }
    /// Matches the destination port, in host order. Needs udp() or tcp().
    FlowRule& dst_port(std::uint16_t port) { return fields_.dst_port = port, *this; }

    /// Matches a copy of every frame; takes no fields.
    FlowRule& sniffer() { return fields_.kind = Kind::sniffer, *this; }
    /// Matches what no normal rule takes; takes no fields.
    FlowRule& all_default() { return fields_.kind = Kind::all_default, *this; }
    /// Matches multicast and broadcast frames that no normal rule takes; takes no fields.
    FlowRule& multicast_default() { return fields_.kind = Kind::multicast_default, *this; }
    /// Sets the order in which rules are tried: lower numbers first. The default is 0.
    FlowRule& priority(std::uint16_t number) { return fields_.priority = number, *this; }
    /// Lets matching frames go on to later rules as well. Normal rules only.
    FlowRule& dont_trap(bool on = true) { return fields_.dont_trap = on, *this; }
    /// Drops matching frames. Normal rules only.
    FlowRule& drop(bool on = true) { return fields_.drop = on, *this; }
    /// Marks matching frames with a number below 2^24, which RecvPkt::flow_tag() returns.
    FlowRule& tag(std::uint32_t number) { return fields_.tag = number, *this; }
    /// Counts matching frames in the device, for Flow::count(). Normal rules only. Installing fails where the device
    /// can't.
    FlowRule& count(bool on = true) { return fields_.count = on, *this; }

    /// The rule's parts, each named after the setter that sets it; nullopt: not set, so it matches anything.
    struct Fields {
        Kind kind = Kind::normal;                   ///< which frames the rule is about
        std::uint16_t priority = 0;                 ///< priority()
        bool dont_trap = false;                     ///< dont_trap()
        bool drop = false;                          ///< drop()
        bool count = false;                         ///< count()
        bool own_mac = false;                       ///< own_mac()
        bool ipv4 = false;                          ///< ipv4(); not set by an address alone
        bool ipv6 = false;                          ///< ipv6(); not set by an address alone
        bool udp = false;                           ///< udp()
        bool tcp = false;                           ///< tcp()
        std::optional<std::uint32_t> tag;           ///< tag()
        std::optional<MacAddress> dst_mac;          ///< dst_mac()
        std::optional<MacAddress> src_mac;          ///< src_mac()
        std::optional<std::uint16_t> ether_type;    ///< ether_type()
        std::optional<std::uint16_t> vlan_id;       ///< vlan()
        std::optional<std::uint8_t> vlan_priority;  ///< vlan_priority()
        std::optional<Ipv4Prefix> src_ipv4;         ///< src_ip() of an IPv4 address or prefix
        std::optional<Ipv4Prefix> dst_ipv4;         ///< dst_ip() of an IPv4 address or prefix
        std::optional<Ipv6Prefix> src_ipv6;         ///< src_ip() of an IPv6 address or prefix
        std::optional<Ipv6Prefix> dst_ipv6;         ///< dst_ip() of an IPv6 address or prefix
        std::optional<std::uint8_t> protocol;       ///< protocol()
        std::optional<std::uint8_t> tos;            ///< tos()
        std::optional<std::uint8_t> ttl;            ///< ttl()
        std::optional<std::uint16_t> src_port;      ///< src_port(), in host order
        std::optional<std::uint16_t> dst_port;      ///< dst_port(), in host order

        friend bool operator==(const Fields&, const Fields&) = default;
    };
    /// Returns the rule's parts, to read.
    const Fields& fields() const noexcept { return fields_; }

    /// Throws std::system_error (EINVAL) that names the contradiction, if the rule contradicts itself.
    void check() const;
    /// Returns "dst_ip 239.2.1.150 udp dst_port 7148"; "everything" for a rule with no field.
    std::string to_string() const;

    friend bool operator==(const FlowRule&, const FlowRule&) = default;

private:
    Fields fields_;
};

}  // namespace pktverbs
