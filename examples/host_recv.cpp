// SPDX-License-Identifier: Apache-2.0
// host_recv: shows what the host's network stack sends out of an interface, one line for each frame.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/mtu.hpp"
#include "common/outcome.hpp"
#include "common/quantity_option.hpp"

using namespace std::chrono_literals;

std::string describe(pktverbs::net::ConstBytes frame) {
    const pktverbs::net::Headers found{frame};
    const auto link = found.ethernet();
    auto line = fmt::format("{} > {}: {} bytes", link.src(), link.dst(), frame.size());
    if (const auto arp = found.arp()) return line + fmt::format(", arp for {}", arp.target_ip());
    if (const auto ip = found.ipv4()) return line + fmt::format(", {} > {}", ip.src(), ip.dst());
    if (const auto ip = found.ipv6()) return line + fmt::format(", {} > {}", ip.src(), ip.dst());
    return line + fmt::format(", type {:#06x}", found.ether_type());
}

int main(int argc, char** argv) {
    using Clock = std::chrono::steady_clock;
    example::CommandLine app{"Shows what the host's network stack sends out of an interface.", "host_recv"};
    app.footer(
        "host_recv host:eth0               # copies; the frames go out as ever\n"
        "host_recv 'host:eth0?take=1'      # the frames themselves, instead of the wire\n"
        "host_recv 'tap:pv0?persist=1'     # an interface with no wire at all\n\n"
        "Exit status: 0; 1 failed; 2 bad arguments; 3 nothing came; 4 frames were lost.");
    std::string name;
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::chrono::nanoseconds duration = example::max_time;
    app.add_option("DEVICE", name, "host:eth0, tap:NAME, or any other, such as packet:eth0, pipe:NAME").required();
    app.add_option("-c,--count", count, "Stop after so many frames").between(1, example::max_packets);
    example::add_duration(app, "--seconds", duration, 1ms, example::max_time, "Stop after so long");
    return app.run(argc, argv, [&]() -> int {
        const pktverbs::StopOnSignal signals;
        const auto device = example::find_device(name);
        auto options = example::options_for(device, 4096);
        options.send_packets = pktverbs::none;
        pktverbs::Context ctx{device, options};
        const auto flow = ctx.install(pktverbs::FlowRule{}.sniffer());
        fmt::print("receiving on {}\n", device.name);
        std::fflush(stdout);
        const auto end = Clock::now() + duration;
        std::uint64_t shown = 0;
        while (shown < count && Clock::now() < end && !signals.token().stop_requested()) {
            const auto packets = ctx.recv(end - Clock::now(), signals.token());
            example::check_outcome(ctx, packets.outcome());
            for (const auto& pkt : packets) fmt::print("{}\n", describe(pkt.bytes()));
            std::fflush(stdout);
            shown += packets.size();
        }
        const auto lost = ctx.stats().drops.lost();
        fmt::print("{} frames, {} lost\n", shown, lost);
        return shown == 0 ? example::nothing_came : lost != 0 ? example::packets_lost : example::done;
    });
}
