// SPDX-License-Identifier: Apache-2.0
// async_recv: one thread receives two flows on two queues, and reports once a second; on a wire it sends them, too.
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

#include <pktverbs/async/recv.hpp>
#include <pktverbs/async/send.hpp>
#include <pktverbs/async/sleep.hpp>
#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/find_device.hpp"
#include "common/generator.hpp"
#include "common/quantity_option.hpp"
#include "common/rate_meter.hpp"

namespace {

namespace async = pktverbs::async;
using namespace std::chrono_literals;
struct Count {
    std::uint16_t port;
    std::uint64_t packets = 0, bytes = 0;
    example::RateMeter meter{};
};
async::Task<> receive(pktverbs::Queue& queue, Count& count, std::stop_token stop) {
    while (!stop.stop_requested()) {
        const auto packets = co_await async::recv(queue, pktverbs::no_timeout, stop);
        if (packets.outcome() > pktverbs::Outcome::stopped) throw std::runtime_error{"the queue or the device failed"};
        for (const auto& pkt : packets) count.bytes += pkt.length();
        count.packets += packets.size();
    }
}

async::Task<> report(std::array<Count, 2>& counts, std::stop_token stop) {
    while (co_await async::sleep(1s, stop))
        for (auto& count : counts) fmt::print("{}: {}\n", count.port, count.meter.line(count.packets, count.bytes));
}

/// The buffers keep what a Generator wrote into them.
async::Task<> generate(pktverbs::Queue& queue, std::chrono::nanoseconds pause, std::stop_token stop) {
    while (co_await async::sleep(pause, stop)) {
        auto packets = co_await async::acquire(queue, 32, pktverbs::no_timeout, stop);
        queue.send(std::move(packets));
    }
}

int run(const std::string& name, std::chrono::nanoseconds duration) {
    const pktverbs::StopOnSignal signals;
    const auto device = example::find_device(name);
    pktverbs::Context ctx{device, {.send_packets = pktverbs::none, .queues = 2}};
    std::list<pktverbs::Context> senders;
    std::list<pktverbs::Flow> flows;
    std::stop_source stop;
    std::array counts{Count{7148}, Count{7149}};
    async::Executor executor;  // after what its tasks use
    for (std::uint16_t i = 0; i < 2; ++i) {
        flows.push_back(ctx.install(pktverbs::FlowRule{}.own_mac().udp().dst_port(counts[i].port), i));
        executor.spawn(receive(ctx.queue(i), counts[i], stop.get_token()));
        if (!name.starts_with("wire:")) continue;
        auto& sender = senders.emplace_back(device);
        const example::Generator prepare{sender, {ctx.limits().mac, {}, {}, counts[i].port, 1000}};
        executor.spawn(generate(sender.queue(0), (i + 1) * 1ms, stop.get_token()));
    }
    executor.spawn(report(counts, stop.get_token()));
    executor.run_for(duration, signals.token());
    stop.request_stop();
    executor.run();  // until all tasks have ended
    for (const Count& count : counts) fmt::print("{}: {}\n", count.port, count.meter.total(count.packets, count.bytes));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Receives UDP ports 7148 and 7149 on a queue each, by coroutines of one thread.",
                             "async_recv"};
    std::string device = "wire:async";
    std::chrono::nanoseconds duration = std::chrono::seconds{3};
    app.add_option("DEVICE", device, "eth0, packet:eth0, wire:NAME (inside this process; default wire:async)");
    example::add_duration(app, "--seconds", duration, 1ms, example::max_time, "Stop after so long (default 3)");
    return app.run(argc, argv, [&] { return run(device, duration); });
}
