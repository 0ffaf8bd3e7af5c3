// SPDX-License-Identifier: Apache-2.0
// pktgen: sends a UDP stream of numbered packets, at a chosen rate or as fast as it goes.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/rate.hpp>
#include "common/address_option.hpp"
#include "common/arp.hpp"
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/generator.hpp"
#include "common/local_address.hpp"
#include "common/mtu.hpp"
#include "common/quantity_option.hpp"
#include "common/rate_meter.hpp"

using namespace std::chrono_literals;

namespace {

struct Arguments {
    std::string device;
    std::optional<pktverbs::Ipv4Address> dst_ip;
    std::optional<pktverbs::MacAddress> dst_mac;
    std::optional<pktverbs::Ipv4Address> source;
    double packets_per_second = 0;
    std::size_t payload_bytes = 0;  ///< 0: what the MTU allows
    example::Stream stream;
    example::Pace pace;
};

int generate(Arguments& args) {
    const pktverbs::StopOnSignal signals;
    const auto device = example::find_device(args.device);
    const bool multicast = args.dst_ip->is_multicast();
    if (multicast && !args.dst_mac) args.dst_mac = args.dst_ip->multicast_mac();

    auto options = example::options_for(device, 1024);
    if (args.dst_mac) options.recv_packets = pktverbs::none;  // only ARP needs to receive
    pktverbs::Context ctx{device, options};

    auto& stream = args.stream;
    stream.set_payload_bytes(args.payload_bytes, example::max_packet_bytes(ctx));
    example::check_mtu(ctx, stream.packet_bytes());
    stream.dst_ip = *args.dst_ip;
    stream.src_ip =
        args.source ? *args.source : example::choose_source(device, stream.dst_ip, args.dst_mac.has_value());
    stream.dst_mac = args.dst_mac ? *args.dst_mac
                                  : example::resolve(ctx, stream.src_ip, stream.dst_ip, "--dst-mac", signals.token());
    if (args.packets_per_second > 0) args.pace.rate = pktverbs::Rate::packets(args.packets_per_second);

    fmt::print("sending {} bytes of payload from {} to {} port {} ({}) on {}\n", stream.payload_bytes, stream.src_ip,
               stream.dst_ip, stream.port, stream.dst_mac, device.name);
    example::Generator generator{ctx, stream};
    example::RateMeter meter;
    generator.run(args.pace, signals.token(), [&](std::uint64_t sent) {
        if (!meter.is_due()) return;
        fmt::print("{}\n", meter.line(sent, sent * stream.frame_bytes()));
        std::fflush(stdout);
    });
    fmt::print("{}\n", meter.total(generator.sent(), generator.sent() * stream.frame_bytes()));
    const auto report = generator.report();
    if (report) fmt::print("pace: {}\n", *report);
    generator.check();
    return report && report->missed() ? example::rate_missed : example::done;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Sends a UDP stream of numbered packets. pktsink receives and checks it.", "pktgen"};
    app.footer(
        "pktgen packet:eth0 239.2.1.150 --rate 10G --seconds 10\n\n"
        "Rates are those of whole frames: headers included, without FCS, preamble and gap.\n"
        "Exit status: 0; 1 failed; 2 bad arguments; 5 slower than the rate asked for.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME, wire:NAME (inside this process)")
        .required();
    example::add_address(app, "DST_IP", args.dst_ip, "Where the stream goes; may be a multicast group").required();
    example::add_address(app, "--dst-mac", args.dst_mac, "Default: the group's, or asked for by ARP");
    example::add_station(app, "--source", args.source, "Own address (default: the interface's)");
    app.add_option("--port", args.stream.port, "UDP port, source and destination (default 7148)");
    example::add_size(app, "--size", args.payload_bytes, 8, 65507,
                      "Payload in bytes (default 8192, or what the MTU allows)");
    const auto rate = example::add_rate(app, "--rate", args.pace.rate,
                                        "10G, 500Mbit/s, 1.5Mpps, or Gb/s (default: as fast as it goes)");
    app.add_option("--pps", args.packets_per_second, "Packets per second").between(0.001, 1e9).excludes(rate);
    app.add_option("--count", args.pace.count, "Stop after so many packets").between(1, example::max_packets);
    example::add_duration(app, "--seconds", args.pace.duration, 1ms, example::max_time, "Stop after so long");
    app.add_option("--batch", args.pace.batch, "Most packets per call (default 32)").between(1, 1024);
    return app.run(argc, argv, [&] { return generate(args); });
}
