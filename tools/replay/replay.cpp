// SPDX-License-Identifier: Apache-2.0
// replay: sends what a file has recorded.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/device.hpp>
#include "base/command.hpp"
#include "base/cpu_list.hpp"
#include "base/distribution.hpp"
#include "base/link_rate.hpp"
#include "base/output.hpp"
#include "base/quantity.hpp"
#include "base/rates.hpp"
#include "common/bad_use.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/quantity_option.hpp"
#include "common/wait_until_up.hpp"
#include "replay/replayer.hpp"
#include "traffic/queue_threads.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using Clock = Output::Clock;

struct Arguments {
    std::string device;
    ReplayPlan plan;
    std::optional<LinkRate> rate;
    std::string speed = "x1";
    std::uint32_t queues = 1;
    CpuList cpus;
    OutputOptions output;
};

/// The replayers of all queues, each in its thread.
class Replayers {
public:
    Replayers(pktverbs::Context& ctx, const Arguments& args) {
        for (std::size_t i = 0; i < args.queues; ++i)
            all_.push_back(std::make_unique<Replayer>(ctx.queue(i), args.plan, i, args.queues));
    }
    void start(const CpuList& cpus, const std::stop_token& stop) {
        // A little later, so that no thread begins late.
        const auto start = Replayer::Clock::now() + 5ms;
        threads_.start(all_.size(), cpus, [this, start, stop](std::size_t index) { all_[index]->run(start, stop); });
    }
    /// Reports until the end.
    void finish(Output& output) {
        threads_.report(output, [this] {
            QueueThreads::Sent sent{};
            for (const auto& one : all_) {
                sent.packets += one->sent();
                sent.bytes += one->bytes();
            }
            return sent;
        });
    }
    /// Throws what a thread threw: when the totals were told.
    void check() const { threads_.check(); }

    ReplayCounts counts() const {
        ReplayCounts counts;
        for (const auto& one : all_) counts += one->counts();
        return counts;
    }
    pktverbs::Histogram lateness() const {
        pktverbs::Histogram lateness;
        for (const auto& one : all_) lateness.merge(one->lateness());
        return lateness;
    }
    bool is_cut_short() const {
        return std::ranges::any_of(all_, [](const auto& one) { return one->is_cut_short(); });
    }
    int error() const {
        for (const auto& one : all_)
            if (one->error() != 0) return one->error();
        return 0;
    }

private:
    std::vector<std::unique_ptr<Replayer>> all_;
    QueueThreads threads_;  // last: they use the others
};

std::string total_text(const ReplayCounts& counts, const pktverbs::Histogram& lateness, double seconds,
                       std::uint64_t unsent) {
    const auto [bps, pps] = Rates::over(seconds, counts.sent, counts.bytes);
    std::string text = fmt::format("sent      {} packets, {} in {}\n", counts.sent,
                                   bytes(static_cast<double>(counts.bytes)), time(1e9 * seconds));
    text += fmt::format("rate      {}, {}\n", bits_per_second(bps), packets_per_second(pps));
    if (counts.left_out() > 0)
        text += fmt::format("left out  {} too long for the device, {} cut by their recorder, {} too short\n",
                            counts.too_long, counts.cut, counts.too_short);
    if (unsent > 0) text += fmt::format("unsent    {} packets: the link was down, or had no room\n", unsent);
    if (counts.backwards > 0)
        text += fmt::format("backwards {} packets were recorded before those before them\n", counts.backwards);
    if (!lateness.empty()) {
        const auto at = [&](double percentage) { return time(static_cast<double>(lateness.percentile(percentage))); };
        text += fmt::format("late      50 % {}, 90 % {}, 99 % {}, at most {}\n", at(50), at(90), at(99), at(100));
    }
    text.pop_back();
    return text;
}

Record total_record(const ReplayCounts& counts, const pktverbs::Histogram& lateness, double seconds,
                    std::uint64_t unsent) {
    const auto [bps, pps] = Rates::over(seconds, counts.sent, counts.bytes);
    Record record;
    record.set("packets", counts.sent)
        .set("bytes", counts.bytes)
        .set("sending_s", seconds)
        .set("rate_bps", bps)
        .set("rate_pps", pps)
        .set("too_long_packets", counts.too_long)
        .set("cut_packets", counts.cut)
        .set("too_short_packets", counts.too_short)
        .set("backwards_packets", counts.backwards)
        .set("unsent_packets", unsent);
    set_percentiles(record, "late", lateness);
    return record;
}

/// "x2", "2", "0.5" or "max".
void read_speed(ReplayPlan& plan, const std::string& text) {
    if (text == "max") {
        plan.at_once = true;
        return;
    }
    const std::string_view number = std::string_view{text}.substr(text.starts_with('x') ? 1 : 0);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), plan.speed);
    if (error != std::errc{} || end != number.data() + number.size() || !(plan.speed >= 1e-6 && plan.speed <= 1e6))
        throw example::BadUse{
            fmt::format("--speed: '{}' is not a factor from 0.000001 to 1000000, such as x2, or max", text)};
}

int replay_file(Arguments& args) {
    read_speed(args.plan, args.speed);
    if (args.plan.file == "-" && (args.queues > 1 || args.plan.turns > 1))
        throw example::BadUse{"standard input can be read once only: not with --queues or --loop"};
    const pktverbs::StopOnSignal signals;
    Output output{"replay", args.output};
    const auto device = example::find_device(args.device);
    auto options = example::options_for(device, 1024);
    options.recv_packets = pktverbs::none;
    options.queues = args.queues;
    pktverbs::Context ctx{device, options};
    if (args.rate) args.plan.rate = args.rate->on(ctx);
    // A VLAN tag more than the MTU counts.
    args.plan.max_frame_bytes =
        std::min<std::size_t>(ctx.limits().max_packet_size, example::max_packet_bytes(ctx) + 18);
    Replayers replayers{ctx, args};
    if (device.waits_for_peer && ctx.port().state != IBV_PORT_ACTIVE)
        output.begin(fmt::format("waiting for another program at {}", device.name));
    const bool may_start = !device.waits_for_peer || example::wait_until_up(ctx, signals.token());
    const auto unsent_before = ctx.stats().drops.unsent;
    const auto start = Clock::now();
    if (may_start) {
        output.begin(fmt::format("replaying {} on {}", args.plan.file, device.name));
        replayers.start(args.cpus, signals.token());
    }
    replayers.finish(output);
    const double seconds = std::chrono::duration<double>{Clock::now() - start}.count();
    const auto counts = replayers.counts();
    const auto lateness = replayers.lateness();
    const auto unsent = ctx.stats().drops.unsent - unsent_before;
    output.end(total_text(counts, lateness, seconds, unsent), total_record(counts, lateness, seconds, unsent));
    replayers.check();
    if (replayers.error() != 0)
        throw std::system_error{replayers.error(), std::generic_category(),
                                fmt::format("cannot send on {}", device.name)};
    return counts.sent == 0 || replayers.is_cut_short() || counts.left_out() > 0 || unsent > 0 ? fell_short : done;
}

}  // namespace

int replay(int argc, char** argv) {
    example::CommandLine app{"Sends the frames of a pcap or pcapng file: as they were recorded, faster, or at a rate.",
                             argv[0]};
    app.footer(
        "pktverbs replay eth0 recorded.pcapng\n"
        "pktverbs replay eth0 recorded.pcap --rate 10G --loop 100 --dst-mac 02:00:00:00:00:01 --dst 10.0.0.2\n"
        "tcpdump -i eth1 -w - | pktverbs replay eth0 -\n\n"
        "Exit status: 0 all was sent; 1 it failed; 2 wrong arguments; 3 packets were left out or not sent, or it was "
        "interrupted.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME").required();
    app.add_option("FILE", args.plan.file, "pcap or pcapng; - is standard input").required();
    auto speed =
        app.add_option("--speed", args.speed, "So many times as fast as recorded: x2, 0.5; or max").type_name("xN");
    add_rate(app, "--rate", args.rate, "Instead: at this rate: 10G, 1.5Mpps, 50%").excludes(speed);
    app.add_option("--loop", args.plan.turns, "So many times (default 1)").between(1, example::max_packets);
    app.add_option("-c,--count", args.plan.count, "End after so many packets").between(1, example::max_packets);
    example::add_duration(app, "-t,--time", args.plan.time, 1ms, example::max_time, "End after so long");
    app.add_option("-q,--queues", args.queues,
                   "Queues, with a thread each, which share the pairs of addresses (default 1)")
        .between(1, 256);
    add_cpus(app, args.cpus, "the queues' threads");
    const auto add_mac = [&](const char* name, std::optional<pktverbs::MacAddress>& mac, const char* help) {
        app.add_text(
               name,
               [&mac](const std::string& text) {
                   mac = pktverbs::MacAddress::parse(text);
                   return mac ? std::string{} : fmt::format("'{}' is not a MAC address", text);
               },
               help)
            .type_name("MAC");
    };
    const auto add_ip = [&](const char* name, std::optional<IpAddress>& ip, const char* help) {
        app.add_text(
               name,
               [&ip](const std::string& text) {
                   ip = parse_ip(text);
                   return ip ? std::string{} : fmt::format("'{}' is not an IP address", text);
               },
               help)
            .type_name("IP");
    };
    add_mac("--dst-mac", args.plan.rewrite.dst_mac, "Send all to this MAC address");
    add_mac("--src-mac", args.plan.rewrite.src_mac, "Send all from this MAC address");
    add_ip("--dst", args.plan.rewrite.dst, "Send packets of this IP version to this address");
    add_ip("--src", args.plan.rewrite.src, "Send them from this address");
    add_output(app, args.output);
    return app.run(argc, argv, [&] { return replay_file(args); });
}

}  // namespace tool
