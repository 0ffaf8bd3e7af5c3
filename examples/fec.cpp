// SPDX-License-Identifier: Apache-2.0
// fec: a parity frame for each group of eight: a frame that is lost in a group is restored, and not sent again.
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <functional>
#include <stdexcept>

#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/numbered_frame.hpp"

namespace pv = pktverbs;
using namespace std::chrono_literals;
using Payload = std::array<std::uint8_t, 1000>;

constexpr std::uint32_t group_size = 8, group_frames = group_size + 1;  // the last one is the parity of the others

Payload payload_of(std::uint32_t number) {
    Payload payload;
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(number * 7 + i * i);
    return payload;
}

void add(Payload& sum, std::span<const std::uint8_t> payload) {
    std::ranges::transform(sum, payload, sum.begin(), std::bit_xor{});
}

void send_group(pv::Context& ctx, std::uint32_t first) {
    auto packets = ctx.acquire(group_frames, 1s);
    if (packets.size() != group_frames) throw std::runtime_error{"the link takes no frames"};
    Payload parity{};
    for (std::uint32_t number = first; auto& pkt : packets) {
        const Payload payload = number == first + group_size ? parity : payload_of(number);
        const auto place = example::begin_frame(pkt, ctx.limits().mac, example::data_type, number++, payload.size());
        std::ranges::copy(payload, place.begin());
        add(parity, payload);
    }
    ctx.send(std::move(packets));
}

int run(const std::string& device, const std::string& peer, std::uint32_t count) {
    pv::Context sender{example::find_device(device)}, receiver{example::find_device(peer.empty() ? device : peer)};
    const auto flow = receiver.install(pv::FlowRule{}.ether_type(example::data_type));
    int lost = 0, restored = 0;
    for (std::uint32_t group = 0; group < count; ++group) {
        const std::uint32_t first = group * group_frames;
        send_group(sender, first);
        Payload sum{};                                     // the XOR of what arrives: of all but one, it is that one
        std::uint32_t missing = (1U << group_frames) - 1;  // a bit for each frame
        for (auto packets = receiver.recv(5ms); !packets.empty(); packets = receiver.recv(missing == 0 ? 0ms : 5ms))
            for (const auto& pkt : packets) {
                const example::NumberedFrame frame{pkt};
                const std::uint32_t index = frame.number() - first;
                if (index >= group_frames || (missing >> index & 1) == 0) continue;
                missing ^= 1U << index;
                add(sum, frame.payload());
            }
        lost += std::popcount(missing);
        if (std::popcount(missing) != 1) continue;
        const auto index = static_cast<std::uint32_t>(std::countr_zero(missing));
        if (index == group_size || sum == payload_of(first + index)) ++restored;
    }
    fmt::print("{} groups of {} frames and a parity: {} frames lost, {} restored\n", count, group_size, lost, restored);
    return restored == lost ? example::done : example::packets_lost;
}

int main(int argc, char** argv) {
    example::CommandLine app{"Sends groups of frames with a parity frame each, and restores what gets lost.", "fec"};
    std::string device = "wire:fec?loss=0.01", peer;
    std::uint32_t count = 1000;
    app.add_option("DEVICE", device, "the sender's: any device string (default 'wire:fec?loss=0.01')");
    app.add_option("PEER", peer, "the receiver's (default: DEVICE)");
    app.add_option("--groups", count, "groups to send").between(1, 1e5).default_shown();
    return app.run(argc, argv, [&] { return run(device, peer, count); });
}
