// SPDX-License-Identifier: Apache-2.0
// search: the highest rate without loss between two devices.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/device.hpp>
#include "base/chart.hpp"
#include "base/command.hpp"
#include "base/flow.hpp"
#include "base/link_rate.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "base/whole_file.hpp"
#include "common/bad_use.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/quantity_option.hpp"
#include "common/wait_until_up.hpp"
#include "search/rate_search.hpp"
#include "search/trial_runner.hpp"
#include "traffic/send_report.hpp"
#include "traffic/stream.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using pktverbs::Context;
using pktverbs::Rate;

struct Arguments {
    std::string from, to;
    std::vector<Flow> flows;
    std::vector<std::string> sizes;
    std::optional<LinkRate> max_rate;
    std::string method = "phases";
    double resolution = 0.5, loss = 0;  ///< percent
    std::chrono::nanoseconds time = 1s, settle = 100ms;
    std::string plot;
    OutputOptions output;
};

/// What was found for frames of one length, or one mix.
struct Found {
    std::string size;
    SearchResult result;
};

Context open(const std::string& name, bool sends) {
    const auto device = example::find_device(name);
    auto options = example::options_for(device, sends ? 1024 : 4096);
    // The receiver answers nothing; the sender may have to ask for a MAC address.
    if (!sends) options.send_packets = pktverbs::none;
    return Context{device, options};
}

std::string trial_line(const Trial& trial, Rate::Unit unit) {
    std::string verdict = trial.lost > 0
                              ? fmt::format("lost {} ({})", trial.lost,
                                            percent(static_cast<double>(trial.lost), static_cast<double>(trial.sent)))
                          : trial.is_behind ? "came more slowly than it was sent"
                                            : "lost none";
    if (trial.is_short) verdict += ", sent too slowly";
    return fmt::format("  {:>7}  offered {:>10}  delivered {:>10}  {}", time(static_cast<double>(trial.time.count())),
                       rate_text(unit, trial.offered), rate_text(unit, trial.delivered), verdict);
}

Record trial_record(const Trial& trial, Rate::Unit unit) {
    const bool counts_packets = unit == Rate::Unit::packets;
    return Record{}
        .set("trial_s", std::chrono::duration<double>{trial.time}.count())
        .set(counts_packets ? "offered_pps" : "offered_bps", trial.offered)
        .set(counts_packets ? "delivered_pps" : "delivered_bps", trial.delivered)
        .set("sent_packets", trial.sent)
        .set("lost_packets", trial.lost)
        .set("behind", trial.is_behind)
        .set("short", trial.is_short);
}

std::string found_text(const Found& found, Rate::Unit unit) {
    const auto& result = found.result;
    std::string text = fmt::format("{:<12}", found.size);
    if (!result.best)
        return text + (result.is_finished ? "no rate without loss was found" : "stopped before a rate was found");
    text += fmt::format("{:>11} lost {}", rate_text(unit, result.best->offered),
                        percent(static_cast<double>(result.best->lost), static_cast<double>(result.best->sent)));
    if (result.is_sender_limited)
        text += "; the sender can send no faster";
    else if (result.worse)
        text += fmt::format("; {:>11} lost {}{}", rate_text(unit, result.worse->offered),
                            percent(static_cast<double>(result.worse->lost), static_cast<double>(result.worse->sent)),
                            result.worse->lost == 0 ? ", but came too slowly" : "");
    if (!result.is_finished) text += "; stopped";
    return text + fmt::format(" ({} trials)", result.trials.size());
}

Record found_record(const Found& found, Rate::Unit unit) {
    const auto& result = found.result;
    const bool counts_packets = unit == Rate::Unit::packets;
    Record record;
    record.set("size", found.size).set("finished", result.is_finished).set("sender_limited", result.is_sender_limited);
    record.set("trials", result.trials.size());
    if (result.best) record.set(counts_packets ? "best_pps" : "best_bps", result.best->offered);
    if (result.worse) record.set(counts_packets ? "worse_pps" : "worse_bps", result.worse->offered);
    return record;
}

Chart picture(const std::vector<Found>& all, Rate::Unit unit, const std::string& way) {
    const auto axis = unit == Rate::Unit::packets ? Axis::Unit::packets_per_second : Axis::Unit::bits_per_second;
    Chart chart{.title = "Offered and delivered: " + way,
                .x = {.label = "offered", .unit = axis},
                .y = {.label = "delivered", .unit = axis}};
    for (const auto& found : all) {
        Chart::Series series{.name = found.size, .points = {}};
        for (const auto& trial : found.result.trials) series.points.emplace_back(trial.offered, trial.delivered);
        std::ranges::sort(series.points);
        chart.series.push_back(std::move(series));
    }
    return chart;
}

int search_all(Arguments& args) {
    if (args.flows.empty()) args.flows.push_back(Flow::parse(default_flow));
    if (args.sizes.empty()) args.sizes.emplace_back("");
    std::vector<Sizes> sizes;
    try {
        for (const auto& size : args.sizes) sizes.push_back(size.empty() ? Sizes{} : Sizes::parse(size));
    } catch (const std::invalid_argument& error) {
        throw example::BadUse{fmt::format("--size: {}", error.what())};
    }
    const pktverbs::StopOnSignal signals;
    const auto stop = signals.token();
    Output output{"search", args.output};
    auto to = open(args.to, false), from = open(args.from, true);
    for (auto* const ctx : {&from, &to}) example::wait_until_up(*ctx, stop);
    const auto max_rate = args.max_rate ? std::optional{args.max_rate->on(from)} : std::nullopt;
    const auto unit = max_rate.value_or(Rate::frame_bits(1e9));
    std::vector<pktverbs::Flow> rules;
    for (const auto& flow : args.flows) rules.push_back(to.install(flow.rule()));
    const auto way = fmt::format("{} to {}", args.from, args.to);
    output.begin(
        fmt::format("{}\ntrials of {}, {}", way, time(static_cast<double>(args.time.count())),
                    args.method == "rfc2544" ? "halving (RFC 2544, 26.1)" : "short ones first (like MLRsearch)"));

    const SearchOptions options{
        .method = args.method == "rfc2544" ? SearchOptions::Method::bisection : SearchOptions::Method::phases,
        .max_rate = max_rate ? max_rate->per_second() : 0,
        .resolution = args.resolution / 100,
        .allowed_loss = args.loss / 100,
        .trial_time = args.time};
    std::vector<Found> all;
    for (std::size_t i = 0; i < sizes.size() && !stop.stop_requested(); ++i) {
        std::vector<Stream> streams;
        for (const auto& flow : args.flows) streams.push_back(make_stream(from, flow, sizes[i], stop));
        const auto name =
            !args.sizes[i].empty()
                ? args.sizes[i]
                : fmt::format("{} B", streams.front().headers.frame_bytes(streams.front().payloads.front()));
        output.begin(fmt::format("frames of {}", name));
        TrialRunner runner{from, to, std::move(streams), unit};
        all.push_back({name, search_rate(options, [&](double rate, std::chrono::nanoseconds time) {
                           auto trial = runner.run(rate, time, args.settle, stop);
                           if (trial)
                               output.report(trial_line(*trial, unit.unit()),
                                             trial_record(*trial, unit.unit()).set("size", name));
                           return trial;
                       })});
    }
    std::string text = "\nhighest rate without more loss than allowed, and the lowest one with it:";
    if (all.empty()) text = "stopped before a rate was found";
    std::vector<Record> records;
    bool all_found = !all.empty() && all.size() == sizes.size();
    for (const auto& found : all) {
        text += '\n' + found_text(found, unit.unit());
        records.push_back(found_record(found, unit.unit()));
        all_found = all_found && found.result.best && found.result.is_finished;
    }
    output.end(
        text,
        Record{}.set("from", args.from).set("to", args.to).set("method", args.method).set("found", std::move(records)));
    if (!args.plot.empty()) write_whole_file(args.plot, picture(all, unit.unit(), way).to_svg(), 0644);
    return all_found ? done : fell_short;
}

}  // namespace

int search(int argc, char** argv) {
    example::CommandLine app{"Finds the highest rate at which nothing is lost from DEVICE to OTHER, by trials.",
                             argv[0]};
    app.footer(
        "pktverbs search packet:eth0 packet:eth1 --size 64 --size 512 --size 1514 --plot rates.svg\n"
        "pktverbs search packet:eth0 packet:eth1 --method rfc2544 -t 60s --max-rate 10G\n\n"
        "Exit status: 0 found; 1 it failed; 2 wrong arguments; 3 no such rate, or stopped before.");
    Arguments args;
    app.add_option("DEVICE", args.from, "which sends: any device string").required();
    app.add_option("OTHER", args.to, "which receives, in this process").required();
    add_flows(app, args.flows, fmt::format("Which packets; several flows take turns (default {})", default_flow));
    app.add_texts(
           "--size",
           [&args](const std::string& text) {
               args.sizes.push_back(text);
               return std::string{};
           },
           "A search for frames of so many bytes, or sizes in turn: 64, 64,1500, imix; may be repeated")
        .type_name("SIZES");
    add_rate(app, "--max-rate", args.max_rate, "Not above this (default: as fast as the sender can)");
    app.add_option("--method", args.method,
                   "phases: short trials first, a loss must happen twice (default); rfc2544: halving")
        .one_of({"phases", "rfc2544"});
    app.add_option("--resolution", args.resolution, "Ends when the bounds differ by so many percent (default 0.5)")
        .between(0.01, 50);
    app.add_option("--loss-ratio", args.loss, "Percent of packets that may be lost (default 0)").between(0, 50);
    example::add_duration(app, "-t,--time", args.time, 10ms, 1h, "Of a trial (default 1s)");
    example::add_duration(app, "--settle", args.settle, 1ms, 60s,
                          "How long a packet may be on its way (default 100ms)");
    app.add_option("--plot", args.plot, "Draw what was offered and delivered").type_name("FILE.svg");
    add_output(app, args.output);
    return app.run(argc, argv, [&] { return search_all(args); });
}

}  // namespace tool
