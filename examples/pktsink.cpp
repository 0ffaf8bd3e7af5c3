// SPDX-License-Identifier: Apache-2.0
// pktsink: receives the UDP stream of pktgen and reports what is missing, reordered or duplicated.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/net/net.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/sequence_counter.hpp>
#include <pktverbs/time/rate.hpp>
#include "common/address_option.hpp"
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/generator.hpp"
#include "common/mtu.hpp"
#include "common/outcome.hpp"
#include "common/quantity_option.hpp"
#include "common/rate_meter.hpp"

using namespace std::chrono_literals;

namespace {

struct Arguments {
    std::string device;
    std::optional<pktverbs::Ipv4Address> dst_ip;
    std::uint16_t port = example::Stream::default_port;
    std::chrono::nanoseconds duration{};  ///< 0: no limit
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    bool generate = false;
    std::optional<pktverbs::Rate> rate = pktverbs::Rate::frame_bits(1e9);
    std::size_t size = 0;  ///< 0: what the MTU allows
};

/// A generator thread on a NIC of its own, for a pair in one program.
class GeneratorThread {
public:
    GeneratorThread(const pktverbs::Device& device, const Arguments& args, pktverbs::MacAddress dst_mac)
        : ctx_{device, example::options_for(device, 1024)} {
        example::Stream stream;
        stream.dst_mac = dst_mac;
        stream.port = args.port;
        stream.set_payload_bytes(args.size, example::max_packet_bytes(ctx_));
        stream.src_ip = pktverbs::Ipv4Address{"10.198.51.1"};
        stream.dst_ip = args.dst_ip.value_or(pktverbs::Ipv4Address{"10.198.51.2"});
        if (stream.dst_ip.is_multicast()) stream.dst_mac = stream.dst_ip.multicast_mac();
        example::check_mtu(ctx_, stream.packet_bytes());
        example::Pace pace;
        pace.rate = args.rate;
        pace.count = args.count;
        thread_ = std::jthread{[this, stream, pace](const std::stop_token& stop) {
            example::Generator generator{ctx_, stream};
            generator.run(pace, stop, [](std::uint64_t) {});
            const auto report = generator.report();
            missed_ = report && report->missed();
            done_ = true;
        }};
    }
    bool done() const noexcept { return done_; }
    /// Ends it. Whether it went more slowly than it was to.
    bool end() {
        thread_.request_stop();
        if (thread_.joinable()) thread_.join();
        return missed_;
    }

private:
    pktverbs::Context ctx_;
    std::atomic<bool> done_ = false;
    std::atomic<bool> missed_ = false;
    std::jthread thread_;
};

class Sink {
public:
    explicit Sink(pktverbs::Context& ctx) : ctx_{ctx} {}

    void take(const pktverbs::RecvList& packets) {
        if (packets.empty()) return;
        last_arrival_ = example::RateMeter::Clock::now();
        if (received() == 0) meter_ = {};  // an idle time before the stream isn't part of its rate
        for (const auto& pkt : packets) {
            const auto number = number_.find(pkt.bytes());
            if (!number) {
                ++foreign_;
                continue;
            }
            counter_.add(*number);
            bytes_ += pkt.length();
        }
    }

    std::uint64_t received() const noexcept { return counter_.received(); }

    void report_if_due() {
        if (meter_.is_due()) print(meter_.line(received(), bytes_));
    }
    void report_total() const { print(meter_.total(received(), bytes_, last_arrival_)); }
    auto next_report() const noexcept { return meter_.due(); }
    example::ExitStatus status() const {
        if (received() == 0) return example::nothing_came;
        return counter_.missing() + ctx_.stats().drops.lost() > 0 ? example::packets_lost : example::done;
    }

private:
    void print(const std::string& rates) const {
        const auto drops = ctx_.stats().drops;
        fmt::print("{}, missing {}, reordered {}, duplicated {}, dropped by NIC {}", rates, counter_.missing(),
                   counter_.reordered(), counter_.duplicated(), drops.lost());
        if (drops.fragments > 0) fmt::print(", fragments {}", drops.fragments);
        if (counter_.wild() > 0) fmt::print(", from nowhere near {}", counter_.wild());
        if (counter_.restarts() > 0) fmt::print(", sender started anew {} times", counter_.restarts());
        if (foreign_ > 0) fmt::print(", not from pktgen {}", foreign_);
        fmt::print("\n");
        std::fflush(stdout);
    }

    pktverbs::Context& ctx_;
    static constexpr pktverbs::SequenceField number_{.from = pktverbs::SequenceOrigin::udp_payload};
    pktverbs::SequenceCounter counter_{number_};
    example::RateMeter meter_;
    example::RateMeter::Clock::time_point last_arrival_ = example::RateMeter::Clock::now();
    std::uint64_t bytes_ = 0;
    std::uint64_t foreign_ = 0;
};

int receive(const Arguments& args) {
    using Clock = example::RateMeter::Clock;
    const pktverbs::StopOnSignal signals;
    const auto device = example::find_device(args.device);
    auto options = example::options_for(device, 4096);
    options.send_packets = pktverbs::none;
    pktverbs::Context ctx{device, options};

    auto rule = pktverbs::FlowRule{}.udp().dst_port(args.port);
    if (args.dst_ip) rule.dst_ip(*args.dst_ip);
    if (!args.dst_ip || !args.dst_ip->is_multicast()) rule.own_mac();
    const auto flow = ctx.install(rule);
    fmt::print("receiving on {} ({}): {}\n", device.name, ctx.limits().mac, flow.rule());
    std::fflush(stdout);

    std::optional<GeneratorThread> generator;
    if (args.generate) generator.emplace(device, args, ctx.limits().mac);
    Sink sink{ctx};
    const auto end = args.duration.count() > 0 ? Clock::now() + args.duration : Clock::time_point::max();
    while (sink.received() < args.count && Clock::now() < end && !signals.token().stop_requested()) {
        // Asked before waiting: after the generator's end, an empty second means that nothing more will come.
        const bool generated = generator && generator->done();
        const auto packets = ctx.recv(std::min(sink.next_report(), end) - Clock::now(), signals.token());
        example::check_outcome(ctx, packets.outcome());
        sink.take(packets);
        sink.report_if_due();
        if (generated && packets.empty()) break;
    }
    const auto status = sink.status();
    sink.report_total();
    const bool missed = generator && generator->end();
    return status == example::done && missed ? example::rate_missed : status;
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"Receives the UDP stream of pktgen and checks its sequence numbers.", "pktsink"};
    app.footer(
        "pktsink packet:eth0 --dst-ip 239.2.1.150\n"
        "pktsink wire:demo --generate --seconds 5\n\n"
        "Rates are those of whole frames: headers included, without FCS, preamble and gap.\n"
        "Exit status: 0; 1 failed; 2 bad arguments; 3 nothing came; 4 packets were lost;\n"
        "5 generated more slowly than asked for.");
    Arguments args;
    app.add_option("DEVICE", args.device, "eth0, packet:eth0, ibv:mlx5_0/1, pipe:NAME, wire:NAME (inside this process)")
        .required();
    example::add_address(app, "--dst-ip", args.dst_ip, "Only this destination; joins it if it is a multicast group");
    app.add_option("--port", args.port, "UDP destination port (default 7148)");
    example::add_duration(app, "--seconds", args.duration, 1ms, example::max_time, "Stop after so long");
    app.add_option("--count", args.count, "Stop after so many packets").between(1, example::max_packets);
    const auto generate = app.add_flag("--generate", args.generate, "Send a stream as well, from a NIC of its own");
    example::add_rate(app, "--rate", args.rate, "To generate: 10G, 1.5Mpps, or Gb/s (default 1; 0: as fast as it goes)",
                      true)
        .needs(generate);
    example::add_size(app, "--size", args.size, 8, 65507,
                      "Payload in bytes to generate (default 8192, or what the MTU allows)")
        .needs(generate);
    return app.run(argc, argv, [&] { return receive(args); });
}
