// SPDX-License-Identifier: Apache-2.0
// bridge: joins two devices of any kind: what arrives at one leaves from the other, from the memory it was received in.
#include <stdexcept>
#include <thread>
#include <vector>

#include <pktverbs/async/stop_on_signal.hpp>
#include <pktverbs/format.hpp>
#include <pktverbs/pktverbs.hpp>
#include "common/command_line.hpp"
#include "common/exit_status.hpp"
#include "common/find_device.hpp"
#include "common/wait_until_up.hpp"

namespace pv = pktverbs;

constexpr std::uint32_t packets = 1024, frame_bytes = 9216;
/// The memory of one way's packets: half of them receive at one device, half send at the other.
struct Way {
    std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(std::size_t{2} * packets * frame_bytes);
    std::uint64_t forwarded = 0, dropped = 0;  // too long for the other device, or it had no room for them
};

pv::Options options_for(Way& in, Way& out) {
    pv::Options options{.send_packets = packets, .recv_packets = packets, .regions = {in.memory, out.memory}};
    const std::size_t half = in.memory.size() / 2;
    options.recv_layout = pv::Layout{}.chunk(frame_bytes, std::span{in.memory}.first(half), {0, 16});
    options.send_layout = pv::Layout{}.chunk(frame_bytes, std::span{out.memory}.last(half), {0, 16});
    return options;
}

/// A packet with a frame and a free packet of the other device swap their memory: no byte is copied.
void forward(pv::Context& from, pv::Context& to, Way& way, std::stop_source& stop) {
    if (!example::wait_until_up(to, stop.get_token())) return;
    const auto flow = from.install(pv::FlowRule{});
    for (;;) {
        auto received = from.recv(pv::no_timeout, stop.get_token());
        if (received.outcome() != pv::Outcome::packets) break;
        auto free = to.acquire(received.size(), std::chrono::milliseconds{100}, stop.get_token());
        pv::SendList ready;
        for (const auto longest = to.mtu() + 22; auto& in : received) {  // 22: with two VLAN tags
            const bool fits = in.ok() && in.length() <= longest && !free.empty();
            ++(fits ? way.forwarded : way.dropped);
            if (!fits) continue;
            auto one = free.pop_front();
            const std::span empty{one.front().buffer().data(), frame_bytes};
            one.front().attach(*to.slice(in.bytes()));
            in.retarget(*from.slice(empty));
            ready.append(std::move(one));
        }
        to.send(std::move(ready));
    }
    stop.request_stop();
}

int run(const std::string& left_device, const std::string& right_device) {
    const pv::StopOnSignal signals;
    Way there, back;
    pv::Context left{example::find_device(left_device), options_for(there, back)};
    pv::Context right{example::find_device(right_device), options_for(back, there)};
    fmt::print(stderr, "{} and {}: frames go on without a copy\n", left.device().name, right.device().name);
    std::stop_source stop;
    const std::stop_callback on_signal{signals.token(), [&] { stop.request_stop(); }};
    std::thread other{[&] { forward(right, left, back, stop); }};
    forward(left, right, there, stop);
    other.join();
    if (!signals.token().stop_requested()) throw std::runtime_error{"a device has failed"};
    auto lost = there.dropped + back.dropped;
    for (auto* ctx : {&left, &right}) lost += ctx->stats().drops.lost() + ctx->stats().drops.unsent;
    fmt::print("{} frames there, {} back, {} lost\n", there.forwarded, back.forwarded, lost);
    return lost == 0 ? example::done : example::packets_lost;
}

int main(int argc, char** argv) {
    example::CommandLine app{"Joins two devices: frames that arrive at one are sent by the other.", "bridge"};
    std::string left, right;
    app.add_option("DEVICE", left, "any device string").required();
    app.add_option("OTHER", right, "any device string").required();
    return app.run(argc, argv, [&] { return run(left, right); });
}
