// SPDX-License-Identifier: Apache-2.0
#include "load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include <pktverbs/time/pacer.hpp>

namespace tool {

namespace net = pktverbs::net;

Load::Load(pktverbs::Context& ctx, const ProbePath& path, const pktverbs::Rate& rate, std::size_t frame_bytes,
           const CpuList& cpus)
    : ctx_{ctx}, frame_bytes_{frame_bytes}, thread_{[this, path, rate, cpus](const std::stop_token& stop) {
          cpus.pin(1);
          run(stop, path, rate);
      }} {}

void Load::stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
}

void Load::run(const std::stop_token& stop, ProbePath path, pktverbs::Rate rate) {
    auto& queue = ctx_.queue(1);
    const auto headers = path.headers();
    // Buffers keep their bytes: all but the number is written once.
    for (auto& pkt : queue.acquire(ctx_.limits().send_packets)) {
        pkt.set_length(frame_bytes_);
        const auto payload = pkt.bytes().subspan(headers.header_bytes());
        std::ranges::fill(payload, std::uint8_t{0});
        Probe{.kind = Probe::Kind::load}.write(payload);
        headers.write(pkt.bytes(), payload.size());
    }
    pktverbs::Pacer pacer{rate};
    constexpr std::size_t most = 32;
    while (!stop.stop_requested()) {
        auto packets = queue.acquire(pacer.batch(frame_bytes_, most));
        if (packets.empty()) packets = queue.acquire(1, std::chrono::milliseconds{10}, stop);
        if (packets.empty() || !pacer.wait(packets, stop)) continue;
        const auto filled = packets.size();
        const auto refused = queue.send(std::move(packets));
        pacer.give_back(refused);
        sent_.fetch_add(filled - refused.size(), std::memory_order_relaxed);
        if (refused.empty()) continue;
        error_ = fmt::format("cannot send the load on {}: {}", ctx_.device().name,
                             std::generic_category().message(refused.error()));
        break;
    }
    queue.flush(std::chrono::seconds{1});
}

}  // namespace tool
