// SPDX-License-Identifier: Apache-2.0
// asio_recv: receives in a program that runs on Asio, beside its timers and signals.
#include <fmt/core.h>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include <pktverbs/asio/receiver.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/find_device.hpp"
#include "common/generator.hpp"
#include "common/quantity_option.hpp"
#include "common/rate_meter.hpp"

using namespace std::chrono_literals;

namespace {
using Receiver = pktverbs::async::AsioReceiver<pktverbs::Context>;
constexpr auto await = asio::use_awaitable;
struct Count {
    std::uint64_t packets = 0, bytes = 0;
    example::RateMeter meter{};
};
asio::awaitable<void> receive(Receiver& receiver, Count& count) {
    for (;;) {
        const auto packets = co_await receiver.async_recv(await);
        for (const auto& pkt : packets) count.bytes += pkt.length();
        count.packets += packets.size();
    }
}

asio::awaitable<void> report(Count& count, asio::steady_timer& timer) {
    for (;;) {
        timer.expires_at(count.meter.due());
        co_await timer.async_wait(await);
        fmt::print("{}\n", count.meter.line(count.packets, count.bytes));
    }
}

asio::awaitable<void> generate(pktverbs::Context& sender, asio::steady_timer& timer) {
    for (;; sender.send(sender.acquire(32))) {
        timer.expires_after(std::chrono::milliseconds{1});
        co_await timer.async_wait(await);
    }
}

int run(const std::string& name, std::chrono::nanoseconds duration) {
    const auto device = example::find_device(name);
    pktverbs::Context ctx{device, {.send_packets = pktverbs::none}};
    const auto flow = ctx.install(pktverbs::FlowRule{}.own_mac().udp().dst_port(7148));
    asio::io_context io;
    Receiver receiver{io, ctx};
    Count count;
    asio::steady_timer ticker{io}, pause{io};
    asio::signal_set signals{io, SIGINT, SIGTERM};
    signals.async_wait([&](auto...) { io.stop(); });
    const auto done = [](const std::exception_ptr& error) { std::rethrow_exception(error); };  // none ends otherwise
    asio::co_spawn(io, receive(receiver, count), done);
    asio::co_spawn(io, report(count, ticker), done);
    std::optional<pktverbs::Context> sender;
    if (name.starts_with("wire:")) {
        // The buffers keep what a Generator wrote into them.
        const example::Generator prepare{sender.emplace(device), {ctx.limits().mac, {}, {}, 7148, 1000}};
        asio::co_spawn(io, generate(*sender, pause), done);
    }
    io.run_for(duration);
    fmt::print("{}\n", count.meter.total(count.packets, count.bytes));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Receives UDP port 7148 in a program that runs on Asio.", "asio_recv"};
    std::string device = "wire:asio";
    std::chrono::nanoseconds duration = std::chrono::seconds{3};
    app.add_option("DEVICE", device, "eth0, packet:eth0, wire:NAME (inside this process; default wire:asio)");
    example::add_duration(app, "--seconds", duration, 1ms, example::max_time, "Stop after so long (default 3)");
    return app.run(argc, argv, [&] { return run(device, duration); });
}
