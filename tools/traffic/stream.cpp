// SPDX-License-Identifier: Apache-2.0
#include "stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>

#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include "common/arp.hpp"
#include "common/bad_use.hpp"
#include "common/local_address.hpp"
#include "common/mtu.hpp"
#ifdef PKTVERBS_TOOL_ROUTE
#include <pktverbs/route/resolve.hpp>
#endif

namespace tool {

namespace {

namespace net = pktverbs::net;
using example::BadUse;
using pktverbs::Ipv4Address;
using pktverbs::Ipv6Address;
using pktverbs::MacAddress;

constexpr Ipv4Address broadcast{{255, 255, 255, 255}};

/// Asks the kernel, where there is one behind the port and this build can.
class KernelRoutes {
public:
    explicit KernelRoutes(const pktverbs::Context& ctx) : interface_{ctx.device().interface} {
#ifdef PKTVERBS_TOOL_ROUTE
        is_there_ = ctx.device().joins_groups && !interface_.empty();
#endif
    }
    /// The source address for a destination; nullopt if the kernel knows no way to it.
    template <class Ip>
    std::optional<Ip> source([[maybe_unused]] const Ip& dst) const {
#ifdef PKTVERBS_TOOL_ROUTE
        try {
            if (is_there_)
                if (const auto source = pktverbs::route::route_to(dst, interface_).source; source != Ip{})
                    return source;
        } catch (const std::system_error&) {
            return {};
        }
#endif
        return {};
    }
    /// The MAC address of the next hop; waits in steps, so that a stop ends it.
    template <class Ip>
    MacAddress mac([[maybe_unused]] const Ip& dst, [[maybe_unused]] const std::stop_token& stop) const {
#ifdef PKTVERBS_TOOL_ROUTE
        for (int tries = 30;; --tries) {
            try {
                return pktverbs::route::resolve(dst, std::chrono::milliseconds{100}, interface_).mac;
            } catch (const std::system_error& error) {
                if (error.code() != std::errc::timed_out || tries == 0 || stop.stop_requested()) throw;
            }
        }
#else
        return {};
#endif
    }

private:
    std::string interface_;
    [[maybe_unused]] bool is_there_ = false;
};

/// Of a port without addresses: link-local (RFC 3927), from its MAC address, so that two ports differ.
Ipv4Address link_local(MacAddress mac) {
    const auto bytes = mac.bytes();
    return Ipv4Address{{169, 254, static_cast<std::uint8_t>(1 + bytes[4] % 254), bytes[5]}};
}
/// RFC 4291, appendix A: the modified EUI-64.
Ipv6Address link_local6(MacAddress mac) {
    const auto m = mac.bytes();
    return Ipv6Address{
        {0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

struct Ends {
    MacAddress mac;
    Ipv4Address src4, dst4;
    Ipv6Address src6, dst6;
};

[[noreturn]] void refuse(const Flow& flow, std::string_view reason) {
    throw BadUse{fmt::format("cannot send {}: {}", flow.text, reason)};
}

void resolve4(pktverbs::Context& ctx, const Flow& flow, Ends& ends, const std::stop_token& stop) {
    ends.dst4 = *flow.dst_ipv4();
    const auto own = example::local_addresses(ctx.device().interface);
    const KernelRoutes kernel{ctx};
    const auto source = kernel.source(ends.dst4);
    if (const auto src = flow.src_ipv4()) {
        ends.src4 = *src;
    } else if (source) {
        ends.src4 = *source;
    } else {
        ends.src4 = own.empty() ? link_local(ctx.limits().mac) : own.front().address;
    }
    if (flow.mac)
        ends.mac = *flow.mac;
    else if (ends.dst4.is_multicast())
        ends.mac = ends.dst4.multicast_mac();
    else if (ends.dst4 == broadcast)
        ends.mac = MacAddress::broadcast();
    else if (flow.vlan)
        refuse(flow, "addresses in a VLAN are not asked for; give the destination's MAC address, as in mac=02:00:...");
    else if (source)
        ends.mac = kernel.mac(ends.dst4, stop);
    else
        ends.mac = example::resolve(ctx, ends.src4, ends.dst4, "mac= in the flow", stop);
}

void resolve6(const pktverbs::Context& ctx, const Flow& flow, Ends& ends, const std::stop_token& stop) {
    ends.dst6 = *flow.dst_ipv6();
    const KernelRoutes kernel{ctx};
    const auto source = kernel.source(ends.dst6);
    if (const auto src = flow.src_ipv6()) {
        ends.src6 = *src;
    } else if (source) {
        ends.src6 = *source;
    } else {
        ends.src6 = link_local6(ctx.limits().mac);
    }
    if (flow.mac)
        ends.mac = *flow.mac;
    else if (ends.dst6.is_multicast())
        ends.mac = ends.dst6.multicast_mac();
    else if (flow.vlan || !source)
        refuse(flow, "give the destination's MAC address, as in mac=02:00:...");
    else
        ends.mac = kernel.mac(ends.dst6, stop);
}

/// A payload that is as long as a receiver without options expects, or what the MTU allows.
constexpr std::size_t default_payload_bytes = 8192;

void set_lengths(const pktverbs::Context& ctx, const Flow& flow, const Sizes& sizes, Stream& stream) {
    const std::size_t header_bytes = stream.headers.header_bytes();
    const std::size_t max_frame =
        std::min<std::size_t>(example::max_packet_bytes(ctx) + stream.ip_at, ctx.limits().max_packet_size);
    const std::size_t min_frame = header_bytes + Stream::number_bytes;
    if (max_frame < min_frame) refuse(flow, fmt::format("the MTU of {} is too small", ctx.device().name));
    if (sizes.frames.empty()) stream.payloads = {std::min(default_payload_bytes, max_frame - header_bytes)};
    for (std::size_t frame : sizes.frames) {
        if (frame < min_frame && !sizes.may_grow)
            refuse(flow, fmt::format("frames of {} bytes are too short: headers and sequence number take {}", frame,
                                     min_frame));
        if (frame > max_frame)
            refuse(flow, fmt::format("frames of {} bytes are longer than the {} that {} takes (MTU {})", frame,
                                     max_frame, ctx.device().name, example::max_packet_bytes(ctx)));
        stream.payloads.push_back(std::max(frame, min_frame) - header_bytes);
    }
    const auto longest = std::ranges::max(stream.payloads);
    if (longest > stream.headers.max_payload_bytes()) refuse(flow, "IP packets hold no more than 65535 bytes");
}

template <class Ip>
net::FrameTemplate with_transport(const Flow& flow, const net::Ethernet& ethernet, const Ip& ip) {
    const std::uint16_t port = flow.port.value_or(Stream::default_port);
    const std::uint16_t sport = flow.sport.value_or(port);
    // Over IPv4, UDP's checksum may be left out; over IPv6 it must be there.
    if (flow.protocol == Flow::Protocol::udp)
        return {ethernet, ip, net::Udp{.src_port = sport, .dst_port = port, .checksum = flow.is_ipv6()}};
    if (flow.protocol == Flow::Protocol::tcp)
        return {
            ethernet, ip,
            net::Tcp{.src_port = sport, .dst_port = port, .flags = net::Tcp::psh | net::Tcp::ack, .window = 0xffff}};
    return {ethernet, ip};
}

}  // namespace

bool needs_resolving(const Flow& flow) {
    return !flow.mac && !flow.is_multicast() && flow.dst_ipv4() && flow.dst_ipv4() != broadcast;
}

Stream make_stream(pktverbs::Context& ctx, const Flow& flow, const Sizes& sizes, const std::stop_token& stop) {
    if (flow.protocol == Flow::Protocol::all) refuse(flow, "it says nothing about the packets");
    const bool is_ethernet = flow.protocol == Flow::Protocol::eth;
    if (is_ethernet && !flow.mac) refuse(flow, "give the destination's MAC address, as in eth,mac=02:00:...");
    if (!is_ethernet && !flow.dst_ipv4() && !flow.dst_ipv6()) refuse(flow, "it has no single destination address");
    if (flow.dst_ipv4() && std::holds_alternative<pktverbs::Ipv6Prefix>(flow.src)) refuse(flow, "IPv6 src to IPv4");
    if (flow.dst_ipv6() && std::holds_alternative<pktverbs::Ipv4Prefix>(flow.src)) refuse(flow, "IPv4 src to IPv6");

    Ends ends{};
    if (is_ethernet)
        ends.mac = *flow.mac;
    else if (flow.dst_ipv4())
        resolve4(ctx, flow, ends, stop);
    else
        resolve6(ctx, flow, ends, stop);
    net::Ethernet ethernet{.dst = ends.mac, .src = flow.smac.value_or(ctx.limits().mac)};
    if (flow.vlan || flow.pcp) ethernet.vlan = net::Vlan{.id = flow.vlan.value_or(0), .priority = flow.pcp.value_or(0)};
    // 0x88b5 is for local experiments (IEEE 802, "Local Experimental Ethertype"); 253 likewise (RFC 3692).
    ethernet.type = flow.type.value_or(0x88b5);
    Stream stream{.text = flow.text, .headers = net::FrameTemplate{ethernet}, .payloads = {}};
    stream.ip_at = net::EthernetView<>::size + (ethernet.vlan ? net::VlanView<>::size : 0);
    if (flow.dst_ipv4())
        stream.headers = with_transport(flow, ethernet,
                                        net::Ipv4{.src = ends.src4,
                                                  .dst = ends.dst4,
                                                  .ttl = flow.ttl.value_or(64),
                                                  .tos = flow.tos.value_or(0),
                                                  .protocol = flow.proto.value_or(253)});
    else if (flow.dst_ipv6())
        stream.headers = with_transport(flow, ethernet,
                                        net::Ipv6{.src = ends.src6,
                                                  .dst = ends.dst6,
                                                  .hop_limit = flow.ttl.value_or(64),
                                                  .traffic_class = flow.tos.value_or(0),
                                                  .next_header = flow.proto.value_or(253)});
    stream.has_checksum =
        flow.protocol == Flow::Protocol::tcp || (flow.protocol == Flow::Protocol::udp && flow.dst_ipv6().has_value());
    set_lengths(ctx, flow, sizes, stream);
    return stream;
}

}  // namespace tool
