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

/// Built by chaining: FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148).
///
/// A field that is not set matches anything, the destination MAC address included: own_mac() is for frames that are
/// meant for this port. Zero is a value like any other. The
/// protocol levels follow from the fields: a port needs udp() or tcp(), an IP address
/// makes the rule IPv4 or IPv6. Setters only store; a rule that contradicts itself (an IPv4
/// source with an IPv6 destination, a port on ARP) is refused as a whole, by
/// Context::install and by check(). A value: copy it, keep it, install it often.
class PKTVERBS_EXPORT FlowRule {
public:
    /// Which frames, before any field is looked at (ibv_create_flow(3), rule types).
    enum class Kind : std::uint8_t {
        normal,             ///< those that match every field that is set
        sniffer,            ///< a copy of every frame, whoever else gets it
        all_default,        ///< those that no normal rule steers
        multicast_default,  ///< multicast and broadcast frames that no normal rule steers
    };

    FlowRule& dst_mac(MacAddress mac) { return fields_.dst_mac = mac, *this; }
    FlowRule& src_mac(MacAddress mac) { return fields_.src_mac = mac, *this; }
    FlowRule& dst_mac(std::string_view mac) { return dst_mac(MacAddress{mac}); }
    FlowRule& src_mac(std::string_view mac) { return src_mac(MacAddress{mac}); }
    /// Matches frames for the port's own MAC address, whichever that is: the rule follows it (docs/lifetime.md).
    FlowRule& own_mac(bool on = true) { return fields_.own_mac = on, *this; }
    /// The EtherType after the last VLAN tag (ibv_create_flow(3), note 3), in host order.
    FlowRule& ether_type(std::uint16_t type) { return fields_.ether_type = type, *this; }
    /// The VLAN id, 0 to 4095: 12 bits of the tag, not the whole of it.
    FlowRule& vlan(std::uint16_t id) { return fields_.vlan_id = id, *this; }
    /// The VLAN priority (PCP), 0 to 7.
    FlowRule& vlan_priority(std::uint8_t priority) { return fields_.vlan_priority = priority, *this; }

    /// Any IPv4, or any IPv6, packet; implied by an address of that version.
    FlowRule& ipv4() { return fields_.ipv4 = true, *this; }
    FlowRule& ipv6() { return fields_.ipv6 = true, *this; }
    FlowRule& src_ip(Ipv4Address address) { return fields_.src_ipv4 = Ipv4Prefix{address}, *this; }
    FlowRule& dst_ip(Ipv4Address address) { return fields_.dst_ipv4 = Ipv4Prefix{address}, *this; }
    FlowRule& src_ip(Ipv6Address address) { return fields_.src_ipv6 = Ipv6Prefix{address}, *this; }
    FlowRule& dst_ip(Ipv6Address address) { return fields_.dst_ipv6 = Ipv6Prefix{address}, *this; }
    FlowRule& src_ip(Ipv4Prefix prefix) { return fields_.src_ipv4 = prefix, *this; }
    FlowRule& dst_ip(Ipv4Prefix prefix) { return fields_.dst_ipv4 = prefix, *this; }
    FlowRule& src_ip(Ipv6Prefix prefix) { return fields_.src_ipv6 = prefix, *this; }
    FlowRule& dst_ip(Ipv6Prefix prefix) { return fields_.dst_ipv6 = prefix, *this; }
    /// An address or prefix of either version, as text ("10.0.0.0/8", "ff15::42").
    /// Throws std::invalid_argument with the text in the message.
    FlowRule& src_ip(std::string_view text);
    FlowRule& dst_ip(std::string_view text);
    /// The IPv4 protocol, or the IPv6 next header after extension headers.
    FlowRule& protocol(std::uint8_t number) { return fields_.protocol = number, *this; }
    /// The whole IPv4 TOS or IPv6 traffic class octet: DSCP and ECN.
    FlowRule& tos(std::uint8_t value) { return fields_.tos = value, *this; }
    /// The IPv4 time to live or IPv6 hop limit.
    FlowRule& ttl(std::uint8_t value) { return fields_.ttl = value, *this; }

    FlowRule& udp() { return fields_.udp = true, *this; }
    FlowRule& tcp() { return fields_.tcp = true, *this; }
    /// In host order. Needs udp() or tcp().
    FlowRule& src_port(std::uint16_t port) { return fields_.src_port = port, *this; }
    FlowRule& dst_port(std::uint16_t port) { return fields_.dst_port = port, *this; }

    /// A copy of everything; takes no fields.
    FlowRule& sniffer() { return fields_.kind = Kind::sniffer, *this; }
    /// What no normal rule takes; takes no fields.
    FlowRule& all_default() { return fields_.kind = Kind::all_default, *this; }
    /// Multicast and broadcast that no normal rule takes; takes no fields.
    FlowRule& multicast_default() { return fields_.kind = Kind::multicast_default, *this; }
    /// Rules with a lower number are looked at first. Default 0.
    FlowRule& priority(std::uint16_t number) { return fields_.priority = number, *this; }
    /// Matching frames come here and go on to later rules as well. Normal rules only.
    FlowRule& dont_trap(bool on = true) { return fields_.dont_trap = on, *this; }
    /// Matching frames go nowhere. Normal rules only.
    FlowRule& drop(bool on = true) { return fields_.drop = on, *this; }
    /// A number that RecvPkt::flow_tag() gives for matching frames, below 2^24.
    FlowRule& tag(std::uint32_t number) { return fields_.tag = number, *this; }
    /// The device counts matching frames: Flow::count(). Normal rules only. Where it can't, installing fails.
    FlowRule& count(bool on = true) { return fields_.count = on, *this; }

    struct Fields {
        Kind kind = Kind::normal;
        std::uint16_t priority = 0;
        bool dont_trap = false;
        bool drop = false;
        bool count = false;
        bool own_mac = false;
        bool ipv4 = false;
        bool ipv6 = false;
        bool udp = false;
        bool tcp = false;
        std::optional<std::uint32_t> tag;
        std::optional<MacAddress> dst_mac;
        std::optional<MacAddress> src_mac;
        std::optional<std::uint16_t> ether_type;
        std::optional<std::uint16_t> vlan_id;
        std::optional<std::uint8_t> vlan_priority;
        std::optional<Ipv4Prefix> src_ipv4;
        std::optional<Ipv4Prefix> dst_ipv4;
        std::optional<Ipv6Prefix> src_ipv6;
        std::optional<Ipv6Prefix> dst_ipv6;
        std::optional<std::uint8_t> protocol;
        std::optional<std::uint8_t> tos;
        std::optional<std::uint8_t> ttl;
        std::optional<std::uint16_t> src_port;
        std::optional<std::uint16_t> dst_port;

        friend bool operator==(const Fields&, const Fields&) = default;
    };
    const Fields& fields() const noexcept { return fields_; }

    /// Throws std::system_error (EINVAL) that says what contradicts what, if anything does.
    void check() const;
    /// "dst_ip 239.2.1.150 udp dst_port 7148"; "everything" for a rule with no field.
    std::string to_string() const;

    friend bool operator==(const FlowRule&, const FlowRule&) = default;

private:
    Fields fields_;
};

}  // namespace pktverbs
