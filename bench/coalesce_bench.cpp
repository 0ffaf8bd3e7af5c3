// SPDX-License-Identifier: Apache-2.0
// coalesce_bench: frames of one UDP flow between two devices, each with its number, none lost.
// bench/packet_coalesce runs it between two network namespaces.
#include <fmt/core.h>
#include <sys/resource.h>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <pktverbs/net/net.hpp>

namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t data_port = 7148, answer_port = 7149;
constexpr std::size_t header_bytes = 42;
constexpr std::uint64_t answer_every = 512;

/// A frame with a number behind its headers.
std::vector<std::uint8_t> make_frame(const pv::Context& ctx, std::uint16_t port, std::size_t payload_bytes) {
    std::vector<std::uint8_t> frame(header_bytes + payload_bytes);
    const auto put = [&](std::size_t at, std::initializer_list<std::size_t> values) {
        for (const std::size_t value : values) {
            frame[at++] = static_cast<std::uint8_t>(value >> 8);
            frame[at++] = static_cast<std::uint8_t>(value);
        }
    };
    std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
    std::ranges::copy(ctx.mac().bytes(), frame.begin() + 6);
    put(12, {0x0800, 0x4500, 28 + payload_bytes, 0, 0x4000, 0x4011, 0, 0x0a09, 0x0001, 0x0a09, 0x0002});
    put(34, {port, port, 8 + payload_bytes, 0});
    put(24, {pv::net::checksum({&frame[14], 20})});
    pv::net::InternetSum sum;
    sum.add(pv::net::ConstBytes{frame}.subspan(26))
        .add(std::uint16_t{17})
        .add(static_cast<std::uint16_t>(8 + payload_bytes));
    put(40, {sum.checksum()});
    return frame;
}

/// Gives a frame the next identification and number, and the checksums for them.
void renumber(std::uint8_t* frame, std::uint64_t number) {
    using pv::net::load;
    using pv::net::store;
    const auto id = load<std::uint16_t>(frame + 18);
    const auto next = static_cast<std::uint16_t>(number);
    store(frame + 24, pv::net::update_checksum(load<std::uint16_t>(frame + 24), id, next));
    store(frame + 18, next);
    auto checksum = load<std::uint16_t>(frame + 40);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto word = static_cast<std::uint32_t>(number >> (32 - 32 * i));
        checksum = pv::net::update_checksum(checksum, load<std::uint32_t>(frame + header_bytes + 4 * i), word);
        store(frame + header_bytes + 4 * i, word);
    }
    store(frame + 40, pv::net::udp_checksum(checksum));
}

std::uint64_t number_of(const pv::RecvPkt& pkt) {
    return pv::net::load<std::uint64_t>(pkt.bytes().data() + header_bytes);
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto of = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return of(usage.ru_utime) + of(usage.ru_stime);
}

/// Keeps at most so many frames on their way, so that none is lost.
int send(const std::string& device, std::size_t payload_bytes, std::uint64_t count, std::uint64_t window) {
    pv::Context ctx{
        device, {.send_packets = 1024, .recv_packets = 512, .max_packet_size = 2048, .wait = pv::WaitMode::busy_poll}};
    const pv::Flow answers = ctx.install(pv::FlowRule{}.udp().dst_port(answer_port));
    const auto frame = make_frame(ctx, data_port, payload_bytes);
    {
        pv::SendList all = ctx.acquire(ctx.limits().send_packets);
        for (pv::SendPkt& pkt : all) {
            std::ranges::copy(frame, pkt.buffer().begin());
            pkt.set_length(frame.size());
        }
    }
    std::uint64_t sent = 0, answered = 0;
    auto heard = Clock::now();
    const auto begin = heard;
    while (answered < count) {
        pv::SendList list = ctx.acquire(std::min<std::uint64_t>({128, count - sent, window - (sent - answered)}));
        for (pv::SendPkt& pkt : list) {
            pkt.set_length(frame.size());
            renumber(pkt.buffer().data(), sent++);
        }
        if (!list.empty() && !ctx.send(std::move(list)).empty()) throw std::runtime_error{"a packet was refused"};
        const pv::RecvList answer = ctx.recv(0ns);
        for (const pv::RecvPkt& pkt : answer) answered = number_of(pkt);
        if (!answer.empty()) heard = Clock::now();
        if (Clock::now() - heard > 2s)
            throw std::runtime_error{fmt::format("{} of {} frames are answered, {} sent", answered, count, sent)};
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    fmt::print("{} {}: {:.3f} Mpps, {:.2f} Gb/s, sender's processor {:.2f}\n", device, frame.size(),
               static_cast<double>(count) / seconds * 1e-6,
               static_cast<double>(count * frame.size() * 8) / seconds * 1e-9, cpu_seconds() / seconds);
    return 0;
}

int receive(const std::string& device, std::uint64_t count) {
    pv::Context ctx{
        device, {.send_packets = 64, .recv_packets = 16'384, .max_packet_size = 2048, .wait = pv::WaitMode::busy_poll}};
    const pv::Flow flow = ctx.install(pv::FlowRule{}.udp().dst_port(data_port));
    const auto answer = make_frame(ctx, answer_port, 18);
    std::uint64_t received = 0, next_answer = answer_every;
    while (received < count) {
        for (const pv::RecvPkt& pkt : ctx.recv(10s)) {
            if (number_of(pkt) != received)
                throw std::runtime_error{fmt::format("frame {} came instead of {}", number_of(pkt), received)};
            ++received;
        }
        if (received < next_answer && received < count) continue;
        next_answer = received + answer_every;
        pv::SendList list = ctx.acquire(1, 1s);
        std::ranges::copy(answer, list.front().buffer().begin());
        list.front().set_length(answer.size());
        renumber(list.front().buffer().data(), received);
        ctx.send(std::move(list));
    }
    ctx.flush(1s);
    if (ctx.stats().drops.lost() != 0) throw std::runtime_error{"frames were dropped"};
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (args.size() == 5 && args[0] == "send")
        return send(args[1], std::stoul(args[2]), std::stoull(args[3]), std::stoull(args[4]));
    if (args.size() == 3 && args[0] == "receive") return receive(args[1], std::stoull(args[2]));
    fmt::print(stderr, "usage: coalesce_bench send DEVICE PAYLOAD_BYTES COUNT WINDOW | receive DEVICE COUNT\n");
    return 2;
} catch (const std::exception& error) {
    fmt::print(stderr, "coalesce_bench: {}\n", error.what());
    return 1;
}
