// SPDX-License-Identifier: Apache-2.0
// ping: ping(8) with frames that never see the kernel's network stack, and a host that answers it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "base/command.hpp"
#include "base/distribution.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "common/address_option.hpp"
#include "common/bad_use.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/quantity_option.hpp"
#include "common/wait_until_up.hpp"
#include "ping/pinger.hpp"
#include "ping/responder.hpp"
#include "ping/way.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using pktverbs::Context;

struct Arguments {
    std::string device;
    std::optional<IpAddress> peer, source;
    std::vector<IpAddress> respond;
    std::optional<pktverbs::MacAddress> peer_mac;
    std::optional<std::uint64_t> count;
    std::uint16_t udp = 0;
    std::size_t size = 56;
    std::chrono::nanoseconds interval = 1s, timeout = 1s, time = pktverbs::no_timeout;
    bool histogram = false;
    OutputOptions output;
};

std::optional<std::uint16_t> udp_port(const Arguments& args) {
    return args.udp == 0 ? std::nullopt : std::optional{args.udp};
}

std::string_view plural(std::uint64_t number) { return number == 1 ? "" : "s"; }

int respond(Context& ctx, const Arguments& args, const std::stop_token& stop) {
    Responder responder{ctx, args.respond, udp_port(args)};
    const auto& counts = responder.counts();
    const auto record = [&] {
        Record all;
        all.set("icmp", counts.icmp).set("icmpv6", counts.icmpv6).set("udp", counts.udp);
        all.set("neighbours", counts.neighbours).set("ignored", counts.ignored).set("no_room", counts.no_room);
        return all;
    };
    Output output{"ping_respond", args.output};
    std::string names;
    for (const auto& ip : args.respond) names += (names.empty() ? "" : ", ") + to_string(ip);
    output.begin(fmt::format("answering for {} on {} ({})", names, ctx.device().name, ctx.limits().mac));
    using Clock = Output::Clock;
    const auto end = args.time == pktverbs::no_timeout ? Clock::time_point::max() : Clock::now() + args.time;
    while (!stop.stop_requested() && Clock::now() < end && (!args.count || counts.echoes() < *args.count)) {
        responder.serve(std::min(end, output.due()) - Clock::now(), stop);
        if (output.is_due())
            output.report(fmt::format("{} echo request{} answered", counts.echoes(), plural(counts.echoes())),
                          record());
    }
    ctx.flush(1s);
    output.end(fmt::format("{} ICMP, {} ICMPv6 and {} UDP echo requests and {} requests for the MAC address answered\n"
                           "{} frames ignored, {} had no room",
                           counts.icmp, counts.icmpv6, counts.udp, counts.neighbours, counts.ignored, counts.no_room),
               record());
    return counts.no_room == 0 ? done : fell_short;
}

Record record_of(const Pinger& pinger) {
    const auto& counts = pinger.counts();
    Record record;
    record.set("sent", counts.sent).set("received", counts.received).set("duplicates", counts.duplicates);
    record.set("bad", counts.bad).set("icmp_errors", counts.errors).set("unsent", counts.unsent);
    set_percentiles(record, "rtt", pinger.times());
    record.set("rtt_mdev_ns", pinger.deviation());
    return record;
}

std::string total_text(const Pinger& pinger, const Arguments& args, std::chrono::nanoseconds elapsed) {
    const auto& counts = pinger.counts();
    const auto& times = pinger.times();
    std::string text = fmt::format("\n--- {} ping statistics ---\n{} sent, {} received, ", to_string(*args.peer),
                                   counts.sent, counts.received);
    if (counts.pending > 0) text += fmt::format("{} on the way, ", counts.pending);
    if (counts.duplicates > 0) text += fmt::format("{} twice, ", counts.duplicates);
    if (counts.bad > 0) text += fmt::format("{} bad, ", counts.bad);
    if (counts.errors > 0) text += fmt::format("{} ICMP error{}, ", counts.errors, plural(counts.errors));
    if (counts.unsent > 0) text += fmt::format("{} could not be sent, ", counts.unsent);
    text += fmt::format("{} lost ({}), {}", counts.lost(),
                        percent(static_cast<double>(counts.lost()), static_cast<double>(counts.sent)),
                        time(static_cast<double>(elapsed.count())));
    if (times.empty()) return text;
    text += fmt::format("\nround trip: min {}, mean {}, max {}, mdev {}", time(static_cast<double>(times.min())),
                        time(times.mean()), time(static_cast<double>(times.max())), time(pinger.deviation()));
    if (!args.histogram) return text;
    const NamedHistogram column[] = {{"round trip", &times}};
    return text + fmt::format("\n\n{}\n\n{}", percentile_table(column), bars(times, 80));
}

pktverbs::MacAddress find_mac(Context& ctx, const Arguments& args, const Way& way, const std::stop_token& stop) {
    if (args.peer_mac) return *args.peer_mac;
    if (const auto mac = resolve(ctx, way.source, way.next_hop, stop, args.timeout)) return *mac;
    if (stop.stop_requested()) return {};  // nothing will be sent
    throw std::runtime_error{
        fmt::format("{} does not answer {}: is it on this network? If it is behind a gateway, "
                    "give --peer-mac with the gateway's MAC address",
                    to_string(way.next_hop), is_ipv6(way.next_hop) ? "neighbour discovery" : "ARP")};
}

int ping(Context& ctx, const Arguments& args, const std::stop_token& stop) {
    const bool ipv6 = is_ipv6(*args.peer);
    if (args.source && is_ipv6(*args.source) != ipv6)
        throw example::BadUse{"--source and the peer are of two IP versions"};
    if (args.udp != 0 && args.size < Pinger::least_udp_payload)
        throw example::BadUse{fmt::format("--size: by UDP at least {} bytes", Pinger::least_udp_payload)};
    example::check_mtu(ctx, (ipv6 ? 40U : 20U) + 8U + args.size);
    const auto way = find_way(ctx.device(), ctx.limits().mac, *args.peer, args.source);
    Pinger::Job job{.source = way.source, .peer = *args.peer, .peer_mac = find_mac(ctx, args, way, stop)};
    job.udp_port = udp_port(args);
    job.payload_bytes = args.size;
    if (args.count) job.count = *args.count;
    job.duration = args.time;
    job.interval = args.interval;
    job.timeout = args.timeout;
    // On hardware, what is steered to us doesn't reach the kernel: that is left to it where it can answer.
    const auto own = local_addresses(ctx.device().interface, ipv6);
    if (std::ranges::find(own, job.source) == own.end()) job.answer_for = {job.source};

    Output output{"ping", args.output};
    output.begin(fmt::format("PING {} from {} on {}\nto {} by {}, {} bytes", to_string(job.peer), to_string(job.source),
                             ctx.device().name, job.peer_mac,
                             job.udp_port ? fmt::format("UDP port {}", args.udp)
                             : ipv6       ? "ICMPv6"
                                          : "ICMP",
                             args.size));
    Pinger pinger{ctx, job, [&](const std::string& line) { output.begin(line); }};
    const auto start = Pinger::Clock::now();
    pinger.run(stop, [&] { output.sample(record_of(pinger)); });
    const auto& counts = pinger.counts();
    auto total = record_of(pinger);
    total.set("pending", counts.pending).set("lost", counts.lost());
    total.set("source", to_string(job.source)).set("peer", to_string(job.peer));
    output.end(total_text(pinger, args, Pinger::Clock::now() - start), std::move(total));
    return counts.received > 0 && counts.lost() == 0 && counts.unsent == 0 ? done : fell_short;
}

}  // namespace

int ping(int argc, char** argv) {
    example::CommandLine app{"Pings an IPv4 or IPv6 address with raw frames, or answers pings like a host.", argv[0]};
    app.footer(
        "pktverbs ping packet:eth0 192.0.2.1 -c 10 --histogram\n"
        "pktverbs ping packet:eth0 --respond 192.0.2.99 --respond fd00::99\n"
        "pktverbs ping pipe:a --respond 10.0.0.2 --udp 7 &\n"
        "pktverbs ping pipe:a 10.0.0.2 --source 10.0.0.1 --udp 7 -c 3\n\n"
        "On real hardware, frames that are steered to this program are not seen by the kernel: --respond, and a "
        "--source that isn't the interface's, take ARP requests and neighbour solicitations from it.\n"
        "Exit status: 0 all answers came; 1 it failed; 2 wrong arguments; 3 some did not come, or none.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME").required();
    add_station(app, "PEER", args.peer, "Whom to ping");
    add_stations(app, "--respond", args.respond, "Answer for this address (may be repeated)");
    app.add_option("--udp", args.udp, "Ping a UDP echo service at this port; with --respond, be one").between(1, 65535);
    add_station(app, "--source", args.source, "Own address (default: the interface's on the peer's subnet)");
    example::add_address(app, "--peer-mac", args.peer_mac, "Where to send to (default: ask for it)");
    app.add_option("-c,--count", args.count, "Stop after so many requests, or answers")
        .between(1, example::max_packets);
    example::add_size(app, "-s,--size", args.size, 0, 65507, "Payload in bytes (default 56)");
    example::add_duration(app, "-i,--interval", args.interval, 1ms, 1h, "From request to request (default 1s)");
    example::add_duration(app, "-W,--timeout", args.timeout, 1ms, 60s, "How long to wait for an answer (default 1s)");
    example::add_duration(app, "-t,--time", args.time, 1ms, example::max_time, "For how long");
    app.add_flag("--histogram", args.histogram, "Show the distribution at the end");
    add_output(app, args.output);
    return app.run(argc, argv, [&] {
        if (args.peer.has_value() != args.respond.empty())
            throw example::BadUse{"give the address of a peer, or --respond IP (see --help)"};
        const pktverbs::StopOnSignal signals;
        const auto device = example::find_device(args.device);
        Context ctx{device, example::options_for(device, 256)};
        if (!args.respond.empty()) return respond(ctx, args, signals.token());
        if (ctx.port().state != IBV_PORT_ACTIVE) {
            fmt::print(stderr, "waiting for the link of {}\n", ctx.device().name);
            example::wait_until_up(ctx, signals.token());
        }
        return ping(ctx, args, signals.token());
    });
}

}  // namespace tool
