// SPDX-License-Identifier: Apache-2.0
// capture: packets into a ring, and from there to disk, or into a pipe.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include "arguments.hpp"
#include "base/command.hpp"
#include "base/cpu_list.hpp"
#include "base/flow.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "base/rates.hpp"
#include "capture/bpf_filter.hpp"
#include "capture/extcap.hpp"
#include "capture/flow_match.hpp"
#include "common/bad_use.hpp"
#include "common/find_device.hpp"
#include "common/quantity_option.hpp"
#include "recording.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using ::capture::Counts;
using ::capture::FlowSequences;
using ::capture::Recording;

struct Arguments {
    ::capture::Arguments recording;
    std::vector<Flow> flows;
    CpuList cpus;
    std::string filter;
    OutputOptions output;
};

Record record_of(const Counts& counts) {
    Record record;
    record.set("received_packets", counts.received).set("received_bytes", counts.received_bytes);
    record.set("written_packets", counts.written).set("dropped_packets", counts.dropped());
    for (std::size_t i = 0; i < counts.drops.size(); ++i) {
        auto key = fmt::format("dropped_{}_packets", ::capture::drop_names[i]);
        std::ranges::replace(key, ' ', '_');
        record.set(key, counts.drops[i]);
    }
    record.set("filtered_packets", counts.filtered);
    record.set("missing_packets", counts.missing);
    record.set("lost_before_packets", counts.device.lost());
    record.set("lost_out_of_buffer_packets", counts.device.out_of_buffer)
        .set("lost_not_ready_packets", counts.device.not_ready)
        .set("lost_oversize_packets", counts.device.oversize)
        .set("lost_link_packets", counts.device.link)
        .set("fragments", counts.device.fragments);
    record.set("ring_blocks", counts.ring_blocks).set("filled_blocks", counts.filled_blocks);
    return record;
}

std::vector<Record> records_of(const FlowSequences& sequences) {
    std::vector<Record> records;
    for (const auto& flow : sequences.flows()) {
        Record record;
        record.set("flow", flow.flow.text).set("packets", flow.packets);
        if (sequences.has_numbers())
            record.set("missing_packets", flow.numbers.missing())
                .set("reordered_packets", flow.numbers.reordered())
                .set("duplicated_packets", flow.numbers.duplicated())
                .set("wild_packets", flow.numbers.wild())
                .set("sender_restarts", flow.numbers.restarts())
                .set("without_number_packets", flow.without_number);
        records.push_back(std::move(record));
    }
    return records;
}

/// "ring full 12, late 3"; empty if nothing was dropped.
std::string reasons(const Counts& counts) {
    std::string text;
    for (std::size_t i = 0; i < counts.drops.size(); ++i)
        if (counts.drops[i] > 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", ::capture::drop_names[i], counts.drops[i]);
    return text;
}

std::string running_line(const Counts& counts, const Rates& rates, bool has_numbers) {
    auto line = fmt::format("{:>14} packets {:>11} {:>10}   ring {:>3}/{}", counts.received, bits_per_second(rates.bps),
                            packets_per_second(rates.pps), counts.filled_blocks, counts.ring_blocks);
    const auto lost = counts.device.lost() + counts.dropped();
    line += fmt::format("   lost {}", lost);
    if (has_numbers) line += fmt::format(", missing {}", counts.missing);
    return line;
}

std::string total_text(const ::capture::Summary& summary, const FlowSequences& sequences) {
    const auto& counts = summary.counts;
    const double seconds = std::chrono::duration<double>{summary.time}.count();
    const auto [bps, pps] = Rates::over(seconds, counts.received, counts.received_bytes);
    std::string text = fmt::format(
        "received  {} packets, {} in {}: {}, {}\n", counts.received, bytes(static_cast<double>(counts.received_bytes)),
        time(static_cast<double>(summary.time.count())), bits_per_second(bps), packets_per_second(pps));
    text += fmt::format("written   {} packets, {} {}\n          {}\n", counts.written,
                        bytes(static_cast<double>(summary.file_bytes)), summary.where, summary.how);
    const auto why = reasons(counts);
    if (counts.filtered > 0) text += fmt::format("filtered  {} packets\n", counts.filtered);
    text += fmt::format("dropped   {} packets{}{}\n", counts.dropped(), why.empty() ? "" : ": ", why);
    const auto& device = counts.device;
    text += fmt::format("before    {} packets were lost before they were received", device.lost());
    if (device.lost() > 0)
        text += fmt::format(":\n          out of buffer {}, link {}, oversize {}, not ready {}", device.out_of_buffer,
                            device.link, device.oversize, device.not_ready);
    text += '\n';
    if (device.fragments > 0) text += fmt::format("fragments {} that show no port\n", device.fragments);
    for (const auto& flow : sequences.flows()) {
        text += fmt::format("flow      {:<36} {} packets", flow.flow.text, flow.packets);
        if (sequences.has_numbers())
            text += fmt::format(",\n          missing {}, reordered {}, duplicated {}", flow.numbers.missing(),
                                flow.numbers.reordered(), flow.numbers.duplicated());
        if (flow.numbers.restarts() > 0)
            text += fmt::format(", sender started again {} times", flow.numbers.restarts());
        if (flow.numbers.wild() > 0) text += fmt::format(", far from the others {}", flow.numbers.wild());
        if (flow.without_number > 0) text += fmt::format(", without a number {}", flow.without_number);
        text += '\n';
    }
    if (sequences.others() > 0) text += fmt::format("no flow's {} packets, by their headers\n", sequences.others());
    const auto filtered = counts.filtered > 0 ? fmt::format(" + {} filtered", counts.filtered) : "";
    return text + fmt::format("sum       {} received = {} written{} + {} dropped", counts.received, counts.written,
                              filtered, counts.dropped());
}

int record(Arguments& args) {
    auto& recorded = args.recording;
    if (recorded.output.empty()) throw example::BadUse{"--output: the file has no name"};
    if (args.flows.empty()) args.flows.push_back(Flow::parse(default_flow));
    for (const auto& flow : args.flows) {
        if (recorded.sequence && flow.protocol != Flow::Protocol::udp)
            throw example::BadUse{
                fmt::format("--sequence is in the payload of UDP packets, which {} has not", flow.text)};
        recorded.flows.emplace_back(
            flow.text, flow.rule(),
            [flow](const pktverbs::net::Headers<const std::uint8_t>& headers) { return flow_has(flow, headers); });
    }
    if (!args.filter.empty()) {
        if (recorded.format == ::capture::Format::raw)
            throw example::BadUse{"--filter is for pcapng: raw blocks stay as they are"};
        recorded.wanted = [filter = std::make_shared<BpfFilter>(args.filter)](auto header, auto rest) {
            return filter->takes(header, rest);
        };
    }
    if (recorded.rotation.is_on() && recorded.output == "-")
        throw example::BadUse{"--rotate-size and --rotate-time need a file, not standard output"};
    recorded.cpus = args.cpus.cpus();
    args.output.to_stderr = recorded.output == "-";
    std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes (ulimit -f) is an error like a full disk
    std::signal(SIGPIPE, SIG_IGN);
    const pktverbs::StopOnSignal signals;
    Output output{"capture", args.output};
    Recording recording{recorded, example::find_device(recorded.device), signals.token()};
    output.begin(recording.describe());
    RateMeter meter{Output::Clock::now()};
    const bool has_numbers = recorded.sequence.has_value();
    recording.set_report([&](const std::string&, const Counts& counts) {
        const auto rates = meter.read(Output::Clock::now(), counts.received, counts.received_bytes);
        output.report(running_line(counts, rates, has_numbers), record_of(counts));
    });
    recording.run();
    const auto summary = recording.finish();
    auto total = record_of(summary.counts);
    total.set("recording_s", std::chrono::duration<double>{summary.time}.count()).set("file_bytes", summary.file_bytes);
    total.set("of_no_flow_packets", recording.sequences().others()).set("flows", records_of(recording.sequences()));
    output.end(total_text(summary, recording.sequences()), std::move(total));
    recording.check();
    return summary.counts.written + summary.counts.filtered == 0 || summary.counts.has_losses() ? fell_short : done;
}

}  // namespace

namespace {

int run_capture(int argc, char** argv) {
    example::CommandLine app{
        "Records packets on disk as pcapng, or hands them to a program, and says where each one went.", argv[0]};
    app.footer(
        "pktverbs capture eth0 --flow udp:239.2.1.150:7148 --sequence 0:8 -o file.pcapng\n"
        "pktverbs capture eth0 --flow all -o - | wireshark -k -i -\n"
        "pktverbs capture eth4 --flow udp:7148 --format raw --blocks 256 --cpus 2,3 -o file.raw\n\n"
        "Exit status: 0 all was recorded; 1 it failed; 2 wrong arguments; 3 packets were lost, or none came.");
    Arguments args;
    app.add_option("DEVICE", args.recording.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME").required();
    add_flows(app, args.flows, fmt::format("Which packets (default {})", default_flow));
    add_file_options(app, args.recording);
    app.add_option("-c,--count", args.recording.count, "End when so many packets have come, or a few more")
        .between(1, example::max_packets);
    example::add_duration(app, "-t,--time", args.recording.duration, 1ms, example::max_time, "End after so long");
    app.add_option("--filter", args.filter,
                   "Write those alone that this filter of tcpdump's takes, such as 'tcp or len > 100'")
        .type_name("TEXT");
    app.add_text(
           "--rotate-size",
           [&args](const std::string& text) {
               const auto size = pktverbs::parse_size(text);
               if (!size || *size == 0) return fmt::format("'{}' is not a size, such as 1GiB", text);
               args.recording.rotation.bytes = *size;
               return std::string{};
           },
           "Go on in another file after so many bytes: FILE-00001, FILE-00002 ...")
        .type_name("SIZE");
    example::add_duration(app, "--rotate-time", args.recording.rotation.time, 1ms, example::max_time,
                          "Go on in another file after so long");
    add_cpus(app, args.cpus, "the receiving and the writing thread");
    add_output(app, args.output);
    return app.run(argc, argv, [&] { return record(args); });
}

}  // namespace

int capture(int argc, char** argv) {
    std::optional<Extcap> extcap;
    try {
        extcap = Extcap::parse({argv + 1, argv + argc});
        if (!extcap) return run_capture(argc, argv);
        if (!extcap->is_capture()) {
            fmt::print("{}", extcap->answer());
            return std::fflush(stdout) == 0 ? done : failed;
        }
    } catch (const example::BadUse& error) {
        fmt::print(stderr, "{}: {} (see --help)\n", argv[0], error.what());
        return bad_use;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", argv[0], error.what());
        return failed;
    }
    auto words = extcap->words();
    std::vector<char*> arguments{argv[0]};
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return run_capture(static_cast<int>(arguments.size()) - 1, arguments.data());
}

}  // namespace tool
