// SPDX-License-Identifier: Apache-2.0
// gen: sends numbered packets.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/device.hpp>
#include "base/command.hpp"
#include "base/quantity.hpp"
#include "base/rates.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/wait_until_up.hpp"
#include "gen/gen_options.hpp"
#include "traffic/queue_threads.hpp"

namespace tool {

namespace {

/// The senders of all queues, each in its thread.
class Senders {
public:
    Senders(pktverbs::Context& ctx, const GenOptions& options, const std::vector<Stream>& streams) {
        for (std::size_t queue = 0; queue < options.queues; ++queue) {
            std::vector<Stream> own;
            for (std::size_t i = queue; i < streams.size(); i += options.queues) own.push_back(streams[i]);
            Part part{.load = options.load, .sender = nullptr};
            const double share = static_cast<double>(own.size()) / static_cast<double>(streams.size());
            for (auto* rate : {&part.load.rate, &part.load.ramp_to})
                if (*rate) *rate = rate_like(**rate, (*rate)->per_second() * share);
            if (part.load.count != SendPlan{}.count) {
                // The packets that the flows of this queue have among the first `count`.
                part.load.count = 0;
                for (std::size_t i = queue; i < streams.size(); i += options.queues)
                    part.load.count += options.load.count / streams.size() + (i < options.load.count % streams.size());
            }
            part.sender = std::make_unique<Sender>(ctx, queue, std::move(own), options.payload);
            parts_.push_back(std::move(part));
        }
    }

    void start(const CpuList& cpus, const std::stop_token& stop) {
        threads_.start(parts_.size(), cpus, [this, stop](std::size_t index) {
            const auto report = parts_[index].sender->run(parts_[index].load, stop);
            const std::lock_guard lock{mutex_};
            report_ += report;
        });
    }
    /// Reports until the end. Throws what one of the threads threw.
    const SendReport& finish(Output& output) {
        threads_.report(output, [this] {
            QueueThreads::Sent sent{};
            for (const auto& part : parts_) {
                const auto packets = part.sender->packets();
                sent.packets += packets;
                sent.bytes += part.sender->bytes_of(packets);
            }
            return sent;
        });
        threads_.check();
        return report_;
    }

    std::vector<Sender::FlowCount> flows() const {
        std::vector<Sender::FlowCount> all;
        for (const auto& part : parts_)
            for (const auto& flow : part.sender->flows()) all.push_back(flow);
        return all;
    }

private:
    struct Part {
        SendPlan load;
        std::unique_ptr<Sender> sender;
    };
    std::vector<Part> parts_;
    std::mutex mutex_;
    SendReport report_;
    QueueThreads threads_;  // last: they use the others
};

/// What became of packets that the device took, besides being sent.
struct Losses {
    std::uint64_t failed, in_flight, unsent;
    Losses(const pktverbs::Stats& stats, std::uint64_t unsent_before)
        : failed{std::reduce(stats.send_errors.begin(), stats.send_errors.end())},
          in_flight{stats.in_flight},
          unsent{stats.drops.unsent - unsent_before} {}
    std::uint64_t all() const { return failed + in_flight + unsent; }
};

std::string total_text(const SendReport& report, const Losses& losses, const std::vector<Sender::FlowCount>& flows) {
    const auto [bps, pps] = Rates::over(report.seconds, report.packets, report.bytes);
    std::string text = fmt::format("sent      {} packets, {} in {}\n", report.packets,
                                   bytes(static_cast<double>(report.bytes)), time(1e9 * report.seconds));
    text += fmt::format("rate      {}, {}\n", bits_per_second(bps), packets_per_second(pps));
    if (report.asked) {
        const double asked = report.asked->per_second();
        text +=
            fmt::format("asked     {}, reached {} ({:+.2f} %), latest batch {} late\n",
                        rate_text(report.asked->unit(), asked), rate_text(report.asked->unit(), report.achieved),
                        100 * (report.achieved - asked) / asked, time(static_cast<double>(report.longest_lag.count())));
    }
    if (report.missed || !report.asked)
        text += fmt::format("{}   {}\n", report.asked ? "why not" : "limit  ", report.reason());
    if (losses.unsent > 0)
        text += fmt::format("unsent    {} packets: the link was down, or had no room\n", losses.unsent);
    if (losses.failed > 0) text += fmt::format("failed    {} packets\n", losses.failed);
    if (losses.in_flight > 0)
        text += fmt::format("waiting   {} packets, which the receiver did not take\n", losses.in_flight);
    if (flows.size() > 1)
        for (const auto& flow : flows)
            text += fmt::format("flow      {:<44} {:>12} packets\n", flow.stream->text, flow.packets);
    text.pop_back();
    return text;
}

Record total_record(const SendReport& report, const Losses& losses, const std::vector<Sender::FlowCount>& flows) {
    const auto [bps, pps] = Rates::over(report.seconds, report.packets, report.bytes);
    Record record;
    record.set("packets", report.packets)
        .set("bytes", report.bytes)
        .set("unsent_packets", losses.unsent)
        .set("failed_packets", losses.failed)
        .set("waiting_packets", losses.in_flight)
        .set("sending_s", report.seconds)
        .set("rate_bps", bps)
        .set("rate_pps", pps);
    if (report.asked) {
        const bool counts_packets = report.asked->unit() == pktverbs::Rate::Unit::packets;
        record.set(counts_packets ? "asked_pps" : "asked_bps", report.asked->per_second())
            .set(counts_packets ? "reached_pps" : "reached_bps", report.achieved)
            .set("longest_lag_ns", report.longest_lag.count());
    }
    record.set("missed", report.missed);
    if (report.missed || !report.asked) record.set("reason", report.reason());
    record.set("blocked_s", report.blocked_seconds).set("cpu_s", report.cpu_seconds);
    std::vector<Record> records;
    for (const auto& flow : flows)
        records.push_back(
            Record{}.set("flow", flow.stream->text).set("packets", flow.packets).set("bytes", flow.bytes));
    return record.set("flows", std::move(records));
}

int generate(GenOptions& options) {
    check_gen_options(options);
    const pktverbs::StopOnSignal signals;
    Output output{"gen", options.output};
    const auto device = example::find_device(options.device);
    auto wanted = example::options_for(device, 1024);
    wanted.queues = options.queues;
    if (std::ranges::none_of(options.flows, needs_resolving)) wanted.recv_packets = pktverbs::none;
    pktverbs::Context ctx{device, wanted};
    if (options.rate) options.load.rate = options.rate->on(ctx);
    if (options.ramp_to) options.load.ramp_to = options.ramp_to->on(ctx);
    if (device.waits_for_peer && ctx.port().state != IBV_PORT_ACTIVE)
        output.begin(fmt::format("waiting for another program at {}", device.name));
    const bool may_start = !device.waits_for_peer || example::wait_until_up(ctx, signals.token());
    std::vector<Stream> streams;
    for (const auto& flow : options.flows)
        if (may_start) streams.push_back(make_stream(ctx, flow, options.sizes, signals.token()));
    const auto unsent_before = ctx.stats().drops.unsent;
    if (!may_start) {
        const Losses none{ctx.stats(), unsent_before};
        output.end(total_text({}, none, {}), total_record({}, none, {}));
        return fell_short;
    }
    Senders senders{ctx, options, streams};
    output.begin(fmt::format("sending {} on {}",
                             streams.size() == 1 ? streams.front().text : fmt::format("{} flows", streams.size()),
                             device.name));
    senders.start(options.cpus, signals.token());
    const auto& report = senders.finish(output);
    const Losses losses{ctx.stats(), unsent_before};
    const auto flows = senders.flows();
    output.end(total_text(report, losses, flows), total_record(report, losses, flows));
    if (report.error != 0)
        throw std::system_error{report.error, std::generic_category(), fmt::format("cannot send on {}", device.name)};
    return report.missed || losses.all() > 0 || report.packets == 0 ? fell_short : done;
}

}  // namespace

int gen(int argc, char** argv) {
    example::CommandLine app{"Sends numbered packets, at a chosen rate or as fast as it goes. sink checks them.",
                             argv[0]};
    app.footer(
        "pktverbs gen eth0 --rate 10G -t 10s\n"
        "pktverbs gen eth0 --flow udp:10.0.0.2:7148 --flow 'udp:[ff15::42]:7148,vlan=100' --size imix\n"
        "pktverbs gen pipe:a --ramp 1G..10G -t 30s --payload random\n\n"
        "Rates are those of whole frames: headers included, without FCS, preamble and gap.\n"
        "Exit status: 0; 1 failed; 2 bad arguments; 3 slower than asked for, or packets were not sent.");
    GenOptions options;
    add_gen_options(app, options);
    return app.run(argc, argv, [&] { return generate(options); });
}

}  // namespace tool
