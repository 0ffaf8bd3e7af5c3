// SPDX-License-Identifier: Apache-2.0
// ping_demo: ping(8) with frames that never see the kernel's network stack, and a host that answers it.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/address_option.hpp"
#include "common/arp.hpp"
#include "common/bad_use.hpp"
#include "common/command_line.hpp"
#include "common/find_device.hpp"
#include "common/local_address.hpp"
#include "common/mtu.hpp"
#include "common/pinger.hpp"
#include "common/quantity_option.hpp"
#include "common/responder.hpp"

using namespace std::chrono_literals;

namespace {

struct Arguments {
    std::string device;
    std::optional<pktverbs::Ipv4Address> peer;
    std::optional<pktverbs::Ipv4Address> respond;
    std::optional<pktverbs::Ipv4Address> source;
    std::optional<pktverbs::MacAddress> peer_mac;
    std::optional<std::uint64_t> count;
    std::size_t size = 56;
    std::chrono::nanoseconds interval = std::chrono::seconds{1};
    std::chrono::nanoseconds timeout = std::chrono::seconds{1};
};

int respond(pktverbs::Context& ctx, const Arguments& args, const std::stop_token& stop) {
    example::Responder responder{ctx, *args.respond};
    fmt::print("answering for {} on {} ({})\n", *args.respond, ctx.device().name, ctx.limits().mac);
    std::fflush(stdout);
    const auto& counts = responder.counts();
    while (!stop.stop_requested() && (!args.count || counts.echo < *args.count))
        responder.serve(pktverbs::no_timeout, stop);
    ctx.flush(std::chrono::seconds{1});
    fmt::print("{} echo and {} ARP requests answered, {} frames ignored\n", counts.echo, counts.arp, counts.ignored);
    return 0;
}

int ping(pktverbs::Context& ctx, const Arguments& args, const std::stop_token& stop) {
    example::check_mtu(ctx, pktverbs::net::Ipv4View<>::size + pktverbs::net::IcmpView<>::size + args.size);
    example::Pinger::Job job;
    job.peer = *args.peer;
    job.payload_bytes = args.size;
    job.source = args.source ? *args.source : example::choose_source(ctx.device(), job.peer, args.peer_mac.has_value());
    if (args.count) job.count = *args.count;
    job.interval = args.interval;
    job.timeout = args.timeout;

    // On hardware, what is steered to us doesn't reach the kernel: ARP is left to it where it can answer.
    const auto own = example::local_addresses(ctx.device().interface);
    job.answer_arp = std::ranges::find(own, job.source, &pktverbs::Ipv4Prefix::address) == own.end();
    job.peer_mac = args.peer_mac ? *args.peer_mac : example::resolve(ctx, job.source, job.peer, "--peer-mac", stop);
    std::optional<example::ArpRequestFlows> arp;
    if (job.answer_arp) arp.emplace(ctx);
    const auto replies =
        ctx.install(pktverbs::FlowRule{}.own_mac().dst_ip(job.source).protocol(pktverbs::net::ip_protocol::icmp));

    fmt::print("PING {} on {} (source {}, via {}): {} bytes\n", job.peer, ctx.device().name, job.source, job.peer_mac,
               args.size);
    std::fflush(stdout);
    example::Pinger pinger{ctx, job};
    pinger.run(stop);
    pinger.print_summary();
    return pinger.counts().received > 0 ? 0 : 1;
}

int ping_and_respond(pktverbs::Context& ctx, pktverbs::Context& peer, const Arguments& args,
                     const std::stop_token& stop) {
    example::Responder responder{peer, *args.respond};
    const std::jthread thread{[&](const std::stop_token& end) {
        try {
            while (!end.stop_requested()) responder.serve(pktverbs::no_timeout, end);
        } catch (const std::exception& error) {
            fmt::print(stderr, "ping_demo: the responder ends: {}\n", error.what());
        }
    }};
    return ping(ctx, args, stop);
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Pings an IPv4 address with raw frames, or answers pings, on any device.", "ping_demo"};
    app.footer(
        "ping_demo packet:eth0 192.0.2.1 -c 10\n"
        "ping_demo packet:eth0 --respond 192.0.2.99\n"
        "ping_demo wire:demo 10.198.51.2 --respond 10.198.51.2 --source 10.198.51.1 -c 10\n\n"
        "Exit status: 0 with at least one answer, 1 with none, 2 for bad use.\n"
        "On real hardware, frames steered to this program are not seen by the kernel: --respond, and a\n"
        "--source that isn't the interface's, take ARP requests from it.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME, wire:NAME (inside this process)")
        .required();
    example::add_station(app, "PEER_IP", args.peer, "Whom to ping");
    example::add_station(app, "--respond", args.respond, "Answer ARP and ICMP echo for this address");
    example::add_station(app, "--source", args.source, "Own address (default: the interface's on PEER_IP's subnet)");
    example::add_address(app, "--peer-mac", args.peer_mac, "Where to send to (default: ask by ARP)");
    app.add_option("-c,--count", args.count, "Stop after so many requests, or answers")
        .between(1, example::max_packets);
    example::add_size(app, "-s,--size", args.size, 0, 65507, "Payload in bytes (default 56)");
    example::add_duration(app, "-i,--interval", args.interval, 1ms, 1h, "From request to request (default 1 s)");
    example::add_duration(app, "-W,--timeout", args.timeout, 1ms, 60s, "How long to wait for an answer (default 1 s)");

    return app.run(argc, argv, [&] {
        if (!args.peer && !args.respond) throw example::BadUse{"give PEER_IP, or --respond IP, or both (see --help)"};
        const pktverbs::StopOnSignal signals;
        const auto device = example::find_device(args.device);
        const auto options = example::options_for(device, 256);
        pktverbs::Context ctx{device, options};
        if (!args.peer) return respond(ctx, args, signals.token());
        if (!args.respond) return ping(ctx, args, signals.token());
        pktverbs::Context peer{device, options};
        return ping_and_respond(ctx, peer, args, signals.token());
    });
}
