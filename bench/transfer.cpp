// SPDX-License-Identifier: Apache-2.0
// transfer: one end of a stream of numbered frames between two processes, as fast as it goes; the receiver verifies.
#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pktverbs/pktverbs.hpp>

#include "common/command_line.hpp"
#include "measure.hpp"
#include "stream.hpp"
#include "window.hpp"

namespace {

namespace pv = pktverbs;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Plan {
    std::string side;
    std::string device;
    std::uint32_t bytes = 64;
    std::uint32_t batch = 32;
    std::uint32_t packets = 1024;
    double seconds = 1;
    double stay = 0;
    std::uint64_t in_flight = 0;
    bool stamped = false;
    bool lossy = false;
    bool numbered = true;
    std::string destination = "ff:ff:ff:ff:ff:ff";
};

void wait_until_up(pv::Context& ctx) {
    const auto limit = Clock::now() + 10s;
    while (ctx.port().state != IBV_PORT_ACTIVE) {
        if (Clock::now() > limit) throw std::runtime_error{"the other end did not come"};
        std::this_thread::sleep_for(1ms);
    }
}

/// Keeps frames from being lost on a link that drops them where the receiver is behind: that answers each so many of
/// them, and the sender waits for its answers. None if any number may be in flight.
class Answers {
public:
    explicit Answers(const Plan& plan) : in_flight_{plan.in_flight}, every_{plan.in_flight / 8} {}

    std::uint32_t packets() const { return in_flight_ == 0 ? pv::none : 64; }
    /// At the sender, if there are any. Until so many more frames than it has sent may be in flight.
    void await(pv::Context& ctx, std::uint64_t sent) {
        while (sent > answered_ + in_flight_) {
            const auto list = ctx.recv(2s);
            if (list.empty()) throw std::runtime_error{fmt::format("of {} frames, {} were answered", sent, answered_)};
            answered_ += every_ * list.size();
        }
    }
    /// At the receiver, with how many frames have come.
    void give(pv::Context& ctx, std::uint64_t frames) {
        if (every_ == 0) return;
        for (; frames >= answered_ + every_; answered_ += every_) {
            auto list = ctx.acquire(1, 1s);
            for (auto& pkt : list) {
                stream_.prepare(pkt.buffer(), pv::MacAddress::broadcast());
                pkt.set_length(stream_.frame_bytes());
            }
            if (list.empty() || !ctx.send(std::move(list)).empty()) throw std::runtime_error{"cannot answer"};
        }
    }
    pv::FlowRule rule() const { return stream_.rules().front(); }
    explicit operator bool() const { return in_flight_ != 0; }

private:
    std::uint64_t in_flight_;
    std::uint64_t every_;
    std::uint64_t answered_ = 0;
    bench::Stream stream_{{}};
};

void send(const Plan& plan) {
    bench::Stream stream{{.bytes = plan.bytes, .checksums = plan.stamped}};
    Answers answers{plan};
    pv::Context ctx{plan.device,
                    {.send_packets = plan.packets,
                     .recv_packets = answers.packets(),
                     .max_packet_size = plan.bytes,
                     .wait = pv::WaitMode::busy_poll}};
    std::optional<pv::Flow> flow;
    if (answers) flow.emplace(ctx.install(answers.rule()));
    wait_until_up(ctx);
    auto all = ctx.acquire(plan.packets);
    for (auto& pkt : all) {
        stream.prepare(pkt.buffer(), pv::MacAddress{plan.destination});
        pkt.set_length(plan.bytes);
    }
    all.cancel();
    // Longer than the receiver looks, which begins with the first frame.
    bench::Window window{plan.seconds};
    const measure::Stopwatch watch;
    while (watch.seconds() < plan.seconds + 3 * bench::Window::skipped_seconds) {
        for (int i = 0; i < 16; ++i) {
            if (answers) answers.await(ctx, stream.sent() + plan.batch);
            auto packets = ctx.acquire(plan.batch, 1s);
            for (auto& pkt : packets) {
                pkt.set_length(plan.bytes);
                if (plan.stamped)
                    stream.stamp(pkt.buffer().data());
                else
                    stream.number(pkt.buffer().data());
            }
            if (!ctx.send(std::move(packets)).empty()) throw std::runtime_error{"the device refused a frame"};
        }
        window.look(stream.sent());
    }
    if (!ctx.flush(5s)) throw std::runtime_error{"the last frames were not taken"};
    fmt::print("{{\"frames\": {}, \"unsent\": {}, \"per_second\": {:.0f}, \"cpu_share\": {:.3f}}}\n", stream.sent(),
               ctx.stats().drops.unsent, window.per_second(), window.cpu_share());
    std::fflush(stdout);
    std::this_thread::sleep_for(std::chrono::duration<double>{plan.stay});
}

void receive(const Plan& plan) {
    bench::Stream stream{{.bytes = plan.bytes}};
    Answers answers{plan};
    pv::Context ctx{plan.device,
                    {.send_packets = answers.packets(),
                     .recv_packets = plan.packets,
                     .max_packet_size = plan.bytes,
                     .wait = pv::WaitMode::busy_poll}};
    const pv::Flow flow = ctx.install(plan.numbered ? stream.rules().front() : pv::FlowRule{}.all_default());
    fmt::print("ready\n");
    std::fflush(stdout);
    std::uint64_t frames = 0;
    std::uint64_t wrong = 0;
    const auto take = [&](const pv::RecvList& list) {
        for (const auto& pkt : list) {
            if (!plan.numbered)
                wrong += pkt.length() != plan.bytes;
            else if (plan.lossy)
                stream.verify_later(pkt.bytes().data(), pkt.length());
            else
                stream.verify(pkt.bytes().data(), pkt.length());
        }
        frames += list.size();
        answers.give(ctx, frames);
    };
    take(ctx.recv(20s));
    if (frames == 0) throw std::runtime_error{"nothing came"};
    bench::Window window{plan.seconds};
    while (!window.is_over()) {
        for (int i = 0; i < 16; ++i) take(ctx.recv(0ns));
        window.look(frames);
    }
    for (auto list = ctx.recv(500ms); !list.empty(); list = ctx.recv(500ms)) take(list);
    fmt::print("{{\"frames\": {}, \"lost\": {}, \"wrong\": {}, \"per_second\": {:.0f}, \"cpu_share\": {:.3f}}}\n",
               frames, stream.lost(), wrong + stream.is_wrong(), window.per_second(), window.cpu_share());
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"One end of a stream of numbered frames, as fast as it goes.", "transfer"};
    Plan plan;
    bool any = false;
    app.add_option("SIDE", plan.side).required().one_of({"send", "receive"});
    app.add_option("DEVICE", plan.device).required();
    app.add_option("--bytes", plan.bytes, "Of a frame").default_shown();
    app.add_option("--batch", plan.batch, "Frames of one send").default_shown();
    app.add_option("--packets", plan.packets, "Buffers").default_shown();
    app.add_option("--seconds", plan.seconds, "That are looked at, after a tenth of one").default_shown();
    app.add_option("--stay", plan.stay, "Seconds that the sender stays when all has been said").default_shown();
    app.add_option("--destination", plan.destination, "MAC address").default_shown();
    app.add_option("--in-flight", plan.in_flight, "Frames at most, as the receiver answers; 0: any number")
        .default_shown();
    app.add_flag("--stamped", plan.stamped, "Send UDP as super-frames need it: identifications in turn, checksums");
    app.add_flag("--lossy", plan.lossy, "Frames may get lost: they are counted");
    app.add_flag("--any", any, "Receive frames that another program has made: only lengths are verified");
    return app.run(argc, argv, [&] {
        plan.numbered = !any;
        plan.side == "send" ? send(plan) : receive(plan);
        return 0;
    });
}
