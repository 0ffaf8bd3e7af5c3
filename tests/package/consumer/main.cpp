// SPDX-License-Identifier: Apache-2.0
// A user's program: one frame from one context to another, over an in-memory wire.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>

int main() {
    using namespace std::chrono_literals;
    constexpr std::uint16_t test_type = 0x88b5;  // IEEE 802: for local experiments
    const pktverbs::Options options{.send_packets = 4, .recv_packets = 4, .max_packet_size = 1514};

    pktverbs::Context sender{"wire:consumer", options};
    pktverbs::Context receiver{"wire:consumer", options};
    const auto flow = receiver.install(pktverbs::FlowRule{}.own_mac().ether_type(test_type));

    std::array<std::uint8_t, 60> frame{};
    std::ranges::copy(receiver.limits().mac.bytes(), frame.begin());
    std::ranges::copy(sender.limits().mac.bytes(), frame.begin() + 6);
    frame[12] = test_type >> 8;
    frame[13] = test_type & 0xff;

    auto packets = sender.acquire(1);
    for (auto& pkt : packets) {
        pkt.set_length(frame.size());
        std::ranges::copy(frame, pkt.buffer().begin());
    }
    const auto unsent = sender.send(std::move(packets));
    const auto received = receiver.recv(10s);

    if (!unsent.empty() || received.size() != 1 || !std::ranges::equal(received.front().bytes(), frame)) {
        fmt::print("{} unsent (error {}), {} received\n", unsent.size(), unsent.error(), received.size());
        return 1;
    }
    fmt::print("ok: {} got {} bytes\n", receiver.limits().mac, received.front().length());
}
