// SPDX-License-Identifier: Apache-2.0
// offloads: 64000 bytes are sent as one packet and arrive as many: tagged, with checksums, and verified.
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <string_view>

constexpr std::array<std::uint8_t, 54> headers{
    0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00,  // Ethernet
    0x45, 0x00, 0x00, 0x00, 0x00, 0x01, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00,              // IPv4: length, checksum: 0
    0xc0, 0x00, 0x02, 0x01, 0xc0, 0x00, 0x02, 0x02,                                      // 192.0.2.1 to 192.0.2.2
    0x1b, 0xec, 0x1b, 0xed, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,              // TCP: ports, sequence from 0
    0x50, 0x18, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00,                                      // ACK, PSH
};
constexpr std::size_t payload_bytes = 64'000;
constexpr std::uint16_t mss = 1460, vlan = 42;

int main(int argc, char** argv) try {
    const std::string_view device = argc > 1 ? argv[1] : "wire:offloads";
    if (argc > 2 || device.starts_with('-')) {
        const bool asked = device == "--help";
        fmt::print(asked ? stdout : stderr, "usage: offloads [DEVICE], for example offloads wire:offloads\n");
        return asked ? 0 : 2;
    }
    using pktverbs::Offload;
    pktverbs::Context sender{
        device,
        {.send_packets = 8,
         .recv_packets = pktverbs::none,
         .max_packet_size = 65'536,
         .offloads = {.insert_vlan = Offload::device_or_software, .segmentation = Offload::device_or_software}}};
    // [open]
    pktverbs::Context receiver{
        device,
        {.send_packets = pktverbs::none,
         .offloads = {.recv_checksums = Offload::software, .strip_vlan = Offload::device_or_software}}};
    // [/open]
    fmt::print("sender: {}; receiver: {}\n", sender.limits().offloads, receiver.limits().offloads);
    const auto flow = receiver.install(pktverbs::FlowRule{}.tcp().dst_port(0x1bed));

    auto packets = sender.acquire(1);
    auto& packet = packets.front();
    packet.set_length(headers.size() + payload_bytes);
    std::ranges::copy(headers, packet.bytes().begin());
    std::iota(packet.bytes().begin() + headers.size(), packet.bytes().end(), std::uint8_t{0});
    // [ask]
    packet.set_segmentation(mss, headers.size());
    packet.set_vlan(vlan);
    // [/ask]
    if (const int error = sender.send(std::move(packets)).error())
        throw std::system_error{error, std::generic_category(), "cannot send"};

    std::size_t frames = 0, bytes = 0, verified = 0, tagged = 0;
    std::uint8_t next = 0;
    while (bytes < payload_bytes) {
        const auto received = receiver.recv(std::chrono::seconds{1});
        if (received.empty()) throw std::runtime_error{"a frame got lost"};
        for (const auto& pkt : received) {
            for (const std::uint8_t byte : pkt.bytes().subspan(headers.size()))
                if (byte != next++) throw std::runtime_error{"a byte is wrong"};
            bytes += pkt.length() - headers.size();
            verified += pkt.checksum_ok() ? 1 : 0;
            tagged += pkt.vlan() == vlan ? 1 : 0;
        }
        frames += received.size();
    }
    fmt::print("{} bytes sent as 1 packet came in {} frames: {} from VLAN {}, {} with checksums verified\n", bytes,
               frames, tagged, vlan, verified);
} catch (const std::system_error& error) {
    fmt::print(stderr, "offloads: {}\n", error.what());
    return error.code() == std::errc::invalid_argument ? 2 : 1;
} catch (const std::exception& error) {
    fmt::print(stderr, "offloads: {}\n", error.what());
    return 1;
}
