// SPDX-License-Identifier: Apache-2.0
// hello: one NIC sends five UDP frames to a multicast group, another one receives them.
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

constexpr std::array<std::uint8_t, 42> headers{
    0x01, 0x00, 0x5e, 0x02, 0x01, 0x96, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00,  // Ethernet: to the group's MAC
    0x45, 0x00, 0x00, 0x30, 0x00, 0x00, 0x40, 0x00, 0x01, 0x11, 0xc7, 0x23,              // IPv4: 48 bytes, ttl 1, UDP
    0xc0, 0x00, 0x02, 0x01, 0xef, 0x02, 0x01, 0x96,                                      // 192.0.2.1 to 239.2.1.150
    0x1b, 0xec, 0x1b, 0xec, 0x00, 0x1c, 0x00, 0x00,                                      // UDP: port 7148, 28 bytes
};
constexpr std::string_view payload = "frame ? of 5, hello!";

int main(int argc, char** argv) try {
    const std::string_view device = argc > 1 ? argv[1] : "wire:hello";
    if (argc > 2 || device.starts_with('-')) {
        const bool asked = device == "--help";
        fmt::print(asked ? stdout : stderr, "usage: hello [DEVICE], for example hello wire:hello\n");
        return asked ? 0 : 2;
    }
    pktverbs::Context sender{device, {.recv_packets = pktverbs::none}};
    pktverbs::Context receiver{device, {.send_packets = pktverbs::none}};
    const auto flow = receiver.install(pktverbs::FlowRule{}.dst_ip("239.2.1.150").udp().dst_port(7148));
    fmt::print("{} sends, {} receives: {}\n", sender.limits().mac, receiver.limits().mac, flow.rule());

    char number = '1';
    auto to_send = sender.acquire(5);
    for (auto& pkt : to_send) {
        pkt.set_length(headers.size() + payload.size());
        std::ranges::copy(headers, pkt.bytes().begin());
        std::ranges::copy(payload, pkt.bytes().begin() + headers.size());
        pkt.bytes()[headers.size() + 6] = static_cast<std::uint8_t>(number++);
    }
    sender.send(std::move(to_send));

    for (std::size_t received = 0; received < 5;) {
        const auto packets = receiver.recv(std::chrono::seconds{1});
        if (packets.empty()) throw std::runtime_error{"a frame got lost"};
        for (const auto& pkt : packets) {
            const auto text = pkt.bytes().subspan(headers.size());
            fmt::print("{} bytes: {}\n", pkt.length(), std::string(text.begin(), text.end()));
        }
        received += packets.size();
    }
} catch (const std::system_error& error) {
    fmt::print(stderr, "hello: {}\n", error.what());
    return error.code() == std::errc::invalid_argument ? 2 : 1;
} catch (const std::exception& error) {
    fmt::print(stderr, "hello: {}\n", error.what());
    return 1;
}
