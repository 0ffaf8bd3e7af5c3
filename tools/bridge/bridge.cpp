// SPDX-License-Identifier: Apache-2.0
// bridge: joins devices of any kind, two as a cable does, more as a learning switch does.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include "base/command.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "bridge/switch.hpp"
#include "common/bad_use.hpp"
#include "common/quantity_option.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;

struct Arguments {
    std::vector<std::string> devices, impairments;
    std::chrono::seconds ageing = 300s;
    std::chrono::nanoseconds hold = -1ns, time = pktverbs::no_timeout;
    std::string wait = "block";
    OutputOptions output;
};

/// "loss=0.01,delay=5ms" for all, "2:loss=0.01" for the second device.
void impair(std::vector<std::string>& devices, std::string_view text) {
    std::size_t first = 0, last = devices.size();
    const auto colon = text.find(':');
    if (const auto equals = text.find('='); colon != std::string_view::npos && colon < equals) {
        std::size_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + colon, number);
        if (error != std::errc{} || end != text.data() + colon || number < 1 || number > devices.size())
            throw example::BadUse{fmt::format("--impair {}: the devices have the numbers 1 to {}", text, last)};
        first = number - 1;
        last = number;
        text.remove_prefix(colon + 1);
    }
    if (text.find('=') == std::string_view::npos)
        throw example::BadUse{fmt::format("--impair {}: give it as loss=0.01,delay=5ms, or 2:loss=0.01", text)};
    std::string keys{text};
    std::ranges::replace(keys, ',', '&');
    for (auto i = first; i < last; ++i) {
        auto& device = devices[i];
        if (device.find(':') == std::string::npos) device = "packet:" + device;  // only soft devices have the keys
        device += (device.find('?') == std::string::npos ? '?' : '&') + keys;
    }
}

struct Totals {
    std::uint64_t received = 0, bytes = 0, forwarded = 0, flooded = 0, filtered = 0, sent = 0, lost = 0, impaired = 0;
};

/// Everything that is counted, read once.
struct Snapshot {
    std::vector<Port::Report> reports;
    Totals totals;

    explicit Snapshot(Switch& all) {
        for (auto& port : all.ports()) {
            const auto& report = reports.emplace_back(port->report());
            const auto& in = port->in();
            totals.received += in.received;
            totals.bytes += in.bytes;
            totals.forwarded += in.forwarded;
            totals.flooded += in.flooded;
            totals.filtered += in.filtered;
            totals.sent += report.sent;
            totals.lost += report.lost();
            totals.impaired += report.impaired;
        }
    }
};

Record record_of(Switch& all, const Snapshot& snapshot) {
    Record record;
    const auto& totals = snapshot.totals;
    record.set("received", totals.received).set("sent", totals.sent).set("forwarded", totals.forwarded);
    record.set("flooded", totals.flooded).set("filtered", totals.filtered).set("lost", totals.lost);
    record.set("impaired", totals.impaired).set("stations", all.stations()).set("moves", all.moves());
    std::vector<Record> ports;
    for (std::size_t i = 0; i < all.ports().size(); ++i) {
        const auto& port = *all.ports()[i];
        const auto& report = snapshot.reports[i];
        Record one;
        one.set("device", port.name()).set("received", port.in().received).set("received_bytes", port.in().bytes);
        one.set("forwarded", port.in().forwarded).set("flooded", port.in().flooded).set("filtered", port.in().filtered);
        one.set("offered", port.out().offered).set("sent", report.sent).set("in_flight", report.in_flight);
        one.set("lost", report.lost()).set("impaired", report.impaired);
        for (const auto& [reason, number] : report.losses) one.set("lost_" + reason, number);
        ports.push_back(std::move(one));
    }
    return record.set("ports", std::move(ports));
}

std::string total_text(Switch& all, const Snapshot& snapshot) {
    std::string text = fmt::format("\n   {:>13} {:>13} {:>11} {:>11} {:>11} {:>11}", "received", "sent", "forwarded",
                                   "flooded", "filtered", "lost");
    for (std::size_t i = 0; i < all.ports().size(); ++i) {
        const auto& in = all.ports()[i]->in();
        const auto& report = snapshot.reports[i];
        text += fmt::format("\n{:>2} {:>13} {:>13} {:>11} {:>11} {:>11} {:>11}", i + 1, in.received, report.sent,
                            in.forwarded, in.flooded, in.filtered, report.lost());
    }
    for (std::size_t i = 0; i < all.ports().size(); ++i) {
        const auto& report = snapshot.reports[i];
        text += fmt::format("\n{:>2} {}", i + 1, all.ports()[i]->name());
        for (const auto& [reason, number] : report.losses)
            if (number != 0) text += fmt::format("\n   {} lost: {}", number, reason);
        if (report.impaired != 0)
            text += fmt::format("\n   {} lost on purpose, before they were received", report.impaired);
        if (report.in_flight != 0) text += fmt::format("\n   {} still in flight", report.in_flight);
    }
    if (all.ports().size() > 2) text += fmt::format("\n{} stations known, {} moved", all.stations(), all.moves());
    return text;
}

int run(const Arguments& args, const std::stop_token& stop) {
    auto devices = args.devices;
    if (devices.size() > 64) throw example::BadUse{"64 devices at most"};
    for (const auto& text : args.impairments) impair(devices, text);
    Switch::Job job{.ageing = args.ageing, .hold = args.hold, .spin = args.wait == "spin"};
    // Between two, a full port holds the other one up, as a cable would; among more, nobody waits for it.
    if (job.hold < 0ns) job.hold = devices.size() == 2 ? 100ms : 0ms;
    Switch all{devices, job};

    Output output{"bridge", args.output};
    std::string names = devices.size() == 2 ? "passing all frames between" : "switching frames between";
    for (const auto& port : all.ports())
        names += fmt::format("\n{:>2} {}", &port - &all.ports().front() + 1, port->name());
    output.begin(names);
    const auto start = Switch::Clock::now();
    const auto end = args.time == pktverbs::no_timeout ? Switch::Clock::time_point::max() : start + args.time;
    Totals before;
    std::exception_ptr failure;
    try {
        for (auto last = start; !stop.stop_requested() && Switch::Clock::now() < end;) {
            all.run(std::min(end, output.due()), stop);
            if (!output.is_due()) continue;
            all.tick();
            const Snapshot snapshot{all};
            const auto& now = snapshot.totals;
            const double seconds = std::chrono::duration<double>{Switch::Clock::now() - last}.count();
            output.report(
                fmt::format("{:.0f} s: {} frames, {}, {}, {} lost",
                            std::chrono::duration<double>{Switch::Clock::now() - start}.count(), now.received,
                            packets_per_second(static_cast<double>(now.received - before.received) / seconds),
                            bits_per_second(8 * static_cast<double>(now.bytes - before.bytes) / seconds), now.lost),
                record_of(all, snapshot));
            before = now;
            last = Switch::Clock::now();
        }
        all.flush();
    } catch (const std::exception&) {
        failure = std::current_exception();  // after the totals
    }
    const Snapshot snapshot{all};
    output.end(total_text(all, snapshot), record_of(all, snapshot));
    if (failure) std::rethrow_exception(failure);
    std::uint64_t in_flight = 0;
    for (const auto& report : snapshot.reports) in_flight += report.in_flight;
    return snapshot.totals.lost == 0 && in_flight == 0 ? done : fell_short;
}

}  // namespace

int bridge(int argc, char** argv) {
    example::CommandLine app{
        "Joins devices: two pass each other all frames, more are a switch that learns who is where.", argv[0]};
    app.footer(
        "pktverbs bridge packet:eth0 packet:eth1\n"
        "pktverbs bridge pipe:a memif:/run/vpp.sock xdp:eth2 --json\n"
        "pktverbs bridge packet:veth0 packet:veth1 --impair loss=0.01,delay=20ms --impair 1:rate=10M\n\n"
        "Impairments meet the frames that arrive at a device; what they lose counts apart.\n"
        "Exit status: 0 nothing was lost; 1 it failed; 2 wrong arguments; 3 frames were lost.");
    Arguments args;
    app.add_option("DEVICES", args.devices, "two or more device strings").required().expected(2, 64);
    app.add_option("--impair", args.impairments, "Keys of docs/devices.md for all devices, or for the Nth")
        .type_name("[N:]KEY=VALUE[,...]");
    example::add_duration(app, "--ageing", args.ageing, 1s, 1h * 24 * 30,
                          "When a silent station is forgotten (default 300s)");
    example::add_duration(app, "--hold", args.hold, 0ns, 10s,
                          "Wait so long for room at a full device (default 100ms with two, 0 with more)");
    app.add_option("--wait", args.wait, "block, or spin (a whole core)").one_of({"block", "spin"});
    example::add_duration(app, "-t,--time", args.time, 1ms, example::max_time, "For how long");
    add_output(app, args.output);
    return app.run(argc, argv, [&] {
        const pktverbs::StopOnSignal signals;
        return run(args, signals.token());
    });
}

}  // namespace tool
