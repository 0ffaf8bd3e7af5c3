// SPDX-License-Identifier: Apache-2.0
// many_queues: RSS: one rule over several queues, by the hash of addresses and ports, with a thread for each.
#include <cstdint>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <pktverbs/format.hpp>
#include <pktverbs/memory/placement.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"

namespace pv = pktverbs;
namespace net = pktverbs::net;

/// Every flow has its own source port.
void send_flows(std::uint16_t flows, std::uint32_t turns) {
    pv::Context ctx{"wire:many_queues", {.send_packets = 512, .recv_packets = pv::none, .max_packet_size = 1024}};
    const auto src = pv::Ipv4Address{"192.0.2.1"}, dst = pv::Ipv4Address{"192.0.2.2"};
    for (std::uint32_t turn = 0; turn < turns; ++turn)
        for (std::uint16_t i = 0; i < flows; ++i) {
            const net::FrameTemplate frame{
                {.dst = pv::MacAddress::broadcast(), .src = ctx.limits().mac},
                net::Ipv4{.src = src, .dst = dst},
                net::Udp{.src_port = static_cast<std::uint16_t>(4000 + i), .dst_port = 7148}};
            auto list = ctx.acquire(1, pv::no_timeout);
            list.front().set_length(frame.write(list.front().buffer(), 512));
            ctx.send(std::move(list));
        }
}

struct Share {
    std::uint64_t packets = 0;
    std::set<std::uint16_t> flows;
};

void receive(pv::Queue& queue, Share& share, std::optional<unsigned> cpu, const std::stop_token& stop) {
    if (cpu) pv::pin_this_thread(*cpu);
    for (;;) {
        const auto list = queue.recv(pv::no_timeout, stop);
        if (list.outcome() != pv::Outcome::packets) return;
        share.packets += list.size();
        for (const auto& pkt : list)
            if (const auto udp = net::Headers{pkt.bytes()}.udp()) share.flows.insert(udp.src_port());
    }
}

int main(int argc, char** argv) {
    example::CommandLine app{"Receives flows on several queues by RSS, with a thread for each.", "many_queues"};
    std::uint32_t queues = 4;
    std::uint16_t flows = 64;
    bool pin = false;
    app.add_option("--queues", queues, "queues and threads").between(1, 64).default_shown();
    app.add_option("--flows", flows, "flows to send").between(1, 4096).default_shown();
    app.add_flag("--pin", pin, "give each thread a processor near the device");
    return app.run(argc, argv, [&] {
        pv::Options options{.send_packets = pv::none, .recv_packets = 8192, .max_packet_size = 1024, .queues = queues};
        options.rss = pv::Rss{};
        pv::Context ctx{"wire:many_queues", options};
        const auto flow = ctx.install(pv::FlowRule{}.dst_ip("192.0.2.2").udp().dst_port(7148));
        const auto cpus = pv::local_cpus(ctx.device());

        std::vector<Share> shares(queues);
        std::vector<std::jthread> threads;
        for (std::uint32_t i = 0; i < queues; ++i)
            threads.emplace_back([&, i](const std::stop_token& stop) {
                receive(ctx.queue(i), shares[i], pin ? std::optional{cpus[i % cpus.size()]} : std::nullopt, stop);
            });
        send_flows(flows, 100);
        while (ctx.stats().recv_packets + ctx.stats().drops.total() < 100ULL * flows) std::this_thread::yield();
        threads.clear();
        for (std::uint32_t i = 0; i < queues; ++i)
            fmt::print("queue {}: {} packets of {} flows\n", i, shares[i].packets, shares[i].flows.size());
        fmt::print("{}\n", ctx.stats());
        return 0;
    });
}
