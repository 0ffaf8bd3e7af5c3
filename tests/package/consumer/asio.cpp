// SPDX-License-Identifier: Apache-2.0
// A user's program of the component asio: a frame wakes a handler of Asio's.
#include <asio/io_context.hpp>
#include <pktverbs/format.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <pktverbs/asio/receiver.hpp>
#include <pktverbs/pktverbs.hpp>

int main() {
    const pktverbs::Options options{.send_packets = 4, .recv_packets = 4, .max_packet_size = 1514};
    pktverbs::Context sender{"wire:asio_consumer", options};
    pktverbs::Context ctx{"wire:asio_consumer", options};
    const auto flow = ctx.install(pktverbs::FlowRule{}.own_mac());

    asio::io_context io;
    pktverbs::async::AsioReceiver receiver{io, ctx};
    std::size_t received = 0;
    receiver.async_recv([&](std::error_code, const pktverbs::RecvList& list) { received = list.size(); });
    io.poll();  // it waits

    auto packets = sender.acquire(1);
    for (auto& pkt : packets) {
        pkt.set_length(60);
        std::ranges::fill(pkt.bytes(), std::uint8_t{0});
        std::ranges::copy(ctx.limits().mac.bytes(), pkt.bytes().begin());
    }
    sender.send(std::move(packets));
    io.run();
    if (received != 1) {
        fmt::print("{} received\n", received);
        return 1;
    }
    fmt::print("ok: {} woke Asio\n", ctx.limits().mac);
}
