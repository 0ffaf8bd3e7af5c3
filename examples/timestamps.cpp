// SPDX-License-Identifier: Apache-2.0
// timestamps: prints when frames were received, in UTC or TAI, from the timestamps of the device.
#include <fmt/chrono.h>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/device_clock.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

using namespace std::chrono_literals;

constexpr std::array<std::uint8_t, 60> frame{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x01, 0x88, 0xb5};

/// "12:34:56.123456789".
std::string time_of_day(std::chrono::nanoseconds since_epoch) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
    return fmt::format("{:%H:%M:%S}.{:09}", fmt::gmtime(static_cast<std::time_t>(seconds.count())),
                       (since_epoch - seconds).count());
}

int main(int argc, char** argv) try {
    const std::string_view device = argc > 1 ? argv[1] : "wire:timestamps";
    const bool tai = argc == 3 && std::string_view{argv[2]} == "--tai";
    if (argc > (tai ? 3 : 2) || device.starts_with('-')) {
        const bool asked = device == "--help";
        fmt::print(asked ? stdout : stderr, "usage: timestamps [DEVICE [--tai]], for example timestamps packet:eth0\n");
        return asked ? 0 : 2;
    }
    pktverbs::Context ctx{device, {.send_packets = pktverbs::none, .timestamps = true}};
    const auto flow = ctx.install(pktverbs::FlowRule{}.sniffer());
    pktverbs::DeviceClock clock{ctx, tai ? CLOCK_TAI : CLOCK_REALTIME};
    fmt::print("timestamps are from the clock '{}'\n", ctx.limits().timestamp_clock);

    // A wire has no other sender.
    std::optional<pktverbs::Context> sender;
    if (device.starts_with("wire:")) sender.emplace(device, pktverbs::Options{.recv_packets = pktverbs::none});
    for (std::size_t received = 0; received < 5;) {
        if (sender) {
            auto packets = sender->acquire(1);
            packets.front().set_length(frame.size());
            std::ranges::copy(frame, packets.front().bytes().begin());
            sender->send(std::move(packets));
        }
        clock.update();
        for (const auto& pkt : ctx.recv(10s)) {
            if (!pkt.ok()) continue;
            fmt::print("{} bytes at {} {}, within {} ns\n", pkt.length(), time_of_day(clock.at(pkt.timestamp())),
                       tai ? "TAI" : "UTC", clock.error(pkt.timestamp()).count());
            ++received;
        }
    }
    fmt::print("{}\n", clock);
} catch (const std::system_error& error) {
    fmt::print(stderr, "timestamps: {}\n", error.what());
    return error.code() == std::errc::invalid_argument ? 2 : 1;
}
