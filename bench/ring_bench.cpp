// SPDX-License-Identifier: Apache-2.0
// The ring receiver on the in-memory wire, one thread: send + match + copy + complete + receive into the ring + read
// the block, against the same without a ring, turn by turn in one run.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include <pktverbs/pktverbs.hpp>
#include <pktverbs/ring/block_ring.hpp>
#include <pktverbs/ring/ring_reader.hpp>
#include <pktverbs/ring/ring_receiver.hpp>

#include "measure.hpp"

namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;

constexpr std::uint32_t batch = 32;
constexpr std::uint32_t header_bytes = 42;
constexpr std::uint32_t number_at = 16;  ///< in the header: the frames are no IP

/// Packets with numbers, on a wire of their own.
class Sender {
public:
    Sender(const std::string& wire, std::uint32_t length)
        : ctx_{pv::find_device(fmt::format("wire:{}", wire)),
               {.send_packets = 64, .recv_packets = pv::none, .max_packet_size = length}} {
        auto all = ctx_.acquire(64);
        for (auto& pkt : all) {
            std::memset(pkt.buffer().data(), 0, length);
            std::memset(pkt.buffer().data(), 0xff, 6);
            std::memcpy(pkt.buffer().data() + 12, "\x88\xb5", 2);
            pkt.set_length(length);
        }
    }
    void send() {
        auto packets = ctx_.acquire(batch);
        for (auto& pkt : packets) {
            const std::uint64_t number = __builtin_bswap64(next_++);
            std::memcpy(pkt.buffer().data() + number_at, &number, sizeof number);
            pkt.set_length(pkt.length());
        }
        ctx_.send(std::move(packets));
    }

private:
    pv::Context ctx_;
    std::uint64_t next_ = 0;
};

struct Plain {
    Plain(const std::string& wire, std::uint32_t length, std::uint32_t packets, std::uint32_t headers)
        : sender{wire, length},
          ctx{pv::find_device(fmt::format("wire:{}", wire)), options(length, packets, headers)},
          flow{ctx.install(pv::FlowRule{}.ether_type(0x88b5))} {}

    static pv::Options options(std::uint32_t length, std::uint32_t packets, std::uint32_t headers) {
        pv::Options made{.send_packets = pv::none, .recv_packets = packets, .max_packet_size = length};
        if (headers != 0) made.recv_layout.chunk(headers).chunk(length - headers);
        return made;
    }

    std::size_t turn() {
        sender.send();
        std::size_t count = 0;
        for (auto& pkt : ctx.recv(0ns)) {
            benchmark::DoNotOptimize(pkt.bytes().data());
            ++count;
        }
        return count;
    }

    Sender sender;
    pv::Context ctx;
    pv::Flow flow;
};

enum class Kind { arrival, sequence, copied };

struct Ring {
    Ring(const std::string& wire, std::uint32_t length, std::uint32_t packets, std::uint32_t headers, Kind kind,
         std::uint32_t blocks, std::uint32_t slots)
        : sender{wire, length},
          ring{pv::RingGeometry{
              .blocks = blocks, .block_slots = slots, .header_bytes = headers, .payload_bytes = length - headers}},
          ctx{pv::find_device(fmt::format("wire:{}", wire)), options(length, packets, kind)},
          flow{ctx.install(pv::FlowRule{}.ether_type(0x88b5))},
          receiver{ctx, ring, how(kind)},
          reader{ring} {}

    pv::Options options(std::uint32_t length, std::uint32_t packets, Kind kind) const {
        pv::Options made{.send_packets = pv::none, .recv_packets = packets, .max_packet_size = length};
        if (kind != Kind::copied) made.recv_layout = ring.recv_layout();
        return made;
    }
    static pv::RingReceiverOptions how(Kind kind) {
        pv::RingReceiverOptions made;
        if (kind == Kind::sequence) made.sequence = pv::SequenceField{.offset = number_at};
        return made;
    }

    std::size_t turn() {
        sender.send();
        const std::uint64_t before = placed;
        receiver.step(0ns);
        while (const auto block = reader.next(0ns)) benchmark::DoNotOptimize(block.payloads().data());
        placed = receiver.stats().placed;
        return placed - before;
    }

    Sender sender;
    pv::BlockRing ring;
    pv::Context ctx;
    pv::Flow flow;
    pv::RingReceiver receiver;
    pv::RingReader reader;
    std::uint64_t placed = 0;
};

/// Nanoseconds of processor time per packet of some turns: on a busy machine, the wall clock shows the others.
template <class Side>
double timed(Side& side) {
    constexpr int turns = 64;
    const double start = measure::cpu_seconds();
    std::size_t packets = 0;
    for (int i = 0; i < turns; ++i) packets += side.turn();
    return (measure::cpu_seconds() - start) * 1e9 / static_cast<double>(packets);
}

/// Turn about in short stretches, so that all meet the same machine. Both go through as much memory: the ring has as
/// many slots as the other side has packets, and a quarter of them posted.
void ring_against_plain(benchmark::State& state) {
    const auto length = static_cast<std::uint32_t>(state.range(0));
    const auto packets = static_cast<std::uint32_t>(state.range(1));
    const auto headers = static_cast<std::uint32_t>(state.range(2));
    const std::uint32_t slots = packets / 16;
    Plain plain{"plain", length, packets, headers};
    Ring arrival{"arrival", length, packets / 4, headers, Kind::arrival, 16, slots};
    Ring sequence{"sequence", length, packets / 4, headers, Kind::sequence, 16, slots};
    Ring copied{"copied", length, packets / 4, headers, Kind::copied, 16, slots};
    const measure::Stopwatch watch;
    std::vector<double> plain_ns, arrival_ns, sequence_ns, copied_ns;
    for (auto _ : state) {
        plain_ns.push_back(timed(plain));
        arrival_ns.push_back(timed(arrival));
        sequence_ns.push_back(timed(sequence));
        copied_ns.push_back(timed(copied));
    }
    const double base = measure::median(plain_ns);
    state.counters["plain_ns"] = base;
    state.counters["arrival"] = measure::median(arrival_ns) / base;
    state.counters["sequence"] = measure::median(sequence_ns) / base;
    state.counters["copied"] = measure::median(copied_ns) / base;
    state.counters["cpu_share"] = watch.cpu_share();
}
BENCHMARK(ring_against_plain)
    ->ArgNames({"bytes", "packets", "header"})
    ->ArgsProduct({{64}, {256, 4096}, {0, header_bytes}})
    ->ArgsProduct({{8192}, {256, 1024, 4096}, {0, header_bytes}});

/// By sequence; small rings stay in the processor's caches.
void ring_capture(benchmark::State& state) {
    const auto slots = static_cast<std::uint32_t>(state.range(0));
    const auto blocks = static_cast<std::uint32_t>(state.range(1));
    constexpr std::uint32_t length = 8192 + header_bytes;
    Ring ring{"capture", length, batch * 2, header_bytes, Kind::sequence, blocks, slots};
    const measure::Stopwatch watch;
    std::size_t packets = 0;
    for (auto _ : state) packets += ring.turn();
    const auto count = static_cast<double>(packets);
    state.counters["Mpps"] = benchmark::Counter(count * 1e-6, benchmark::Counter::kIsRate);
    state.counters["Gbit/s"] = benchmark::Counter(count * length * 8e-9, benchmark::Counter::kIsRate);
    state.counters["MiB"] = static_cast<double>(ring.ring.memory().size()) / (1 << 20);
    state.counters["cpu_share"] = watch.cpu_share();
}
BENCHMARK(ring_capture)->ArgNames({"slots", "blocks"})->Args({16, 8})->Args({32, 8})->Args({64, 16})->Args({256, 64});

}  // namespace

BENCHMARK_MAIN();
