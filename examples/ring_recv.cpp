// SPDX-License-Identifier: Apache-2.0
// Receives the UDP stream of pktgen into a ring in shared memory, each packet in the slot of its number; ring_read
// reads it there.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_receiver.hpp>

#include "common/address_option.hpp"
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/outcome.hpp"
#include "common/quantity_option.hpp"
#include "common/rate_meter.hpp"

namespace {

struct Arguments {
    std::string device;
    std::string ring = "/pktverbs";
    std::optional<pktverbs::Ipv4Address> dst_ip;
    std::uint16_t port = 7148;
    std::uint32_t blocks = 32;
    std::uint32_t slots = 256;
    std::uint32_t payload = 8192;
    bool overwrite = false;
};

int receive(const Arguments& args) {
    using Clock = example::RateMeter::Clock;
    constexpr std::uint32_t headers = 42;  // Ethernet, IPv4, UDP: so payloads begin with pktgen's number
    const pktverbs::StopOnSignal signals;
    auto device = example::find_device(args.device);  // before the ring, which stays
    const auto ring = pktverbs::BlockRing::open(
        args.ring,
        {.blocks = args.blocks, .block_slots = args.slots, .header_bytes = headers, .payload_bytes = args.payload});
    pktverbs::Options options{.send_packets = pktverbs::none,
                              .recv_packets = std::max(args.blocks * args.slots / 4, 1U)};
    options.recv_layout = ring.recv_layout();
    pktverbs::Context ctx{std::move(device), options};
    pktverbs::RingReceiver receiver{
        ctx,
        ring,
        {.sequence = pktverbs::SequenceField{.from = pktverbs::SequenceOrigin::udp_payload},
         .when_full = args.overwrite ? pktverbs::WhenFull::overwrite : pktverbs::WhenFull::drop,
         .hand_over_after = std::chrono::seconds{1}}};

    auto rule = pktverbs::FlowRule{}.udp().dst_port(args.port);
    if (args.dst_ip) rule.dst_ip(*args.dst_ip);
    if (!args.dst_ip || !args.dst_ip->is_multicast()) rule.own_mac();
    const auto flow = ctx.install(rule);
    fmt::print("{} into {}: {}\n", flow.rule(), args.ring, ring.geometry());
    while (!signals.token().stop_requested()) {
        const auto report = Clock::now() + std::chrono::seconds{1};
        while (Clock::now() < report && !signals.token().stop_requested())
            example::check_outcome(ctx, receiver.step(report - Clock::now(), signals.token()));
        fmt::print("consumer {}, {} blocks to read, {}\n", to_string(receiver.consumer()), ring.filled_blocks(),
                   receiver.stats());
        std::fflush(stdout);
    }
    receiver.flush();
    const auto stats = receiver.stats();
    const auto before = ctx.stats().drops.lost();
    fmt::print("total: {}, lost before {}\n", stats, before);
    if (stats.placed == 0) return example::nothing_came;
    const auto lost =
        stats.missing + stats.skipped + stats.late + stats.wild + stats.dropped() + stats.overwritten_packets + before;
    return lost > 0 ? example::packets_lost : example::done;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Receives the UDP stream of pktgen into a ring in shared memory, for ring_read.",
                             "ring_recv"};
    app.footer(
        "The ring stays in /dev/shm until ring_read --remove.\n"
        "Exit status: 0; 1 failed; 2 bad arguments; 3 nothing came; 4 packets were lost.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1").required();
    app.add_option("--ring", args.ring, "Name of the ring (default /pktverbs)");
    example::add_address(app, "--dst-ip", args.dst_ip, "Only this destination; joins it if it is a multicast group");
    app.add_option("--port", args.port, "UDP destination port (default 7148)");
    app.add_option("--blocks", args.blocks, "Blocks in the ring (default 32)").between(2, 4096);
    app.add_option("--slots", args.slots, "Packets per block (default 256)").between(4, 65536);
    example::add_size(app, "--payload", args.payload, 8, 65507, "Longest UDP payload in bytes (default 8192)");
    app.add_flag("--overwrite", args.overwrite, "When full, overwrite the oldest block; else drop the newest packet");
    return app.run(argc, argv, [&] { return receive(args); });
}
