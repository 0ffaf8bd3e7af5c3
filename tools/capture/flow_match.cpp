// SPDX-License-Identifier: Apache-2.0
#include "flow_match.hpp"

#include <cstddef>

namespace tool {

namespace {

using Headers = pktverbs::net::Headers<const std::uint8_t>;

template <class Prefix, class Address>
bool contains(const Prefix& prefix, const Address& address) noexcept {
    const auto mask = prefix.mask().bytes(), wanted = prefix.address.bytes(), found = address.bytes();
    for (std::size_t i = 0; i < mask.size(); ++i)
        if (((wanted[i] ^ found[i]) & mask[i]) != 0) return false;
    return true;
}

bool address_is(const Flow::Address& wanted, const Headers& headers, bool is_source) noexcept {
    if (const auto* const prefix = std::get_if<pktverbs::Ipv4Prefix>(&wanted)) {
        const auto ip = headers.ipv4();
        return ip && contains(*prefix, is_source ? ip.src() : ip.dst());
    }
    if (const auto* const prefix = std::get_if<pktverbs::Ipv6Prefix>(&wanted)) {
        const auto ip = headers.ipv6();
        return ip && contains(*prefix, is_source ? ip.src() : ip.dst());
    }
    return true;
}

template <class View>
bool ports_are(const Flow& flow, const View& view) noexcept {
    if (!view) return !flow.port && !flow.sport;
    return (!flow.port || *flow.port == view.dst_port()) && (!flow.sport || *flow.sport == view.src_port());
}

bool protocol_is(const Flow& flow, const Headers& headers) noexcept {
    using Protocol = Flow::Protocol;
    constexpr std::uint8_t tcp = 6, udp = 17;
    switch (flow.protocol) {
        case Protocol::udp:
            return headers.protocol() == udp && ports_are(flow, headers.udp());
        case Protocol::tcp:
            return headers.protocol() == tcp && ports_are(flow, headers.tcp());
        case Protocol::ip:
            return static_cast<bool>(headers.ipv4()) && (!flow.proto || *flow.proto == headers.protocol());
        case Protocol::ip6:
            return static_cast<bool>(headers.ipv6()) && (!flow.proto || *flow.proto == headers.protocol());
        case Protocol::eth:
            return !flow.type || *flow.type == headers.ether_type();
        case Protocol::all:
            return true;
    }
    return false;
}

}  // namespace

bool flow_has(const Flow& flow, const Headers& headers) noexcept {
    if (flow.vlan && (headers.vlan_count() == 0 || headers.vlan().id() != *flow.vlan)) return false;
    return protocol_is(flow, headers) && address_is(flow.dst, headers, false) && address_is(flow.src, headers, true);
}

}  // namespace tool
