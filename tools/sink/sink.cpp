// SPDX-License-Identifier: Apache-2.0
// sink: receives numbered packets, and reports what is missing.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/device.hpp>
#include <pktverbs/format.hpp>
#include "base/command.hpp"
#include "base/cpu_list.hpp"
#include "base/flow.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "base/rates.hpp"
#include "base/whole_file.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/outcome.hpp"
#include "common/quantity_option.hpp"
#include "sink/sink_totals.hpp"
#include "traffic/received_flows.hpp"

using namespace std::chrono_literals;

namespace tool {

namespace {

struct Arguments {
    std::string device;
    std::vector<Flow> flows;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::chrono::nanoseconds time = pktverbs::no_timeout;
    std::chrono::nanoseconds idle = pktverbs::no_timeout;
    std::uint32_t queues = 1;
    CpuList cpus;
    std::string plot;
    OutputOptions output;
};

using Clock = Output::Clock;

/// A time from now that may be endless.
Clock::time_point after(Clock::time_point start, std::chrono::nanoseconds time) {
    return time == pktverbs::no_timeout ? Clock::time_point::max() : start + time;
}

/// What has come, for the threads of all queues.
class Receiver {
public:
    Receiver(pktverbs::Context& ctx, Output& output) : ctx_{ctx}, output_{output}, drops_before_{ctx.stats().drops} {}

    void take(const pktverbs::RecvList& packets) {
        if (packets.empty()) return;
        const std::lock_guard lock{mutex_};
        last_ = Clock::now();
        if (!meter_) {
            first_ = last_;
            meter_.emplace(first_);
        }
        const auto time_ns = static_cast<std::uint64_t>((last_ - first_).count());
        for (const auto& pkt : packets) {
            if (pkt.ok())
                flows_.add(pkt.bytes(), time_ns);
            else
                ++failed_;
        }
    }
    std::uint64_t packets() const {
        const std::lock_guard lock{mutex_};
        return flows_.packets();
    }
    /// When silence has lasted too long; never before the first packet.
    Clock::time_point idle_end(std::chrono::nanoseconds idle) const {
        const std::lock_guard lock{mutex_};
        return first_ == Clock::time_point{} ? Clock::time_point::max() : after(last_, idle);
    }

    void report_if_due() {
        if (!output_.is_due()) return;
        std::unique_lock lock{mutex_};
        const auto now = Clock::now();
        const auto sum = flows_.sum();
        // An idle time before the first packet is no part of a rate.
        const auto [bps, pps] = meter_ ? meter_->read(now, sum.packets, sum.bytes) : Rates{};
        lock.unlock();
        output_.report(fmt::format("{:>14} packets {:>11} {:>10}   lost {} ({})", sum.packets, bits_per_second(bps),
                                   packets_per_second(pps), sum.missing,
                                   percent(static_cast<double>(sum.missing),
                                           static_cast<double>(sum.missing + sum.packets - sum.duplicated))),
                       Record{}
                           .set("packets", sum.packets)
                           .set("bytes", sum.bytes)
                           .set("rate_bps", bps)
                           .set("rate_pps", pps)
                           .set("lost_packets", sum.missing)
                           .set("reordered_packets", sum.reordered)
                           .set("duplicated_packets", sum.duplicated));
    }

    SinkTotals totals() const {
        return {flows_, drops_before_, ctx_.stats().drops, failed_,
                std::chrono::duration<double>{last_ - first_}.count()};
    }
    std::string picture() const {
        std::vector<const GapMap*> maps;
        std::uint64_t low = std::numeric_limits<std::uint64_t>::max(), high = 0;
        for (const auto& flow : flows_.flows()) {
            maps.push_back(&flow->gaps());
            low = std::min(low, flow->lowest());
            high = std::max(high, flow->highest());
        }
        return GapMap::to_svg(maps, static_cast<std::uint64_t>((last_ - first_).count()), std::min(low, high), high);
    }

private:
    pktverbs::Context& ctx_;
    Output& output_;
    pktverbs::verbs::DeviceDrops drops_before_;
    mutable std::mutex mutex_;
    ReceivedFlows flows_;
    std::uint64_t failed_ = 0;
    Clock::time_point first_{}, last_{};
    std::optional<RateMeter> meter_;  ///< since the first packet
};

/// Receives on each queue in its thread, the first in this one, until one of them is at the end.
void receive_all(const Arguments& args, pktverbs::Context& ctx, Receiver& receiver, Output& output,
                 const std::stop_token& signal) {
    std::stop_source ended;
    const std::stop_callback pass_on{signal, [&] { ended.request_stop(); }};
    const auto end = after(Clock::now(), args.time);
    const auto serve = [&](std::size_t index) {
        args.cpus.pin(index);
        while (receiver.packets() < args.count && !ended.stop_requested()) {
            const auto now = Clock::now();
            const auto idle_end = receiver.idle_end(args.idle);
            if (now >= end || now >= idle_end) break;
            const auto due = index == 0 ? output.due() : now + 100ms;
            const auto packets = ctx.queue(index).recv(std::min({end, idle_end, due}) - now, ended.get_token());
            example::check_outcome(ctx, packets.outcome());
            receiver.take(packets);
            if (index == 0) receiver.report_if_due();
        }
        ended.request_stop();
    };
    std::exception_ptr failure;
    std::mutex mutex;
    {
        std::vector<std::jthread> others;
        for (std::size_t index = 1; index < args.queues; ++index)
            others.emplace_back([&, index] {
                try {
                    serve(index);
                } catch (...) {
                    const std::lock_guard lock{mutex};
                    failure = std::current_exception();
                    ended.request_stop();
                }
            });
        try {
            serve(0);
        } catch (...) {
            ended.request_stop();
            throw;
        }
    }
    if (failure) std::rethrow_exception(failure);
}

int receive(Arguments& args) {
    if (args.flows.empty()) args.flows.push_back(Flow::parse(default_flow));
    const pktverbs::StopOnSignal signals;
    Output output{"sink", args.output};
    const auto device = example::find_device(args.device);
    auto options = example::options_for(device, 4096);
    options.send_packets = pktverbs::none;
    options.queues = args.queues;
    if (args.queues > 1) options.rss = pktverbs::Rss{};
    pktverbs::Context ctx{device, options};
    Receiver receiver{ctx, output};
    std::vector<pktverbs::Flow> installed;
    for (const auto& flow : args.flows) installed.push_back(ctx.install(flow.rule()));
    output.begin(
        fmt::format("receiving {} on {} ({})",
                    args.flows.size() == 1 ? args.flows.front().text : fmt::format("{} flows", args.flows.size()),
                    device.name, ctx.limits().mac));
    receive_all(args, ctx, receiver, output, signals.token());
    const auto totals = receiver.totals();
    output.end(totals.to_string(), totals.to_record());
    if (!args.plot.empty()) write_whole_file(args.plot, receiver.picture(), 0644);
    return totals.is_good() ? done : fell_short;
}

}  // namespace

int sink(int argc, char** argv) {
    example::CommandLine app{"Receives numbered packets, such as those of gen, and reports what is missing.", argv[0]};
    app.footer(
        "pktverbs sink eth0 -t 10s\n"
        "pktverbs sink eth0 --flow udp:7148 --flow 'udp:[ff15::42]:7148,vlan=100' --plot gaps.svg\n"
        "pktverbs sink pipe:a --idle 1s --json\n\n"
        "Exit status: 0; 1 failed; 2 bad arguments; 3 packets were lost, or none came.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME").required();
    add_flows(app, args.flows, fmt::format("Which packets (default {})", default_flow));
    app.add_option("-c,--count", args.count, "End after so many packets").between(1, example::max_packets);
    example::add_duration(app, "-t,--time", args.time, 1ms, example::max_time, "End after so long");
    example::add_duration(app, "--idle", args.idle, 1ms, example::max_time,
                          "End when nothing has come for so long after the first packet");
    app.add_option("-q,--queues", args.queues, "Queues, with a thread each, which share the flows by RSS (default 1)")
        .between(1, 256);
    add_cpus(app, args.cpus, "the queues' threads");
    app.add_option("--plot", args.plot, "Write a picture of the gaps: sequence numbers over time")
        .type_name("FILE.svg");
    add_output(app, args.output);
    return app.run(argc, argv, [&] { return receive(args); });
}

}  // namespace tool
