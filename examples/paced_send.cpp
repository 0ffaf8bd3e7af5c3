// SPDX-License-Identifier: Apache-2.0
// paced_send: sends frames at three rates, pausing once on the way, and reports how well each was kept.
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <thread>
#include <utility>

using namespace std::chrono_literals;

constexpr std::size_t frame_bytes = 1500;
constexpr std::array<std::uint8_t, 14> header{0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5};

/// Sends for `duration`, and does something else for 5 ms halfway.
pktverbs::PacerReport send(pktverbs::Context& ctx, pktverbs::Pacer pacer, std::chrono::nanoseconds duration) {
    const std::size_t batch = pacer.batch(frame_bytes, 32);
    const auto start = std::chrono::steady_clock::now();
    bool stumbled = false;
    for (auto spent = 0ns; spent < duration; spent = std::chrono::steady_clock::now() - start) {
        if (spent > duration / 2 && !std::exchange(stumbled, true)) std::this_thread::sleep_for(5ms);
        auto packets = ctx.acquire(batch, 1s);
        pacer.wait(packets);
        pacer.give_back(ctx.send(std::move(packets)));
    }
    ctx.flush(1s);
    return pacer.report();
}

int main(int argc, char** argv) try {
    const std::string_view device = argc > 1 ? argv[1] : "wire:paced";
    if (argc > 2 || device.starts_with('-')) {
        const bool asked = device == "--help";
        fmt::print(asked ? stdout : stderr, "usage: paced_send [DEVICE], for example paced_send wire:paced\n");
        return asked ? 0 : 2;
    }
    pktverbs::Context ctx{device, {.recv_packets = pktverbs::none, .max_packet_size = frame_bytes}};
    auto all = ctx.acquire(ctx.limits().send_packets);
    for (auto& pkt : all) {
        pkt.set_length(frame_bytes);
        std::ranges::copy(header, pkt.bytes().begin());
    }
    all.cancel();  // what is written stays

    bool missed = false;
    for (const double gbps : {0.1, 1.0, 5.0}) {
        const auto rate = pktverbs::Rate::wire_bits(gbps * 1e9);
        auto pacer = pktverbs::Pacer::on(ctx, rate);
        const std::string_view by = pacer.in_hardware() ? "the device" : "software";
        const auto report = send(ctx, std::move(pacer), 500ms);
        missed |= report.missed();
        fmt::print("{}, {} by {}: {}\n", rate, report.missed() ? "missed" : "kept", by, report);
    }
    return missed ? 5 : 0;  // as pktgen's
} catch (const std::system_error& error) {
    fmt::print(stderr, "paced_send: {}\n", error.what());
    return error.code() == std::errc::invalid_argument ? 2 : 1;
}
