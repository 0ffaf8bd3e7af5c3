// SPDX-License-Identifier: Apache-2.0
// pacing_bench: how well a Pacer keeps 1, 10 and 50 Gb/s of wire time, and how even its batches come.
#include <fmt/core.h>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/time/pacer.hpp>
#include <pktverbs/time/rate.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/command_line.hpp"
#include "measure.hpp"

namespace {

namespace pv = pktverbs;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Arguments {
    std::string device = "wire:pacing";
    std::vector<double> gbps{1, 10, 50};
    std::vector<std::size_t> frame_bytes{64, 1500, 8192};
    double seconds = 1;
    std::size_t batch = 32;
    int repeats = 3;
    bool alone = false;
};

/// When batches went, by a clock of our own, and how much each was.
struct Departure {
    Clock::time_point when;
    std::size_t packets;
};

struct Result {
    double error = 0;               ///< (achieved - asked) / asked
    double achieved = 0;            ///< bits per second of wire time
    std::vector<double> jitter_ns;  ///< of each gap between batches: how far from what it should have been; sorted
    double cpu_share = 0;
    std::uint64_t received = 0;
    pv::PacerReport report;
};

class Bench {
public:
    Bench(const Arguments& args, std::size_t frame_bytes) : args_{args}, frame_bytes_{frame_bytes} {
        auto all = sender_.acquire(sender_.limits().send_packets);
        for (auto& pkt : all) {
            pkt.set_length(frame_bytes);
            std::ranges::fill(pkt.bytes().first(12), std::uint8_t{0xff});  // to everybody
        }
        all.cancel();
        if (args.alone) return;
        receiver_.emplace(args.device, options(pv::none, 4096));
        flow_ = receiver_->install(pv::FlowRule{});
    }

    Result run(double gbps) {
        const auto rate = pv::Rate::wire_bits(gbps * 1e9);
        pv::Pacer pacer{rate};
        const std::size_t batch = pacer.batch(frame_bytes_, args_.batch);
        std::vector<Departure> departures;
        departures.reserve(static_cast<std::size_t>(rate.packets_per_second(frame_bytes_) * args_.seconds) + 2);
        Result result;
        const measure::Stopwatch watch;
        while (watch.seconds() < args_.seconds) {
            // As many batches as fit between two looks at our own clock, which need not be often.
            for (int i = 0; i < 16; ++i) {
                auto packets = sender_.acquire(batch, 1s);
                pacer.wait(packets);
                departures.push_back({Clock::now(), packets.size()});
                pacer.give_back(sender_.send(std::move(packets)));
                if (receiver_) result.received += receiver_->recv(0ns).size();
            }
        }
        result.cpu_share = watch.cpu_share();
        if (receiver_)
            while (const std::size_t more = receiver_->recv(0ns).size()) result.received += more;
        result.report = pacer.report();
        measure(departures, rate, result);
        return result;
    }

private:
    pv::Options options(std::uint32_t send, std::uint32_t recv) const {
        return {.send_packets = send,
                .recv_packets = recv,
                .max_packet_size = static_cast<std::uint32_t>(frame_bytes_),
                .wait = pv::WaitMode::busy_poll};
    }

    void measure(const std::vector<Departure>& departures, const pv::Rate& rate, Result& result) const {
        const double packet_ns = 1e9 / rate.packets_per_second(frame_bytes_);
        std::uint64_t packets = 0;
        for (std::size_t i = 0; i + 1 < departures.size(); ++i) {
            packets += departures[i].packets;
            const std::chrono::duration<double, std::nano> gap = departures[i + 1].when - departures[i].when;
            result.jitter_ns.push_back(std::abs(gap.count() - packet_ns * static_cast<double>(departures[i].packets)));
        }
        std::ranges::sort(result.jitter_ns);
        const std::chrono::duration<double> elapsed = departures.back().when - departures.front().when;
        result.achieved = static_cast<double>(packets * pv::Rate::wire_bytes(frame_bytes_)) * 8 / elapsed.count();
        result.error = result.achieved / rate.per_second() - 1;
    }

    Arguments args_;
    std::size_t frame_bytes_;
    pv::Context sender_{args_.device, options(1024, pv::none)};
    std::optional<pv::Context> receiver_;
    pv::Flow flow_;
};

void print(double gbps, std::size_t frame_bytes, const Result& result) {
    const auto at = [&](double part) {
        return result.jitter_ns[static_cast<std::size_t>(part * static_cast<double>(result.jitter_ns.size() - 1))];
    };
    const auto& report = result.report;
    fmt::print(
        "{:>3} Gb/s, {:>4} bytes: {:.6f} Gb/s, error {:+.5f} %, batches of {}, jitter median {:.0f} ns, 99% {:.0f} ns, "
        "99.9% {:.0f} ns, most {:.0f} ns; forgiven {} us, longest lag {} us, received {:.2f} %, cpu_share {:.2f}{}\n",
        gbps, frame_bytes, result.achieved * 1e-9, result.error * 100, report.packets / report.batches, at(0.5),
        at(0.99), at(0.999), at(1), report.forgiven.count() / 1000, report.longest_lag.count() / 1000,
        100 * static_cast<double>(result.received) / static_cast<double>(report.packets), result.cpu_share,
        result.error < -0.01 ? "  (out of this machine's reach)" : "");
}

}  // namespace

int main(int argc, char** argv) try {
    example::CommandLine app{"Measures how well packets are paced.", "pacing_bench"};
    Arguments args;
    app.add_option("--device", args.device, "Default: wire:pacing");
    app.add_option("--rate", args.gbps, "Gb/s of wire time (default: 1 10 50)");
    app.add_option("--size", args.frame_bytes, "Bytes of the frames (default: 64 1500 8192)");
    app.add_option("--seconds", args.seconds, "For each (default: 1)");
    app.add_option("--batch", args.batch, "Most packets at once (default: 32)");
    app.add_option("--repeats", args.repeats, "Of each (default: 3)");
    app.add_flag("--alone", args.alone, "Nobody receives: what it costs to copy frames to a receiver is left out");
    if (const auto status = app.parse(argc, argv)) return *status;
    for (const std::size_t frame_bytes : args.frame_bytes) {
        Bench bench{args, frame_bytes};
        for (const double gbps : args.gbps)
            for (int i = 0; i < args.repeats; ++i) print(gbps, frame_bytes, bench.run(gbps));
    }
} catch (const std::exception& error) {
    fmt::print(stderr, "pacing_bench: {}\n", error.what());
    return 1;
}
