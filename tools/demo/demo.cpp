// SPDX-License-Identifier: Apache-2.0
// demo: what the command does, in five seconds, over a pipe: between two contexts of this process.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/device.hpp>
#include "base/command.hpp"
#include "base/distribution.hpp"
#include "base/flow.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "base/rates.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/outcome.hpp"
#include "common/quantity_option.hpp"
#include "common/wait_until_up.hpp"
#include "latency/prober.hpp"
#include "traffic/received_flows.hpp"
#include "traffic/sender.hpp"
#include "traffic/stream.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using Clock = Output::Clock;
using pktverbs::Context;

constexpr std::size_t frame_bytes = 64;
constexpr double probes_per_second = 1000;
constexpr auto patience = 2s;  ///< with what is on its way, after the last frame was sent

/// What gen sends and sink receives.
struct Transfer {
    std::uint64_t sent = 0;
    ReceivedFlows received;
    double seconds = 0;
    std::uint64_t lost() const { return sent - std::min(sent, received.packets()); }
};

Context open(const std::string& name, std::uint32_t packets) {
    const auto device = example::find_device(name);
    auto options = example::options_for(device, packets);
    options.wait = pktverbs::WaitMode::busy_poll;
    return Context{device, options};
}

void transfer(Context& from, Context& to, Transfer& result, std::chrono::nanoseconds time, Output& output,
              const std::stop_token& stop) {
    const auto flow = Flow::parse(default_flow);
    const auto rule = to.install(flow.rule());
    Sender sender{from, 0, {make_stream(from, flow, Sizes::parse(std::to_string(frame_bytes)), stop)}, Payload{}};
    std::atomic<bool> has_ended = false;
    std::jthread thread{[&] {
        sender.run(SendPlan{.rate = {}, .ramp_to = {}, .time = time}, stop);
        has_ended = true;
    }};
    const auto start = Clock::now();
    auto last = start;
    RateMeter sending{start}, receiving{start};
    while (true) {
        const auto packets = to.recv(50ms);
        example::check_outcome(to, packets.outcome());
        const auto now = Clock::now();
        if (!packets.empty()) last = now;
        for (const auto& pkt : packets)
            if (pkt.ok()) result.received.add(pkt.bytes(), static_cast<std::uint64_t>((now - start).count()));
        if (has_ended && (result.received.packets() >= sender.packets() || now > last + patience)) break;
        if (!output.is_due()) continue;
        const double sent_pps = sending.read(now, sender.packets(), 0).pps;
        const auto [bps, received_pps] = receiving.read(now, result.received.packets(), result.received.bytes());
        const auto missing = result.received.sum().missing;
        output.report(
            fmt::format("gen {:>10} -> sink {:>10} {:>11}   lost {}", packets_per_second(sent_pps),
                        packets_per_second(received_pps), bits_per_second(bps), missing),
            Record{}.set("sent_pps", sent_pps).set("received_pps", received_pps).set("lost_packets", missing));
    }
    thread.join();
    result.sent = sender.packets();
    result.seconds = std::chrono::duration<double>{last - start}.count();
}

Prober::Job probes(const Context& from, const Context& to, std::chrono::nanoseconds time) {
    Prober::Job job{.path = {}};
    job.path.src_mac = from.limits().mac;
    job.path.dst_mac = to.limits().mac;
    job.per_second = probes_per_second;
    job.frame_bytes = frame_bytes;
    job.duration = time;
    job.timeout = patience;
    return job;
}

std::string total_text(const Transfer& transfer, const Prober& prober, const std::string& name) {
    const auto received = transfer.received.packets();
    const auto [bps, pps] = Rates::over(transfer.seconds, received, transfer.received.bytes());
    std::string text = fmt::format(
        "\ngen sent {} packets, sink received {} and read each one's number:\n"
        "{} missing, {} out of order, {} twice; {}, {}\n",
        transfer.sent, received, transfer.lost(), transfer.received.sum().reordered, transfer.received.sum().duplicated,
        packets_per_second(pps), bits_per_second(bps));
    text += fmt::format("\nlatency sent {} probes, and received {}\n", prober.counts().sent, prober.counts().received);
    if (prober.counts().received > 0) {
        const NamedHistogram columns[] = {{"one way", &prober.from_sent()}};
        text += fmt::format("{}\n\n{}\n", percentile_table(columns), bars(prober.from_sent(), 80, 8));
    }
    return text + fmt::format(
                      "\nThe same between two programs, one in each terminal:\n"
                      "  pktverbs sink {0}\n"
                      "  pktverbs gen {0} -t 5s\n"
                      "or on a NIC, with its name instead of {0}. More: pktverbs --help",
                      name);
}

Record total_record(const Transfer& transfer, const Prober& prober) {
    const auto sum = transfer.received.sum();
    Record record;
    record.set("sent_packets", transfer.sent)
        .set("received_packets", transfer.received.packets())
        .set("lost_packets", transfer.lost())
        .set("reordered_packets", sum.reordered)
        .set("duplicated_packets", sum.duplicated)
        .set("sending_s", transfer.seconds)
        .set("probes_sent", prober.counts().sent)
        .set("probes_received", prober.counts().received);
    set_percentiles(record, "latency", prober.from_sent());
    return record;
}

int show(std::chrono::nanoseconds time, const OutputOptions& output_options) {
    const pktverbs::StopOnSignal signals;
    const auto stop = signals.token();
    Output output{"demo", output_options};
    const auto name = fmt::format("pipe:demo-{}", getpid());
    auto to = open(name, 4096), from = open(name, 1024);
    example::wait_until_up(from, stop);
    output.begin(
        fmt::format("Two contexts, as of two programs, at the ends of a pipe: in shared memory.\n"
                    "gen sends {}-byte frames as fast as it goes; sink receives and counts them:\n",
                    frame_bytes));
    Transfer transferred;
    transfer(from, to, transferred, time * 3 / 5, output, stop);
    const auto job = probes(from, to, time * 2 / 5);
    const auto rule = to.install(job.path.rule_at_dst());
    Prober prober{from, to, job};
    if (!stop.stop_requested())
        prober.run(stop, [&] {
            output.report(
                fmt::format(
                    "latency {} probes sent, {} received, median {}", prober.counts().sent, prober.counts().received,
                    prober.from_sent().empty() ? "-"
                                               : tool::time(static_cast<double>(prober.from_sent().percentile(50)))),
                Record{}.set("probes_sent", prober.counts().sent).set("probes_received", prober.counts().received));
        });
    output.end(total_text(transferred, prober, "pipe:a"), total_record(transferred, prober));
    const bool all_came =
        transferred.sent > 0 && transferred.lost() == 0 && prober.counts().received == prober.counts().sent;
    return all_came ? done : fell_short;
}

}  // namespace

int demo(int argc, char** argv) {
    example::CommandLine app{
        "Shows in five seconds, without a NIC or privileges, what gen, sink and latency do: two contexts in this "
        "process send each other frames over a pipe.",
        argv[0]};
    app.footer(
        "pktverbs demo\n"
        "pktverbs demo -t 1min --json\n\n"
        "Exit status: 0 all frames came; 1 it failed; 2 wrong arguments; 3 frames were lost.");
    std::chrono::nanoseconds time = 5s;
    OutputOptions output;
    example::add_duration(app, "-t,--time", time, 50ms, example::max_time, "How long it takes (default 5s)");
    add_output(app, output);
    return app.run(argc, argv, [&] { return show(time, output); });
}

}  // namespace tool
