// SPDX-License-Identifier: Apache-2.0
// survive: a link that goes down and up, and a queue that fails: nothing is lost that had been received.
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include <pktverbs/counters/counters.hpp>
#include <pktverbs/soft/wire.hpp>
#include <pktverbs/verbs/async_event.hpp>

namespace {

using namespace std::chrono_literals;

/// `count` broadcast frames of a length, numbered on.
void send(pktverbs::soft::WireTap& world, int count, std::size_t bytes = 64) {
    static std::uint8_t number = 0;
    for (; count > 0; --count) {
        std::vector<std::uint8_t> frame(bytes, ++number);
        std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
        world.send(frame);
    }
}

std::size_t receive(pktverbs::Context& ctx) {
    std::size_t good = 0;
    for (;;) {
        const auto packets = ctx.recv(0ns);
        for (const auto& pkt : packets) {
            fmt::print("  frame {}: {}\n", pkt.ok() ? int{pkt.bytes()[14]} : 0,
                       pkt.ok() ? "received" : ibv_wc_status_str(pkt.status()));
            good += pkt.ok();
        }
        if (packets.empty() && packets.outcome() == pktverbs::Outcome::queue_error) {
            fmt::print("  the queue has failed: recovering\n");
            ctx.queue(0).recover();
        } else if (packets.empty()) {
            break;
        }
    }
    while (const auto event = ctx.next_event()) fmt::print("  event: {}\n", event->to_string());
    return good;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc > 1) {
        const bool asked = argv[1] == std::string_view{"--help"};
        fmt::print(asked ? stdout : stderr, "usage: survive, without arguments\n");
        return asked ? 0 : 2;
    }
    pktverbs::soft::Wire wire{"survive"};
    pktverbs::soft::WireTap world{"survive"};
    pktverbs::Context ctx{"wire:survive", {.send_packets = pktverbs::none, .max_packet_size = 256}};
    const auto flow = ctx.install(pktverbs::FlowRule{}.count());

    fmt::print("three frames come, and the link goes down:\n");
    send(world, 3);
    wire.set_link(false);
    std::size_t received = receive(ctx);

    fmt::print("two frames are lost on the way, the link comes up, two more:\n");
    send(world, 2);
    wire.set_link(true);
    send(world, 2);
    received += receive(ctx);

    fmt::print("two frames, one that is too long for its buffer, one that finds the queue in error:\n");
    send(world, 2);
    send(world, 1, 1000);
    send(world, 1);
    received += receive(ctx);

    fmt::print("and two more:\n");
    send(world, 2);
    received += receive(ctx);
    fmt::print("{}\n", ctx.counters());
    return received == 9 ? 0 : 1;
} catch (const std::exception& error) {
    fmt::print(stderr, "survive: {}\n", error.what());
    return 1;
}
