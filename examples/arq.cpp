// SPDX-License-Identifier: Apache-2.0
// arq: all frames arrive, once and in order, over a link that loses some: a sliding window with acknowledgments.
#include <array>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/numbered_frame.hpp"

namespace pv = pktverbs;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t window = 64;  // frames on their way
constexpr auto patience = 10ms;       // for an acknowledgment

void send(pv::Context& ctx, std::uint16_t type, std::uint32_t number, std::size_t payload_bytes) {
    auto packets = ctx.acquire(1, 1s);
    if (packets.empty()) throw std::runtime_error{"the link takes no frames"};
    example::begin_frame(packets.front(), ctx.limits().mac, type, number, payload_bytes);
    ctx.send(std::move(packets));
}

/// Acknowledges every frame, also one that it has: its acknowledgment may have been lost.
void receive(pv::Context& ctx, std::uint32_t& next, const std::stop_token& stop) {
    std::set<std::uint32_t> early;  // a program with a use for the payloads would keep them here
    while (!stop.stop_requested())
        for (const auto& pkt : ctx.recv(pv::no_timeout, stop)) {
            const auto number = example::NumberedFrame{pkt}.number();
            if (number - next < window) early.insert(number);
            while (early.erase(next) != 0) ++next;
            send(ctx, example::ack_type, number, 42);
        }
}

int run(const std::string& device, const std::string& peer, std::uint32_t count) {
    const pv::StopOnSignal signals;
    pv::Context sender{example::find_device(device)}, receiver{example::find_device(peer.empty() ? device : peer)};
    const auto acks = sender.install(pv::FlowRule{}.ether_type(example::ack_type));
    const auto data = receiver.install(pv::FlowRule{}.ether_type(example::data_type));
    std::uint32_t delivered = 0, first = 0;  // first: the oldest that is not acknowledged
    std::jthread receiving{[&](const std::stop_token& stop) { receive(receiver, delivered, stop); }};
    std::array<Clock::time_point, window> due;  // when to send it again; the maximum: it is acknowledged
    for (std::uint32_t next = 0; first < count && !signals.token().stop_requested();) {
        while (next < count && next - first < window) due[next++ % window] = {};
        for (std::uint32_t number = first; number != next; ++number) {
            if (due[number % window] > Clock::now()) continue;
            send(sender, example::data_type, number, 1000);
            due[number % window] = Clock::now() + patience;
        }
        for (const auto& pkt : sender.recv(1ms, signals.token()))
            if (const auto number = example::NumberedFrame{pkt}.number(); number - first < next - first)
                due[number % window] = Clock::time_point::max();
        while (first != next && due[first % window] == Clock::time_point::max()) ++first;
    }
    receiving = {};
    fmt::print("{} of {} frames in order: {} sent, {} of them and {} acknowledgments lost\n", delivered, count,
               sender.stats().sent_packets, receiver.stats().drops.link, sender.stats().drops.link);
    return delivered == count ? example::done : example::packets_lost;
}

int main(int argc, char** argv) {
    example::CommandLine app{"Sends frames over a link that loses some, until all have arrived in order.", "arq"};
    std::string device = "wire:arq?loss=0.1", peer;
    std::uint32_t count = 2000;
    app.add_option("DEVICE", device, "the sender's: any device string (default 'wire:arq?loss=0.1')");
    app.add_option("PEER", peer, "the receiver's (default: DEVICE)");
    app.add_option("--count", count, "frames to send").between(1, 1e9).default_shown();
    return app.run(argc, argv, [&] { return run(device, peer, count); });
}
