// SPDX-License-Identifier: Apache-2.0
// latency: how long frames take from one device to another, or to an echo and back.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include "base/command.hpp"
#include "base/cpu_list.hpp"
#include "base/distribution.hpp"
#include "base/link_rate.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "base/whole_file.hpp"
#include "common/bad_use.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/quantity_option.hpp"
#include "common/wait_until_up.hpp"
#include "latency/echo.hpp"
#include "latency/load.hpp"
#include "latency/prober.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using pktverbs::Context;

struct Arguments {
    std::string from, to;
    bool echo = false;
    std::vector<Flow> flows;
    std::optional<LinkRate> rate, load;
    std::size_t size = 0, load_size = 0;
    std::optional<std::uint64_t> count;
    std::chrono::nanoseconds time = pktverbs::no_timeout;
    std::chrono::nanoseconds timeout = 1s;
    CpuList cpus;
    std::string wait = "spin", clock = "auto", plot, raw;
    OutputOptions output;
};

struct Ends {
    Context from;
    std::optional<Context> to;  ///< none: an echo is at the other side
    Context& receiver() { return to ? *to : from; }
};

pktverbs::Options options_for(const pktverbs::Device& device, const Arguments& args, bool sends, bool receives) {
    auto options = example::options_for(device, 1024);
    if (!sends) options.send_packets = 64;
    if (!receives) options.recv_packets = pktverbs::none;
    if (sends && args.load) options.queues = 2;
    options.timestamps = receives && args.clock != "program";
    if (args.wait == "spin") options.wait = pktverbs::WaitMode::busy_poll;
    return options;
}

Prober::Arrival arrival_clock(const Context& ctx, const std::string& asked) {
    using pktverbs::TimestampClock;
    const auto has = ctx.limits().timestamps ? ctx.limits().timestamp_clock : TimestampClock::absent;
    if (asked == "program" || (asked == "auto" && has != TimestampClock::device)) return Prober::Arrival::program;
    if (has == TimestampClock::device && asked != "kernel") return Prober::Arrival::device;
    if (has == TimestampClock::kernel && asked == "kernel") return Prober::Arrival::kernel;
    throw example::BadUse{fmt::format("--clock {}: the timestamps of {} are of another kind: {}", asked,
                                      ctx.device().name, to_string(has))};
}

std::string_view name_of(Prober::Arrival arrival) {
    if (arrival == Prober::Arrival::device) return "device";
    return arrival == Prober::Arrival::kernel ? "kernel" : "program";
}

/// Fills in the addresses that the flow leaves open.
void complete(ProbePath& path, Ends& ends, const Flow* flow, const std::stop_token& stop) {
    auto& from = ends.from;
    if (path.src_mac.is_zero()) path.src_mac = from.limits().mac;
    const bool has_source = flow && !std::holds_alternative<std::monostate>(flow->src);
    if (ends.to) {
        if (path.dst_mac.is_zero()) path.dst_mac = ends.to->limits().mac;
        if (!has_source && is_ipv6(path.dst)) path.src = pktverbs::Ipv6Address::link_local(path.src_mac);
        return;
    }
    const bool is_default = path.dst == IpAddress{ProbePath::default_dst};
    if (!has_source && !is_default) path.src = choose_source(from.device(), path.src_mac, path.dst, true);
    if (!path.dst_mac.is_zero()) return;
    const auto mac = resolve(from, path.src, path.dst, stop);
    if (!mac && !stop.stop_requested())
        throw std::runtime_error{
            fmt::format("nobody answered for {} on {}: start 'pktverbs latency --echo DEVICE' at the other side first",
                        to_string(path.dst), from.device().name)};
    if (mac) path.dst_mac = *mac;
}

std::size_t frame_bytes(const Arguments& args, const ProbePath& path, std::size_t asked, std::size_t usual,
                        const Context& ctx) {
    const auto least = path.headers().frame_bytes(Probe::bytes);
    const auto most = example::max_packet_bytes(ctx) + pktverbs::net::EthernetView<>::size + (path.vlan ? 4 : 0);
    if (asked == 0) return std::clamp(usual, least, std::max(least, most));
    if (asked < least || asked > most)
        throw example::BadUse{
            fmt::format("frames of {} bytes: on {} they have {} to {}", asked, args.from, least, most)};
    return asked;
}

Record record_of(const Prober& prober, const Load* load, std::uint64_t lost) {
    const auto& counts = prober.counts();
    Record record;
    record.set("due", counts.due).set("sent", counts.sent).set("received", counts.received).set("lost", lost);
    record.set("duplicates", counts.duplicates).set("strange", counts.strange).set("too_early", counts.too_early);
    set_percentiles(record, "from_due", prober.from_due());
    set_percentiles(record, "from_sent", prober.from_sent());
    if (load) record.set("load_sent", load->sent()).set("load_received", counts.load);
    return record;
}

std::string running_line(const Prober& prober, std::chrono::nanoseconds elapsed) {
    const auto& all = prober.from_due();
    const auto show = [&](double percent) {
        return all.empty() ? "-" : time(static_cast<double>(all.percentile(percent)));
    };
    return fmt::format("{:.0f} s: {} sent, {} received, 50 % {}, 99 % {}, max {}",
                       std::chrono::duration<double>{elapsed}.count(), prober.counts().sent, prober.counts().received,
                       show(50), show(99), show(100));
}

std::string total_text(const Prober& prober, const Load* load, std::string_view way, bool is_one_way) {
    const auto& counts = prober.counts();
    std::string text = fmt::format("\n{} probes were due, {} sent, {} received, {} lost ({})", counts.due, counts.sent,
                                   counts.received, counts.lost(),
                                   percent(static_cast<double>(counts.lost()), static_cast<double>(counts.due)));
    if (counts.duplicates > 0) text += fmt::format(", {} twice", counts.duplicates);
    if (counts.strange > 0) text += fmt::format(", {} strange frames", counts.strange);
    if (counts.too_early > 0)
        text += fmt::format("\n{} arrived before they were sent: clocks differ", counts.too_early);
    if (load && is_one_way)
        text += fmt::format("\nload: {} frames sent, {} received", load->sent(), counts.load);
    else if (load)
        text += fmt::format("\nload: {} frames sent", load->sent());
    if (counts.received == 0) return text;
    const NamedHistogram columns[] = {{"from due", &prober.from_due()}, {"from sent", &prober.from_sent()}};
    text += fmt::format("\n\n{}\n\n{} from due\n{}", percentile_table(columns), way, bars(prober.from_due(), 80));
    return text;
}

std::string raw_text(const std::vector<std::uint64_t>& values) {
    std::string text;
    text.reserve(values.size() * 8);
    for (const auto value : values) text += fmt::format("{}\n", value);
    return text;
}

void wait_until_up(Context& ctx, const std::stop_token& stop) {
    if (ctx.port().state != IBV_PORT_ACTIVE) fmt::print(stderr, "waiting for the link of {}\n", ctx.device().name);
    example::wait_until_up(ctx, stop);
}

int measure(const Arguments& args, const std::stop_token& stop) {
    const auto* const flow = args.flows.empty() ? nullptr : &args.flows.front();
    Prober::Job job{.path = flow ? ProbePath::of(*flow) : ProbePath{}};
    const bool is_one_way = !args.to.empty();
    // The receiver first: what the sender's link needs is then there.
    std::optional<Context> to;
    if (is_one_way) {
        const auto device = example::find_device(args.to);
        to.emplace(device, options_for(device, args, false, true));
    }
    const auto device = example::find_device(args.from);
    Ends ends{Context{device, options_for(device, args, true, !is_one_way)}, std::move(to)};
    wait_until_up(ends.from, stop);
    if (ends.to) wait_until_up(*ends.to, stop);
    job.arrival = arrival_clock(ends.receiver(), args.clock);
    complete(job.path, ends, flow, stop);
    job.frame_bytes = frame_bytes(args, job.path, args.size, 64, ends.from);
    job.per_second = args.rate ? args.rate->on(ends.from).packets_per_second(job.frame_bytes) : 1000;
    if (job.per_second > 1e7)
        throw example::BadUse{fmt::format("--rate: {} of probes are more than 10 Mpps; 1000pps is meant?",
                                          packets_per_second(job.per_second))};
    if (args.count) job.count = *args.count;
    job.duration = args.time == pktverbs::no_timeout && !args.count ? 10s : args.time;
    job.timeout = args.timeout;
    job.spin = args.wait == "spin";
    job.keep_values = !args.raw.empty();
    if (!is_one_way) job.comes_back_as = Probe::Kind::reply;

    std::vector<pktverbs::Flow> rules;
    const auto load_path = job.path.of_load();
    rules.push_back(ends.receiver().install(is_one_way ? job.path.rule_at_dst() : job.path.rule_at_src(), 0));
    if (is_one_way && args.load) rules.push_back(ends.receiver().install(load_path.rule_at_dst(), 0));

    Output output{"latency", args.output};
    const auto way = is_one_way ? fmt::format("{} to {}", args.from, args.to)
                                : fmt::format("{} to {} and back", args.from, to_string(job.path.dst));
    output.begin(fmt::format("{}\n{} probes of {} bytes, by the {}'s clock", way, packets_per_second(job.per_second),
                             job.frame_bytes, name_of(job.arrival)));
    Prober prober{ends.from, ends.receiver(), job};
    std::optional<Load> load;
    if (args.load)
        load.emplace(ends.from, load_path, args.load->on(ends.from),
                     frame_bytes(args, load_path, args.load_size, 1514, ends.from), args.cpus);
    const auto* const beside = load ? &*load : nullptr;
    const auto start = Prober::Clock::now();
    if (!stop.stop_requested())
        prober.run(stop, [&] {
            const auto& counts = prober.counts();
            const auto elapsed = Prober::Clock::now() - start;
            output.report(running_line(prober, elapsed), record_of(prober, beside, counts.lost()));
        });
    if (load) load->stop();
    if (load && !load->error().empty()) throw std::runtime_error{load->error()};

    if (!args.raw.empty()) write_whole_file(args.raw, raw_text(prober.values()), 0644);
    const NamedHistogram lines[] = {{"from due", &prober.from_due()}, {"from sent", &prober.from_sent()}};
    if (!args.plot.empty())
        write_whole_file(args.plot, percentile_chart(fmt::format("Latency: {}", way), lines).to_svg(), 0644);
    const auto& counts = prober.counts();
    auto total = record_of(prober, beside, counts.lost());
    total.set("from", args.from).set("to", is_one_way ? args.to : to_string(job.path.dst));
    total.set("one_way", is_one_way).set("clock", name_of(job.arrival)).set("frame_bytes", job.frame_bytes);
    output.end(total_text(prober, beside, way, is_one_way), std::move(total));
    return counts.received > 0 && counts.lost() == 0 ? done : fell_short;
}

int answer(const Arguments& args, const std::stop_token& stop) {
    const auto path = args.flows.empty() ? ProbePath{} : ProbePath::of(args.flows.front());
    const auto device = example::find_device(args.from);
    auto options = options_for(device, args, true, true);
    Context ctx{device, options};
    Echo echo{ctx, path};
    Output output{"latency_echo", args.output};
    const auto record = [&] {
        const auto& counts = echo.counts();
        return Record{}
            .set("echoed", counts.echoed)
            .set("neighbours", counts.neighbours)
            .set("ignored", counts.ignored)
            .set("no_room", counts.no_room);
    };
    output.begin(fmt::format("answering probes to {} port {} on {} ({})", to_string(path.dst), path.port,
                             ctx.device().name, ctx.limits().mac));
    const auto end =
        args.time == pktverbs::no_timeout ? Prober::Clock::time_point::max() : Prober::Clock::now() + args.time;
    while (!stop.stop_requested() && Prober::Clock::now() < end &&
           (!args.count || echo.counts().echoed < *args.count)) {
        echo.serve(std::min(end, output.due()) - Prober::Clock::now(), stop);
        if (output.is_due()) output.report(fmt::format("{} probes answered", echo.counts().echoed), record());
    }
    ctx.flush(1s);
    const auto& counts = echo.counts();
    output.end(fmt::format("{} probes and {} requests for the MAC address answered, {} frames ignored, {} had no room",
                           counts.echoed, counts.neighbours, counts.ignored, counts.no_room),
               record());
    return counts.no_room == 0 ? done : fell_short;
}

}  // namespace

int latency(int argc, char** argv) {
    example::CommandLine app{"Measures how long frames take: from DEVICE to OTHER, or from DEVICE to an echo and back.",
                             argv[0]};
    app.footer(
        "pktverbs latency packet:eth0 packet:eth1 --load 1G\n"
        "    One way, through what joins the two: each end has the same clock.\n"
        "pktverbs latency --echo packet:eth0          (there)\n"
        "pktverbs latency packet:eth0 --plot rtt.svg  (here) There and back.\n"
        "pktverbs latency wire:a 'wire:a?delay=5ms' -t 2s --wait block\n\n"
        "Times count from when a probe was due: what holds the sender up is not left out.\n"
        "Exit status: 0 all came back; 1 it failed; 2 wrong arguments; 3 probes were lost.");
    Arguments args;
    app.add_option("DEVICE", args.from, "any device string").required();
    auto to = app.add_option("OTHER", args.to, "the other end, in this process; without it, an echo answers");
    auto echo = app.add_flag("--echo", args.echo, "Be the echo: send probes back to where they came from");
    echo.excludes(to);
    add_flows(app, args.flows, "The probes' addresses (default udp:198.18.0.2:7148, from 198.18.0.1)");
    add_rate(app, "-r,--rate", args.rate, "Probes, such as 10kpps (default 1000pps)");
    example::add_size(app, "-s,--size", args.size, 14, 65557, "Bytes of a probe's frame (default 64)");
    app.add_option("-c,--count", args.count, "Stop after so many probes, or answers").between(1, example::max_packets);
    example::add_duration(app, "-t,--time", args.time, 1ms, example::max_time, "For how long (default 10s)");
    example::add_duration(app, "-W,--timeout", args.timeout, 1ms, 60s, "When a probe is given up (default 1s)");
    add_rate(app, "--load", args.load, "Send so much beside the probes, to the next port");
    example::add_size(app, "--load-size", args.load_size, 14, 65557, "Bytes of its frames (default 1514)");
    app.add_option("--wait", args.wait, "spin (a whole core) or block (as most programs do)").one_of({"spin", "block"});
    add_cpus(app, args.cpus, "the probes' thread and the load's");
    app.add_option("--clock", args.clock, "What says when a probe came (auto: the NIC where it can)")
        .one_of({"auto", "program", "kernel", "device"});
    app.add_option("--plot", args.plot, "Draw the percentiles").type_name("FILE.svg");
    app.add_option("--raw", args.raw, "Write each probe's nanoseconds, one a line").type_name("FILE");
    add_output(app, args.output);
    return app.run(argc, argv, [&] {
        if (args.flows.size() > 1) throw example::BadUse{"--flow: probes have one flow"};
        const pktverbs::StopOnSignal signals;
        args.cpus.pin(0);
        return args.echo ? answer(args, signals.token()) : measure(args, signals.token());
    });
}

}  // namespace tool
