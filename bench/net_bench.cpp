// SPDX-License-Identifier: Apache-2.0
// What headers cost per frame, on one thread and in the cache: parsing, stamping, checksums.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <vector>

#include <pktverbs/net/net.hpp>

namespace {

using namespace pktverbs;

constexpr net::Ethernet ethernet{.dst = MacAddress::broadcast()};
constexpr net::Ipv4 ipv4{.src = Ipv4Address{Ipv4Address::Bytes{10, 0, 0, 1}},
                         .dst = Ipv4Address{Ipv4Address::Bytes{10, 0, 0, 2}}};
constexpr net::FrameTemplate with_checksum{ethernet, ipv4, net::Udp{.src_port = 7148, .dst_port = 7148}};
constexpr net::FrameTemplate without{ethernet, ipv4, net::Udp{.src_port = 7148, .dst_port = 7148, .checksum = false}};
constexpr net::FrameTemplate ipv6{ethernet, net::Ipv6{}, net::Udp{.src_port = 7148, .dst_port = 7148}};

std::vector<std::uint8_t> frame_of(const net::FrameTemplate& headers, std::size_t payload_bytes) {
    std::vector<std::uint8_t> frame(headers.frame_bytes(payload_bytes), 1);
    headers.write(frame, payload_bytes);
    return frame;
}

/// A consumer's path: is it UDP to our port, and where is its payload?
void parse(benchmark::State& state, const net::FrameTemplate& headers) {
    auto frame = frame_of(headers, 64);
    for (auto _ : state) {
        benchmark::DoNotOptimize(frame.data());
        benchmark::ClobberMemory();
        const net::Headers found{net::ConstBytes{frame}};
        const auto udp = found.udp();
        benchmark::DoNotOptimize(udp && udp.dst_port() == 7148 ? udp.payload().data() : nullptr);
    }
}
BENCHMARK_CAPTURE(parse, ipv4_udp, with_checksum);
BENCHMARK_CAPTURE(parse, ipv6_udp, ipv6);

void stamp(benchmark::State& state, const net::FrameTemplate& headers) {
    const auto payload_bytes = static_cast<std::size_t>(state.range(0));
    auto frame = frame_of(headers, payload_bytes);
    std::uint16_t identification = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(headers.write(frame, payload_bytes, {.identification = identification++}));
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(stamp, no_udp_checksum, without)->Arg(8192);
BENCHMARK_CAPTURE(stamp, udp_checksum, with_checksum)->Arg(64)->Arg(1472)->Arg(8192);

void verify(benchmark::State& state) {
    const auto frame = frame_of(with_checksum, static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        benchmark::DoNotOptimize(net::Headers{frame}.transport_checksum());
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(verify)->Arg(64)->Arg(1472)->Arg(8192);

}  // namespace

BENCHMARK_MAIN();
