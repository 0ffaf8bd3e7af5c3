// SPDX-License-Identifier: Apache-2.0
#include "address_rewrite.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <variant>

#include <pktverbs/net/net.hpp>

namespace tool {

namespace {

namespace net = pktverbs::net;
using Bytes = std::span<std::uint8_t>;

enum Protocol : std::uint8_t { tcp = 6, udp = 17, icmpv6 = 58 };
constexpr std::size_t no_checksum = 0;

/// Where a protocol has its checksum over the addresses; 0: nowhere.
std::size_t checksum_at(std::uint8_t protocol) noexcept {
    if (protocol == tcp) return 16;
    if (protocol == udp) return 6;
    return protocol == icmpv6 ? 2 : no_checksum;
}

/// A checksum to be corrected; empty if there is none.
struct Checksum {
    Bytes bytes = {};
    bool is_udp = false;         ///< 0 is written as 0xffff, as it means something else (RFC 768)
    bool may_be_absent = false;  ///< it is 0 then, over IPv4

    void correct(std::span<const std::uint8_t> before, std::span<const std::uint8_t> after) const noexcept {
        if (bytes.empty()) return;
        auto sum = net::load<std::uint16_t>(bytes.data());
        if (may_be_absent && sum == 0) return;
        for (std::size_t i = 0; i < before.size(); i += 2)
            sum = net::update_checksum(sum, net::load<std::uint16_t>(&before[i]), net::load<std::uint16_t>(&after[i]));
        net::store(bytes.data(), static_cast<std::uint16_t>(is_udp && sum == 0 ? 0xffff : sum));
    }
};

Checksum checksum_of(Bytes segment, std::uint8_t protocol, bool is_ipv4) noexcept {
    const auto at = checksum_at(protocol);
    if (at == no_checksum || segment.size() < at + 2 || (is_ipv4 && protocol == icmpv6)) return {};
    return {segment.subspan(at, 2), protocol == udp, protocol == udp && is_ipv4};
}

template <class Address>
void replace(Bytes field, const std::optional<IpAddress>& wanted, std::initializer_list<Checksum> sums) noexcept {
    const auto* const address = wanted ? std::get_if<Address>(&*wanted) : nullptr;
    if (address == nullptr) return;
    const auto after = address->bytes();
    for (const auto& sum : sums) sum.correct(field, after);
    std::ranges::copy(after, field.begin());
}

void rewrite_ipv4(Bytes packet, const AddressRewrite& to) noexcept {
    if (packet.size() < 20 || packet[0] >> 4 != 4) return;
    const std::size_t header = (packet[0] & 15U) * 4;
    const std::size_t length = std::min<std::size_t>(packet.size(), net::load<std::uint16_t>(&packet[2]));
    if (header < 20 || header > length) return;
    // A later fragment has no header of the next protocol.
    const bool is_first = (net::load<std::uint16_t>(&packet[6]) & 0x1fff) == 0;
    const Checksum own{packet.subspan(10, 2)};
    const auto inner = is_first ? checksum_of(packet.subspan(header, length - header), packet[9], true) : Checksum{};
    replace<pktverbs::Ipv4Address>(packet.subspan(12, 4), to.src, {own, inner});
    replace<pktverbs::Ipv4Address>(packet.subspan(16, 4), to.dst, {own, inner});
}

/// RFC 8200, 4: behind the extension headers that may come before a segment.
Checksum behind_extensions(Bytes rest, std::uint8_t next) noexcept {
    constexpr std::uint8_t hop_by_hop = 0, routing = 43, fragment = 44, destination = 60;
    while (next == hop_by_hop || next == routing || next == fragment || next == destination) {
        if (rest.size() < 8) return {};
        if (next == fragment && (net::load<std::uint16_t>(&rest[2]) & 0xfff8) != 0) return {};
        const std::size_t bytes = next == fragment ? 8 : (rest[1] + std::size_t{1}) * 8;
        if (rest.size() < bytes) return {};
        next = rest[0];
        rest = rest.subspan(bytes);
    }
    return checksum_of(rest, next, false);
}

void rewrite_ipv6(Bytes packet, const AddressRewrite& to) noexcept {
    if (packet.size() < 40 || packet[0] >> 4 != 6) return;
    const auto inner = behind_extensions(packet.subspan(40), packet[6]);
    replace<pktverbs::Ipv6Address>(packet.subspan(8, 16), to.src, {inner});
    replace<pktverbs::Ipv6Address>(packet.subspan(24, 16), to.dst, {inner});
}

}  // namespace

void AddressRewrite::apply(Bytes frame) const noexcept {
    if (frame.size() < 14) return;
    if (dst_mac) std::ranges::copy(dst_mac->bytes(), frame.begin());
    if (src_mac) std::ranges::copy(src_mac->bytes(), frame.begin() + 6);
    if (!src && !dst) return;
    std::size_t at = 12;
    while (at + 2 <= frame.size() && net::ether_type::is_vlan(net::load<std::uint16_t>(&frame[at]))) at += 4;
    if (at + 2 > frame.size()) return;
    const auto type = net::load<std::uint16_t>(&frame[at]);
    if (type == net::ether_type::ipv4) rewrite_ipv4(frame.subspan(at + 2), *this);
    if (type == net::ether_type::ipv6) rewrite_ipv6(frame.subspan(at + 2), *this);
}

}  // namespace tool
