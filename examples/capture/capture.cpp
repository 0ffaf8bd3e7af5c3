// SPDX-License-Identifier: Apache-2.0
// capture: UDP flows into a ring, and from there to disk as pcapng or raw blocks.
#include <csignal>

#include "arguments.hpp"
#include "common/cli.hpp"
#include "common/stop_on_signal.hpp"
#include "counts.hpp"
#include "flow_sequences.hpp"
#include "pcapng_writer.hpp"
#include "report_line.hpp"
#include "summary.hpp"

namespace capture {

namespace {

using Clock = ReportLine::Clock;

int run(const Arguments& args) {
    const example::StopOnSignal signals;
    const auto device = example::find_device(args.device);
    auto options = example::options_for(device, 4096);
    options.send_packets = pktverbs::none;
    options.timestamps = true;
    pktverbs::Context ctx{device, options};
    std::vector<pktverbs::Flow> flows;
    for (const auto& flow : args.flows) flows.push_back(ctx.install(flow.rule()));

    BlockWriter file{args.output, args.writer};
    PcapngWriter writer{file,
                        "capture of pktverbs",
                        {.name = device.interface.empty() ? device.name : device.interface},
                        args.writer.writes_in_flight + 1};
    FlowSequences sequences{args.flows, args.sequence};
    Counts counts;
    fmt::print("capturing on {} ({})", device.name, ctx.limits().mac);
    for (const auto& flow : args.flows) fmt::print(", {}", flow.to_string());
    fmt::print("\n");
    std::fflush(stdout);
    const auto start = Clock::now();
    ReportLine line{start};
    const auto end = args.seconds > 0 ? start + example::to_nanoseconds(args.seconds) : Clock::time_point::max();
    while (counts.received < args.count && !signals.token().stop_requested()) {
        const auto now = Clock::now();
        if (now >= end) break;
        if (now >= line.due()) {
            counts.device = ctx.stats().drops;
            counts.missing = sequences.missing();
            fmt::print("{}\n", line.format(counts, sequences.has_numbers(), now));
            std::fflush(stdout);
        }
        const auto packets = ctx.recv(std::min(line.due(), end) - now, signals.token());
        example::check_outcome(ctx, packets.outcome());
        for (const auto& pkt : packets) {
            ++counts.received;
            counts.received_bytes += pkt.length();
            if (!pkt.ok()) {
                ++counts[Drop::failed];
                continue;
            }
            sequences.add({}, pkt.bytes());
            writer.add({}, pkt.bytes(), pkt.timestamp());
        }
    }
    counts.device = ctx.stats().drops;
    counts.written = writer.finish({.start = {}, .end = {}, .received = counts.received});
    counts[Drop::disk] = counts.received - counts.dropped() - counts.written;
    fmt::print("{}",
               Summary{counts, Clock::now() - start, file.path(), file.how(), writer.file_bytes()}.format(sequences));
    std::fflush(stdout);
    if (file.error() != 0)
        throw std::system_error{file.error(), std::generic_category(), fmt::format("cannot write {}", file.path())};
    return 0;
}

}  // namespace

}  // namespace capture

int main(int argc, char** argv) {
    CLI::App app{"Records UDP flows on disk, by way of a ring of blocks.", "capture"};
    app.footer(
        "capture packet:eth0 --flow 239.2.1.150:7148 --sequence 0:8 -o file.pcapng\n"
        "capture eth4 --flow any:7148 --format raw --blocks 256 --payload 8192 --pin 2,3 -o file.raw\n\n"
        "Rates are those of whole frames: headers included, without FCS, preamble and gap.");
    capture::Arguments arguments;
    capture::add_options(app, arguments);
    std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes (ulimit -f) is an error like a full disk, not death
    return example::run(app, argc, argv, [&] { return capture::run(arguments); });
}
