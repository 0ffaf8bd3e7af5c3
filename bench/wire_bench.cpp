// SPDX-License-Identifier: Apache-2.0
// The data path on the in-memory wire, one thread: send + match + copy + complete + receive + release, through Context
// and through bare verbs calls on the same kind of device, turn by turn in one run.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <pktverbs/memory/memory.hpp>
#include <pktverbs/pktverbs.hpp>
#include <pktverbs/verbs/error.hpp>
#include <pktverbs/verbs/handle.hpp>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "measure.hpp"

namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;
using pv::verbs::check_pointer;
using pv::verbs::check_result;

constexpr std::uint32_t batch = 32;

/// Ethernet, IPv4 and UDP to `mac`, 10.0.0.2, port 7148.
void write_headers(std::uint8_t* frame, const pv::MacAddress& mac, std::uint32_t length) {
    std::memset(frame, 0, 42);
    std::memcpy(frame, mac.bytes().data(), 6);
    frame[12] = 0x08;
    const std::uint32_t total = length - 14;
    const std::array<std::uint8_t, 28> headers{0x45,
                                               0,
                                               static_cast<std::uint8_t>(total >> 8),
                                               static_cast<std::uint8_t>(total),
                                               0,
                                               0,
                                               0x40,
                                               0,
                                               64,
                                               17,
                                               0,
                                               0,
                                               10,
                                               0,
                                               0,
                                               1,
                                               10,
                                               0,
                                               0,
                                               2,
                                               0x1b,
                                               0xec,
                                               0x1b,
                                               0xec,
                                               static_cast<std::uint8_t>((total - 20) >> 8),
                                               static_cast<std::uint8_t>(total - 20)};
    std::memcpy(frame + 14, headers.data(), headers.size());
}

pv::FlowRule rule() { return pv::FlowRule{}.dst_ip("10.0.0.2").udp().dst_port(7148); }

/// Two contexts on one wire.
struct Contexts {
    Contexts(const std::string& wire, std::uint32_t length, std::uint32_t packets)
        : sender{pv::find_device(fmt::format("wire:{}", wire)), options(length, packets, pv::none)},
          receiver{pv::find_device(fmt::format("wire:{}", wire)), options(length, pv::none, packets)},
          flow{receiver.install(rule())} {
        auto all = sender.acquire(packets);
        for (auto& pkt : all) {
            write_headers(pkt.buffer().data(), receiver.limits().mac, length);
            pkt.set_length(length);
        }
    }

    static pv::Options options(std::uint32_t length, std::uint32_t send, std::uint32_t recv) {
        return {.send_packets = send, .recv_packets = recv, .max_packet_size = length};
    }

    /// One batch from end to end; returns the packets that came.
    std::size_t turn() {
        auto packets = sender.acquire(batch);
        for (auto& pkt : packets) pkt.set_length(pkt.length());
        sender.send(std::move(packets));
        std::size_t count = 0;
        for (auto& pkt : receiver.recv(0ns)) {
            benchmark::DoNotOptimize(pkt.bytes().data());
            ++count;
        }
        return count;
    }

    pv::Context sender;
    pv::Context receiver;
    pv::Flow flow;
};

/// The same with nothing between the program and the verbs: what a careful program would write by hand.
struct BareEnd {
    BareEnd(const std::string& wire, std::uint32_t length, std::uint32_t packets, bool sends)
        : device{pv::find_device(fmt::format("wire:{}", wire))},
          provider{*device.provider},
          memory(pv::Memory::stride(length) * packets) {
        context = {
            check_pointer({"open_device", "open", wire}, [&] { return provider.open_device(device.handle.get()); }),
            {&provider}};
        pd = {check_pointer({"alloc_pd", "", wire}, [&] { return provider.alloc_pd(context.get()); }), {&provider}};
        mr = {check_pointer(
                  {"reg_mr", "", wire},
                  [&] { return provider.reg_mr(pd.get(), memory.data(), memory.size(), IBV_ACCESS_LOCAL_WRITE); }),
              {&provider}};
        cq = {check_pointer(
                  {"create_cq", "", wire},
                  [&] { return provider.create_cq(context.get(), static_cast<int>(packets), nullptr, nullptr, 0); }),
              {&provider}};
        ibv_qp_init_attr attr{};
        attr.send_cq = attr.recv_cq = cq.get();
        (sends ? attr.cap.max_send_wr : attr.cap.max_recv_wr) = packets;
        attr.cap.max_send_sge = attr.cap.max_recv_sge = 1;
        attr.qp_type = IBV_QPT_RAW_PACKET;
        qp = {check_pointer({"create_qp", "", wire}, [&] { return provider.create_qp(pd.get(), &attr); }), {&provider}};
        for (const auto& [state, mask] :
             {std::pair{IBV_QPS_INIT, int{IBV_QP_PORT}}, {IBV_QPS_RTR, 0}, {IBV_QPS_RTS, 0}}) {
            ibv_qp_attr to{};
            to.qp_state = state;
            to.port_num = 1;
            check_result({"modify_qp", "", wire},
                         [&] { return provider.modify_qp(qp.get(), &to, IBV_QP_STATE | mask); });
        }
        sges.resize(packets);
        for (std::uint32_t i = 0; i < packets; ++i)
            sges[i] = {reinterpret_cast<std::uint64_t>(memory.data() + pv::Memory::stride(length) * i), length,
                       mr->lkey};
    }

    pv::Device device;
    const pv::verbs::Provider& provider;
    pv::Memory memory;
    pv::verbs::ContextHandle context;
    pv::verbs::PdHandle pd;
    pv::verbs::MrHandle mr;
    pv::verbs::CqHandle cq;
    pv::verbs::QpHandle qp;
    std::vector<ibv_sge> sges;
};

struct Bare {
    Bare(const std::string& wire, std::uint32_t length, std::uint32_t packets)
        : sender{wire, length, packets, true}, receiver{wire, length, packets, false} {
        // The flow comes by the library's own rule, so that both sides match the same.
        ibv_gid gid{};
        receiver.provider.query_gid(receiver.context.get(), 1, 0, &gid);
        const pv::MacAddress mac{pv::MacAddress::Bytes{static_cast<std::uint8_t>(gid.raw[8] ^ 2), gid.raw[9],
                                                       gid.raw[10], gid.raw[13], gid.raw[14], gid.raw[15]}};
        struct {
            ibv_flow_attr attr;
            ibv_flow_spec_eth eth;
            ibv_flow_spec_ipv4 ipv4;
            ibv_flow_spec_tcp_udp udp;
        } flow{};
        flow.attr = {.comp_mask = 0,
                     .type = IBV_FLOW_ATTR_NORMAL,
                     .size = sizeof flow,
                     .priority = 0,
                     .num_of_specs = 3,
                     .port = 1,
                     .flags = 0};
        flow.eth.type = IBV_FLOW_SPEC_ETH;
        flow.eth.size = sizeof flow.eth;
        flow.eth.val.ether_type = htobe16(0x0800);
        flow.eth.mask.ether_type = 0xffff;
        flow.ipv4.type = IBV_FLOW_SPEC_IPV4;
        flow.ipv4.size = sizeof flow.ipv4;
        flow.ipv4.val.dst_ip = htobe32(0x0a000002);
        flow.ipv4.mask.dst_ip = 0xffffffff;
        flow.udp.type = IBV_FLOW_SPEC_UDP;
        flow.udp.size = sizeof flow.udp;
        flow.udp.val.dst_port = htobe16(7148);
        flow.udp.mask.dst_port = 0xffff;
        installed = {check_pointer({"create_flow", "", wire},
                                   [&] { return receiver.provider.create_flow(receiver.qp.get(), &flow.attr); }),
                     {&receiver.provider}};
        sends.resize(packets);
        receives.resize(packets);
        for (std::uint32_t i = 0; i < packets; ++i) {
            write_headers(reinterpret_cast<std::uint8_t*>(sender.sges[i].addr), mac, length);
            sends[i].wr_id = i;
            sends[i].sg_list = &sender.sges[i];
            sends[i].num_sge = 1;
            sends[i].opcode = IBV_WR_SEND;
            receives[i] = {i, nullptr, &receiver.sges[i], 1};
            ibv_recv_wr* bad = nullptr;
            check_result({"post_recv", "", wire}, [&] { return ibv_post_recv(receiver.qp.get(), &receives[i], &bad); });
        }
    }

    std::size_t turn() {
        for (std::uint32_t i = 0; i < batch; ++i) {
            sends[i].next = i + 1 < batch ? &sends[i + 1] : nullptr;
            sends[i].send_flags = (i + 1) % 16 == 0 ? IBV_SEND_SIGNALED : 0;
        }
        ibv_send_wr* bad_send = nullptr;
        ibv_post_send(sender.qp.get(), sends.data(), &bad_send);
        std::array<ibv_wc, batch> wcs;
        const int got = ibv_poll_cq(receiver.cq.get(), batch, wcs.data());
        for (int i = 0; i < got; ++i) {
            ibv_recv_wr& wr = receives[wcs[static_cast<std::size_t>(i)].wr_id];
            benchmark::DoNotOptimize(wr.sg_list->addr);
            wr.next = i + 1 < got ? &receives[wcs[static_cast<std::size_t>(i) + 1].wr_id] : nullptr;
        }
        ibv_recv_wr* bad_recv = nullptr;
        if (got > 0) ibv_post_recv(receiver.qp.get(), &receives[wcs[0].wr_id], &bad_recv);
        ibv_poll_cq(sender.cq.get(), batch, wcs.data());
        return static_cast<std::size_t>(got);
    }

    BareEnd sender;
    BareEnd receiver;
    pv::verbs::FlowHandle installed;
    std::vector<ibv_send_wr> sends;
    std::vector<ibv_recv_wr> receives;
};

void report(benchmark::State& state, std::size_t packets, std::uint32_t length, const measure::Stopwatch& watch) {
    const auto count = static_cast<double>(packets);
    state.counters["Mpps"] = benchmark::Counter(count * 1e-6, benchmark::Counter::kIsRate);
    state.counters["Gbit/s"] = benchmark::Counter(count * length * 8e-9, benchmark::Counter::kIsRate);
    state.counters["cpu_share"] = watch.cpu_share();
}

void context_turns(benchmark::State& state) {
    const auto length = static_cast<std::uint32_t>(state.range(0));
    Contexts contexts{"bench", length, static_cast<std::uint32_t>(state.range(1))};
    const measure::Stopwatch watch;
    std::size_t packets = 0;
    for (auto _ : state) packets += contexts.turn();
    report(state, packets, length, watch);
}
BENCHMARK(context_turns)->ArgNames({"bytes", "packets"})->ArgsProduct({{64, 1500, 8192}, {64, 256, 4096}});

/// Turn about in short stretches, so that both meet the same machine; the time per packet of each and the difference.
void context_against_bare(benchmark::State& state) {
    const auto length = static_cast<std::uint32_t>(state.range(0));
    Contexts contexts{"bench", length, 64};
    Bare bare{"bare", length, 64};
    constexpr int turns = 64;
    const measure::Stopwatch watch;
    std::vector<double> context_ns;
    std::vector<double> bare_ns;
    const auto timed = [](auto& side) {
        const auto start = std::chrono::steady_clock::now();
        std::size_t packets = 0;
        for (int i = 0; i < turns; ++i) packets += side.turn();
        return std::chrono::duration<double, std::nano>{std::chrono::steady_clock::now() - start}.count() /
               static_cast<double>(packets);
    };
    for (auto _ : state) {
        context_ns.push_back(timed(contexts));
        bare_ns.push_back(timed(bare));
    }
    const double context = measure::median(context_ns);
    const double plain = measure::median(bare_ns);
    state.counters["context_ns"] = context;
    state.counters["bare_ns"] = plain;
    state.counters["difference_ns"] = context - plain;
    state.counters["ratio"] = context / plain;
    state.counters["cpu_share"] = watch.cpu_share();
}
BENCHMARK(context_against_bare)->ArgName("bytes")->Arg(64)->Arg(8192);

}  // namespace

BENCHMARK_MAIN();
