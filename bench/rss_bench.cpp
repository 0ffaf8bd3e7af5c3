// SPDX-License-Identifier: Apache-2.0
// rss_bench: receiving and reading one rule's frames, by one thread from one queue and by two from two.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <pktverbs/memory/placement.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "measure.hpp"

namespace pv = pktverbs;
namespace net = pktverbs::net;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t round_packets = 8192;
constexpr std::uint16_t flows = 256;

pv::Options receiving(std::uint32_t queues, std::uint32_t frame_bytes) {
    pv::Options options{.send_packets = pv::none,
                        .recv_packets = 2 * round_packets / queues,
                        .max_packet_size = frame_bytes,
                        .queues = queues,
                        .wait = pv::WaitMode::busy_poll};
    options.rss = pv::Rss{};
    return options;
}

/// A context that receives on as many threads as it has queues. What is timed starts with all frames in the queues: on
/// the wire, steering and copying are the sender's work, which hardware would do beside.
class Receivers {
public:
    Receivers(const std::string& wire, std::uint32_t queues, std::uint32_t frame_bytes)
        : ctx_{pv::find_device(fmt::format("wire:{}", wire)), receiving(queues, frame_bytes)},
          flow_{ctx_.install(pv::FlowRule{}.dst_ip("10.0.0.2").udp())},
          start_(queues + 1),
          end_(queues + 1) {
        const auto cpus = pv::local_cpus(ctx_.device());
        for (std::uint32_t i = 0; i < queues; ++i)
            threads_.emplace_back([this, i, cpu = cpus[i % cpus.size()]](const std::stop_token& stop) {
                pv::pin_this_thread(cpu);
                for (;;) {
                    start_.arrive_and_wait();
                    if (stop.stop_requested()) return;
                    drain(ctx_.queue(i));
                    end_.arrive_and_wait();
                }
            });
    }
    ~Receivers() {
        for (auto& thread : threads_) thread.request_stop();
        start_.arrive_and_wait();
    }

    double round_ns() {
        const auto before = ctx_.stats().recv_packets;
        const auto begin = std::chrono::steady_clock::now();
        start_.arrive_and_wait();
        end_.arrive_and_wait();
        const auto spent = std::chrono::steady_clock::now() - begin;
        if (ctx_.stats().recv_packets - before != round_packets) throw std::runtime_error{"frames got lost"};
        return std::chrono::duration<double, std::nano>{spent}.count() / round_packets;
    }

private:
    static void drain(pv::Queue& queue) {
        for (;;) {
            const auto list = queue.recv(0ns);
            if (list.empty()) return;
            for (const auto& pkt : list) benchmark::DoNotOptimize(net::checksum(net::Headers{pkt.bytes()}.payload()));
        }
    }

    pv::Context ctx_;
    pv::Flow flow_;
    std::barrier<> start_;
    std::barrier<> end_;
    std::vector<std::jthread> threads_;
};

class Sender {
public:
    Sender(const std::string& wire, std::uint32_t frame_bytes)
        : ctx_{pv::find_device(fmt::format("wire:{}", wire)),
               {.send_packets = flows, .recv_packets = pv::none, .max_packet_size = frame_bytes}} {
        auto all = ctx_.acquire(flows);
        std::uint16_t port = 1000;
        for (auto& pkt : all) {
            const net::FrameTemplate frame{
                {.dst = pv::MacAddress::broadcast(), .src = ctx_.limits().mac},
                net::Ipv4{.src = pv::Ipv4Address{"10.0.0.1"}, .dst = pv::Ipv4Address{"10.0.0.2"}},
                net::Udp{.src_port = port++, .dst_port = 7148, .checksum = false}};
            pkt.set_length(frame.write(pkt.buffer(), frame_bytes - frame.header_bytes()));
        }
    }
    void send_round() {
        for (std::uint32_t sent = 0; sent < round_packets; sent += flows) {
            ctx_.send(ctx_.acquire(flows));
            ctx_.flush(pv::no_timeout);
        }
    }

private:
    pv::Context ctx_;
};

/// Turn about, so that both meet the same machine.
void one_against_two(benchmark::State& state) {
    const auto bytes = static_cast<std::uint32_t>(state.range(0));
    std::vector<double> one_ns, two_ns;
    Sender to_one{"one", bytes}, to_two{"two", bytes};
    Receivers one{"one", 1, bytes}, two{"two", 2, bytes};
    const measure::Stopwatch watch;
    for (auto _ : state) {
        to_one.send_round();
        one_ns.push_back(one.round_ns());
        to_two.send_round();
        two_ns.push_back(two.round_ns());
    }
    state.counters["one_ns"] = measure::median(one_ns);
    state.counters["two_ns"] = measure::median(two_ns);
    state.counters["times"] = measure::median(one_ns) / measure::median(two_ns);
    state.counters["cpu_share"] = watch.cpu_share();
}
BENCHMARK(one_against_two)->ArgName("bytes")->Arg(256)->Arg(1500)->Arg(8192)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
