// SPDX-License-Identifier: Apache-2.0
// round_trip: the time of a lone frame to another process and back, through Context and through bare AF_PACKET sockets.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pktverbs/pktverbs.hpp>

#include "common/command_line.hpp"
#include "measure.hpp"

namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t ether_type = 0x88b5;  // IEEE 802, for private use
constexpr std::size_t number_at = 14;

/// To everybody, with a number.
struct Frame {
    explicit Frame(std::uint64_t number = 0) { std::memcpy(&bytes[number_at], &number, sizeof number); }
    std::uint64_t number() const {
        std::uint64_t number;
        std::memcpy(&number, &bytes[number_at], sizeof number);
        return number;
    }
    std::array<std::uint8_t, 64> bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
};

/// One end: sends a frame, and returns whether one has come within a second.
struct End {
    virtual ~End() = default;
    virtual void send(const Frame& frame) = 0;
    virtual bool receive(Frame& frame) = 0;
};

class ContextEnd final : public End {
public:
    ContextEnd(const std::string& device, bool polls)
        : ctx_{device, {.recv_packets = 256, .wait = polls ? pv::WaitMode::busy_poll : pv::WaitMode::block}},
          flow_{ctx_.install(pv::FlowRule{}.dst_mac("ff:ff:ff:ff:ff:ff").ether_type(ether_type))} {
        const auto limit = Clock::now() + 10s;
        while (ctx_.port().state != IBV_PORT_ACTIVE && Clock::now() < limit) std::this_thread::sleep_for(1ms);
    }
    void send(const Frame& frame) override {
        auto list = ctx_.acquire(1, 1s);
        list.front().set_length(frame.bytes.size());
        std::ranges::copy(frame.bytes, list.front().bytes().begin());
        ctx_.send(std::move(list));
    }
    bool receive(Frame& frame) override {
        const auto list = ctx_.recv(1s);
        if (list.empty()) return false;
        if (list.size() != 1 || list.front().length() != frame.bytes.size())
            throw std::runtime_error{"something else came"};
        std::ranges::copy(list.front().bytes(), frame.bytes.begin());
        return true;
    }

private:
    pv::Context ctx_;
    pv::Flow flow_;
};

class BareEnd final : public End {
public:
    BareEnd(const std::string& interface, bool polls)
        : polls_{polls}, fd_{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)} {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ether_type);
        address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
        const int one = 1;
        ::setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
        ::setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
        if (fd_ < 0 || ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{"cannot open a packet socket"};
    }
    ~BareEnd() override { ::close(fd_); }
    void send(const Frame& frame) override {
        if (::send(fd_, frame.bytes.data(), frame.bytes.size(), 0) < 0) throw std::runtime_error{"cannot send"};
    }
    bool receive(Frame& frame) override {
        for (const auto end = Clock::now() + 1s; Clock::now() < end;) {
            const auto got = ::recv(fd_, frame.bytes.data(), frame.bytes.size(), MSG_TRUNC);
            if (got == static_cast<ssize_t>(frame.bytes.size())) return true;
            if (got >= 0) throw std::runtime_error{"something else came"};
            pollfd poller{fd_, POLLIN, 0};
            if (!polls_) ::poll(&poller, 1, 1000);
        }
        return false;
    }

private:
    bool polls_;
    int fd_;
};

struct Plan {
    std::string side;
    std::string device;
    std::string wait = "poll";
    std::uint32_t count = 20000;
    std::uint32_t pause_us = 0;
};

std::unique_ptr<End> make_end(const Plan& plan) {
    const bool polls = plan.wait == "poll";
    if (plan.device.starts_with("bare:")) return std::make_unique<BareEnd>(plan.device.substr(5), polls);
    return std::make_unique<ContextEnd>(plan.device, polls);
}

/// Ends once nothing has come for a second.
void answer(End& end) {
    fmt::print("ready\n");
    std::fflush(stdout);
    Frame frame;
    for (int tries = 0; tries < 20; ++tries)
        for (; end.receive(frame); tries = 20) end.send(frame);
}

void ask(End& end, const Plan& plan) {
    std::vector<double> us;
    std::uint32_t lost = 0;
    const measure::Stopwatch watch;
    for (std::uint64_t i = 1; i <= plan.count; ++i) {
        if (plan.pause_us != 0) std::this_thread::sleep_for(std::chrono::microseconds{plan.pause_us});
        const Frame asked{i};
        Frame answered;
        const auto begin = Clock::now();
        end.send(asked);
        if (!end.receive(answered)) {
            if (++lost == 10) throw std::runtime_error{"no frame comes back"};
            continue;
        }
        us.push_back(std::chrono::duration<double, std::micro>{Clock::now() - begin}.count());
        if (answered.number() != i) throw std::runtime_error{"another frame came back"};
    }
    const double cpu_share = watch.cpu_share();
    std::ranges::sort(us);
    const auto at = [&](double part) {
        return us[static_cast<std::size_t>(part * static_cast<double>(us.size() - 1))];
    };
    fmt::print(
        "{{\"frames\": {}, \"lost\": {}, \"min_us\": {:.3f}, \"median_us\": {:.3f}, \"p90_us\": {:.3f}, "
        "\"p99_us\": {:.3f}, \"cpu_share\": {:.3f}}}\n",
        us.size(), lost, us[0], at(0.5), at(0.9), at(0.99), cpu_share);
}

}  // namespace

int main(int argc, char** argv) {
    example::CommandLine app{"The time of a lone frame of 64 bytes to another process and back.", "round_trip"};
    Plan plan;
    app.add_option("SIDE", plan.side).required().one_of({"ask", "answer"});
    app.add_option("DEVICE", plan.device, "Or bare:INTERFACE, an AF_PACKET socket").required();
    app.add_option("--wait", plan.wait).one_of({"poll", "block"}).default_shown();
    app.add_option("--count", plan.count, "Round trips").in_range(1, 100'000'000).default_shown();
    app.add_option("--pause", plan.pause_us, "Microseconds between them").default_shown();
    return app.run(argc, argv, [&] {
        const auto end = make_end(plan);
        if (plan.side == "ask")
            ask(*end, plan);
        else
            answer(*end);
        return 0;
    });
}
