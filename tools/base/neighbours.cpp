// SPDX-License-Identifier: Apache-2.0
#include "neighbours.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include "common/arp.hpp"
#include "common/outcome.hpp"
#include "common/send_one.hpp"

namespace tool {

using pktverbs::Ipv4Address;
using pktverbs::Ipv6Address;
using pktverbs::MacAddress;
namespace net = pktverbs::net;

namespace {

// RFC 4861, 4.3 and 4.4: the ICMPv6 header with its flags, the target, and one option with a MAC address.
constexpr std::uint8_t solicitation = 135, advertisement = 136;
constexpr std::size_t target_at = 8, option_at = 24, message_bytes = 32;
constexpr std::uint8_t solicited_and_override = 0x60, override_only = 0x20;
constexpr std::uint8_t source_option = 1, target_option = 2;
constexpr std::uint8_t only_from_the_link = 255;  // 7.1.1: a router would have decremented it

/// The group of all whose addresses end with the same 24 bits (RFC 4291, 2.7.1).
Ipv6Address solicited_node(const Ipv6Address& address) {
    const auto& a = address.bytes();
    return Ipv6Address{Ipv6Address::Bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a[13], a[14], a[15]}};
}

bool send_discovery(pktverbs::Context& ctx, MacAddress dst_mac, const Ipv6Address& src, const Ipv6Address& dst,
                    const Ipv6Address& target, std::uint8_t type, std::uint8_t flags) {
    const auto mac = ctx.limits().mac;
    const net::FrameTemplate headers{
        net::Ethernet{.dst = dst_mac, .src = mac},
        net::Ipv6{.src = src, .dst = dst, .hop_limit = only_from_the_link, .next_header = net::ip_protocol::icmpv6}};
    return example::send_one(ctx, headers.frame_bytes(message_bytes), [&](net::Bytes frame) {
        const auto message = frame.subspan(headers.header_bytes());
        std::ranges::fill(message, std::uint8_t{0});
        message[0] = type;
        message[4] = flags;
        std::ranges::copy(target.bytes(), message.begin() + target_at);
        message[option_at] = type == solicitation ? source_option : target_option;
        message[option_at + 1] = 1;  // in units of 8 bytes
        std::ranges::copy(mac.bytes(), message.begin() + option_at + 2);
        headers.write(frame, message_bytes);
        net::Headers{frame}.fill_checksums();
    });
}

struct Discovery {
    Ipv6Address src, target;
    MacAddress mac;  ///< zero if the message has none
};

/// A neighbour solicitation or advertisement that is valid by RFC 4861, 7.1.
std::optional<Discovery> read_discovery(net::ConstBytes frame, std::uint8_t type) {
    const net::Headers found{frame};
    const auto ip = found.ipv6();
    const auto icmp = found.icmpv6();
    if (!icmp || icmp.type() != type || icmp.code() != 0 || ip.hop_limit() != only_from_the_link) return std::nullopt;
    const auto message = icmp.packet();
    if (message.size() < option_at || found.transport_checksum() != net::ChecksumVerdict::right) return std::nullopt;
    Discovery discovery{.src = ip.src(), .target = {}, .mac = {}};
    Ipv6Address::Bytes target{};
    std::ranges::copy(message.subspan(target_at, target.size()), target.begin());
    discovery.target = Ipv6Address{target};
    for (auto options = message.subspan(option_at); options.size() >= 8;) {
        const std::size_t bytes = std::size_t{options[1]} * 8;
        if (bytes == 0 || bytes > options.size()) break;
        if (options[0] == (type == solicitation ? source_option : target_option)) {
            MacAddress::Bytes mac{};
            std::ranges::copy(options.subspan(2, mac.size()), mac.begin());
            discovery.mac = MacAddress{mac};
            break;
        }
        options = options.subspan(bytes);
    }
    return discovery;
}

bool answer_solicitation(pktverbs::Context& ctx, net::ConstBytes frame, std::span<const IpAddress> own) {
    const auto asked = read_discovery(frame, solicitation);
    if (!asked || asked->target.is_multicast()) return false;
    if (std::ranges::find(own, IpAddress{asked->target}) == own.end()) return false;
    static constexpr Ipv6Address all_nodes{Ipv6Address::Bytes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    // Who has no address yet asks whether it may have this one (duplicate address detection): all learn the answer.
    if (asked->src.is_zero())
        return send_discovery(ctx, all_nodes.multicast_mac(), asked->target, all_nodes, asked->target, advertisement,
                              override_only);
    const auto asker = asked->mac.is_zero() ? net::Headers{frame}.ethernet().src() : asked->mac;
    if (asker.is_multicast() || asker.is_zero() || asked->src.is_multicast()) return false;
    return send_discovery(ctx, asker, asked->target, asked->src, asked->target, advertisement, solicited_and_override);
}

/// Joins the group through the kernel where that works, so that switches that snoop MLD let it pass.
pktverbs::Flow install_group(pktverbs::Context& ctx, const Ipv6Address& group) {
    try {
        return ctx.install(pktverbs::FlowRule{}.dst_ip(group).protocol(net::ip_protocol::icmpv6));
    } catch (const std::system_error&) {
        // The kernel's IPv6 may be off on the interface.
        return ctx.install(
            pktverbs::FlowRule{}.dst_mac(group.multicast_mac()).ipv6().protocol(net::ip_protocol::icmpv6));
    }
}

bool ask(pktverbs::Context& ctx, const IpAddress& source, const IpAddress& target) {
    if (const auto* const ipv4 = std::get_if<Ipv4Address>(&target))
        return example::send_arp(ctx, MacAddress::broadcast(),
                                 {net::Arp::request, ctx.limits().mac, std::get<Ipv4Address>(source), {}, *ipv4});
    const auto& ipv6 = std::get<Ipv6Address>(target);
    const auto group = solicited_node(ipv6);
    return send_discovery(ctx, group.multicast_mac(), std::get<Ipv6Address>(source), group, ipv6, solicitation, 0);
}

std::optional<MacAddress> answer_in(net::ConstBytes frame, const IpAddress& target) {
    MacAddress mac;
    if (const auto* const ipv4 = std::get_if<Ipv4Address>(&target)) {
        const auto arp = net::Headers{frame}.arp();
        if (!arp || arp.operation() != net::Arp::reply || arp.sender_ip() != *ipv4) return std::nullopt;
        mac = arp.sender_mac();
    } else {
        const auto discovery = read_discovery(frame, advertisement);
        if (!discovery || IpAddress{discovery->target} != target) return std::nullopt;
        mac = discovery->mac;
    }
    if (mac.is_multicast() || mac.is_zero()) return std::nullopt;
    return mac;
}

}  // namespace

Neighbours::Neighbours(pktverbs::Context& ctx, std::vector<IpAddress> own) : ctx_{ctx}, own_{std::move(own)} {
    using pktverbs::FlowRule;
    if (std::ranges::any_of(own_, [](const IpAddress& ip) { return !is_ipv6(ip); })) {
        flows_.push_back(ctx.install(FlowRule{}.dst_mac(MacAddress::broadcast()).ether_type(net::ether_type::arp)));
        flows_.push_back(ctx.install(FlowRule{}.own_mac().ether_type(net::ether_type::arp)));
    }
    std::vector<Ipv6Address> groups;
    for (const auto& ip : own_)
        if (const auto* const ipv6 = std::get_if<Ipv6Address>(&ip)) groups.push_back(solicited_node(*ipv6));
    std::ranges::sort(groups);
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    for (const auto& group : groups) flows_.push_back(install_group(ctx, group));
}

bool Neighbours::answer(net::ConstBytes frame) {
    if (const auto request = net::Headers{frame}.arp()) {
        const auto target = request.target_ip();
        return std::ranges::find(own_, IpAddress{target}) != own_.end() && example::answer_arp(ctx_, frame, target);
    }
    return answer_solicitation(ctx_, frame, own_);
}

std::optional<MacAddress> resolve(pktverbs::Context& ctx, const IpAddress& source, const IpAddress& target,
                                  const std::stop_token& stop, std::chrono::nanoseconds patience) {
    using Clock = std::chrono::steady_clock;
    using pktverbs::FlowRule;
    const auto answers = ctx.install(
        is_ipv6(target) ? FlowRule{}.own_mac().dst_ip(std::get<Ipv6Address>(source)).protocol(net::ip_protocol::icmpv6)
                        : FlowRule{}.own_mac().ether_type(net::ether_type::arp));
    for (int tries = 3; tries > 0 && !stop.stop_requested(); --tries) {
        ask(ctx, source, target);
        const auto deadline = Clock::now() + patience;
        while (Clock::now() < deadline && !stop.stop_requested()) {
            const auto packets = ctx.recv(deadline - Clock::now(), stop);
            example::check_outcome(ctx, packets.outcome());
            for (const auto& pkt : packets)
                if (const auto mac = answer_in(pkt.bytes(), target)) return mac;
        }
    }
    return std::nullopt;
}

}  // namespace tool
