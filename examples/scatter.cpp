// SPDX-License-Identifier: Apache-2.0
// scatter: headers to one memory, payloads to another that a second process maps, and one payload kept for good.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>
#include <pktverbs/memory/shared_memory.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace pv = pktverbs;
namespace net = pktverbs::net;

constexpr std::uint32_t header_bytes = 42, payload_bytes = 8192, packets = 64, sent = 6;

/// Payload i is full of the number i.
void send_frames() {
    pv::Context ctx{"wire:scatter", {.recv_packets = pv::none}};
    const net::FrameTemplate frame{{.dst = pv::MacAddress::broadcast(), .src = ctx.limits().mac},
                                   net::Ipv4{.src = pv::Ipv4Address{"192.0.2.1"}, .dst = pv::Ipv4Address{"192.0.2.2"}},
                                   net::Udp{.src_port = 7148, .dst_port = 7148}};
    auto list = ctx.acquire(sent);
    std::uint8_t number = 0;
    for (auto& pkt : list) {
        std::ranges::fill(pkt.buffer().subspan(header_bytes, payload_bytes), number++);
        pkt.set_length(frame.write(pkt.buffer(), payload_bytes));
    }
    ctx.send(std::move(list));
}

int main(int argc, char** argv) try {
    if (argc > 1) {
        const bool asked = argv[1] == std::string_view{"--help"};
        fmt::print(asked ? stdout : stderr, "usage: scatter, without arguments\n");
        return asked ? 0 : 2;
    }
    std::vector<std::uint8_t> headers(std::size_t{64} * (packets + 1));
    const auto payloads = pv::SharedMemory::anonymous(std::size_t{payload_bytes} * (packets + 1));

    pv::Options options{.send_packets = pv::none, .recv_packets = packets};
    options.recv_layout = pv::Layout{}.chunk(header_bytes, headers).chunk(payload_bytes, payloads.bytes());
    pv::Context ctx{"wire:scatter", options};
    const auto flow = ctx.install(pv::FlowRule{}.udp().dst_port(7148));
    send_frames();

    // The payload of the first packet stays where it is: the packet is aimed at the spare place behind the others.
    std::span<const std::uint8_t> kept;
    {
        auto list = ctx.recv(std::chrono::seconds{1});
        if (list.size() != sent) throw std::runtime_error{"frames got lost"};
        for (auto& pkt : list)
            fmt::print("header {} bytes at headers + {}, payload {} bytes at payloads + {}\n", pkt.chunk(0).size(),
                       pkt.chunk(0).data() - headers.data(), pkt.chunk(1).size(),
                       pkt.chunk(1).data() - payloads.data());
        kept = list.front().chunk(1);
        list.front().retarget(*ctx.slice(payloads.bytes().last(payload_bytes)), 1);
    }
    // Many more frames use all other places.
    for (std::uint32_t turn = 0; turn < packets; ++turn) {
        send_frames();
        ctx.recv(std::chrono::seconds{1});
    }
    fmt::print("after {} more frames, what was kept is {}\n", packets * sent,
               std::ranges::all_of(kept, [](std::uint8_t byte) { return byte == 0; }) ? "as it was" : "overwritten");
    std::fflush(stdout);

    const pid_t child = fork();
    if (child < 0) throw std::runtime_error{"cannot fork"};
    if (child == 0) {  // another process: it sees the payloads, one array without headers in between
        const auto sum = std::accumulate(payloads.data(), payloads.data() + payload_bytes * sent, std::uint64_t{0});
        fmt::print("another process sums up {} payloads: {}\n", sent, sum);
        std::fflush(stdout);
        _exit(0);
    }
    waitpid(child, nullptr, 0);
} catch (const std::exception& error) {
    fmt::print(stderr, "scatter: {}\n", error.what());
    return 1;
}
