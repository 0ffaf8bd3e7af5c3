// SPDX-License-Identifier: Apache-2.0
// headers: shows the headers of every frame that arrives, one line each.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string>
#include <utility>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/find_device.hpp"
#include "common/outcome.hpp"

namespace net = pktverbs::net;

/// For a network of our own: one frame of each kind, and a bad one.
void send_samples(pktverbs::Context ctx) {
    const net::Ethernet link{.dst = pktverbs::MacAddress::broadcast(), .src = ctx.limits().mac};
    const net::Ethernet tagged{.dst = link.dst, .src = link.src, .vlan = net::Vlan{.id = 100, .priority = 5}};
    const net::Ipv4 ip{.src = pktverbs::Ipv4Address{"192.0.2.1"}, .dst = pktverbs::Ipv4Address{"192.0.2.2"}};
    const net::Ipv6 ip6{.src = pktverbs::Ipv6Address{"2001:db8::1"}, .dst = pktverbs::Ipv6Address{"2001:db8::2"}};
    const net::FrameTemplate samples[] = {
        {link, net::Arp{.sender_mac = link.src, .sender_ip = ip.src, .target_ip = ip.dst}},
        {link, ip, net::Echo{.identifier = 1}},
        {tagged, ip, net::Udp{.src_port = 7148, .dst_port = 7148}},
        {link, ip6, net::Tcp{.src_port = 40000, .dst_port = 80, .flags = net::Tcp::syn, .window = 65535}},
        {link, ip6, net::Udp{.src_port = 7148, .dst_port = 7148}},
    };
    auto packets = ctx.acquire(std::size(samples));
    const auto* sample = samples;
    for (auto& pkt : packets) {
        pkt.set_length(sample->write(pkt.buffer(), std::min<std::size_t>(sample->max_payload_bytes(), 24)));
        if (++sample == std::end(samples)) ++pkt.bytes()[pkt.length() - 1];  // the last one's checksum is wrong now
    }
    ctx.send(std::move(packets));
}

std::string describe(net::ConstBytes frame) {
    const net::Headers found{frame};
    std::string line = fmt::format("{} > {}", found.ethernet().src(), found.ethernet().dst());
    const auto add = [&]<class... Values>(fmt::format_string<Values...> text, Values&&... values) {
        line += " | " + fmt::format(text, std::forward<Values>(values)...);
    };
    for (std::size_t i = 0; i < found.vlan_count(); ++i) add("vlan {}", found.vlan(i).id());
    if (const auto arp = found.arp())
        add("arp {}, {} for {}", arp.operation() == net::Arp::request ? "request" : "reply", arp.sender_ip(),
            arp.target_ip());
    if (const auto ip = found.ipv4()) add("{} > {} ttl {}", ip.src(), ip.dst(), ip.ttl());
    if (const auto ip = found.ipv6()) add("{} > {} hops {}", ip.src(), ip.dst(), ip.hop_limit());
    if (const auto udp = found.udp()) add("udp {} > {}", udp.src_port(), udp.dst_port());
    if (const auto tcp = found.tcp())
        add("tcp {} > {} seq {}{}", tcp.src_port(), tcp.dst_port(), tcp.sequence(),
            tcp.has(net::Tcp::syn) ? " syn" : "");
    if (const auto icmp = found.icmp()) add("icmp type {}", icmp.type());
    if (const auto icmp = found.icmpv6()) add("icmpv6 type {}", icmp.type());
    if (found.is_fragment()) add("fragment of protocol {}", found.protocol());
    add("{} bytes", found.payload().size());
    if (found.is_malformed()) add("malformed, type {:#06x}", found.ether_type());
    if (found.transport_checksum() == net::ChecksumVerdict::wrong) add("wrong checksum");
    return line;
}

int main(int argc, char** argv) {
    example::CommandLine app{"Shows the headers of every frame that arrives.", "headers"};
    app.footer("headers wire:demo --samples\nheaders packet:eth0");
    std::string name;
    std::uint64_t count = UINT64_MAX;
    bool samples = false;
    app.add_option("DEVICE", name, "eth0, packet:eth0, ibv:mlx5_0/1, wire:NAME (inside this process)").required();
    app.add_option("-c,--count", count, "Stop after so many frames").between(1, example::max_packets);
    app.add_flag("--samples", samples, "Send one of each kind as well, from a NIC of its own, and show these");
    return app.run(argc, argv, [&] {
        const pktverbs::StopOnSignal signals;
        const auto device = example::find_device(name);
        pktverbs::Context ctx{device, {.send_packets = pktverbs::none}};
        const auto flow = ctx.install(pktverbs::FlowRule{}.sniffer());
        if (samples) send_samples(pktverbs::Context{device, {.recv_packets = pktverbs::none}});
        for (std::uint64_t shown = 0; shown < (samples ? 5 : count) && !signals.token().stop_requested();) {
            const auto packets = ctx.recv(pktverbs::no_timeout, signals.token());
            example::check_outcome(ctx, packets.outcome());
            for (const auto& pkt : packets) fmt::print("{}\n", describe(pkt.bytes()));
            std::fflush(stdout);
            shown += packets.size();
        }
        return 0;
    });
}
