// SPDX-License-Identifier: Apache-2.0
// rss: receiving and reading one rule's frames, by one thread from one queue and by several from as many, in turns.
#include <fmt/core.h>
#include <pktverbs/memory/placement.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <exception>
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
            for (const auto& pkt : list) {
                const auto sum = net::checksum(net::Headers{pkt.bytes()}.payload());
                asm volatile("" : : "r"(sum));  // it counts as used
            }
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
void one_against_several(double seconds, std::uint32_t bytes, std::uint32_t queues) {
    std::vector<double> one_ns, several_ns;
    Sender to_one{"one", bytes}, to_several{"several", bytes};
    Receivers one{"one", 1, bytes}, several{"several", queues, bytes};
    const measure::Stopwatch watch;
    while (watch.seconds() < seconds) {
        to_one.send_round();
        one_ns.push_back(one.round_ns());
        to_several.send_round();
        several_ns.push_back(several.round_ns());
    }
    fmt::print("{{\"one_ns\": {:.2f}, \"several_ns\": {:.2f}, \"cpu_share\": {:.3f}}}\n", measure::median(one_ns),
               measure::median(several_ns), std::min(1.0, watch.cpu_share()));
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) {
        fmt::print(stderr, "usage: rss SECONDS BYTES QUEUES\n");
        return 2;
    }
    one_against_several(std::stod(argv[1]), static_cast<std::uint32_t>(std::stoul(argv[2])),
                        static_cast<std::uint32_t>(std::stoul(argv[3])));
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "rss: {}\n", error.what());
    return 1;
}
