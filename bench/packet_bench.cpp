// SPDX-License-Identifier: Apache-2.0
// packet_bench: the round trip of a lone frame between two interfaces, through Context and through bare AF_PACKET
// sockets. bench/packet_latency runs it between two network namespaces.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <pktverbs/pktverbs.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace pv = pktverbs;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t ether_type = 0x88b5;  // IEEE 802, for private use
constexpr std::array<std::uint8_t, 64> frame_to_all{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

/// One end: sends a frame, and returns once one has come.
struct End {
    virtual ~End() = default;
    virtual void send() = 0;
    virtual bool receive() = 0;
};

class ContextEnd final : public End {
public:
    ContextEnd(const std::string& interface, bool polls)
        : ctx_{"packet:" + interface,
               {.recv_packets = 256, .wait = polls ? pv::WaitMode::busy_poll : pv::WaitMode::block}},
          flow_{ctx_.install(pv::FlowRule{}.dst_mac("ff:ff:ff:ff:ff:ff").ether_type(ether_type))} {}
    void send() override {
        auto list = ctx_.acquire(1, 1s);
        list.front().set_length(frame_to_all.size());
        std::ranges::copy(frame_to_all, list.front().bytes().begin());
        ctx_.send(std::move(list));
    }
    bool receive() override { return !ctx_.recv(1s).empty(); }

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
    void send() override {
        if (::send(fd_, frame_to_all.data(), frame_to_all.size(), 0) < 0) throw std::runtime_error{"cannot send"};
    }
    bool receive() override {
        std::array<std::uint8_t, 2048> bytes;
        for (const auto end = Clock::now() + 1s; Clock::now() < end;) {
            pollfd waiting{fd_, POLLIN, 0};
            if (!polls_) ::poll(&waiting, 1, 1000);
            if (::recv(fd_, bytes.data(), bytes.size(), 0) > 0) return true;
        }
        return false;
    }

private:
    bool polls_;
    int fd_;
};

std::unique_ptr<End> make_end(std::string_view kind, const std::string& interface, bool polls) {
    if (kind == "bare") return std::make_unique<BareEnd>(interface, polls);
    return std::make_unique<ContextEnd>(interface, polls);
}

/// Receives UDP by polling for so many seconds.
int sink(const std::string& interface, long seconds) {
    pv::Context ctx{"packet:" + interface,
                    {.send_packets = pv::none, .recv_packets = 4096, .wait = pv::WaitMode::busy_poll}};
    const pv::Flow flow = ctx.install(pv::FlowRule{}.own_mac().udp());
    std::uint64_t frames = 0, lists = 0;
    for (const auto end = Clock::now() + std::chrono::seconds{seconds}; Clock::now() < end;) {
        const auto list = ctx.recv(10ms);
        frames += list.size();
        lists += !list.empty();
    }
    fmt::print("{} frames in {} lists, {} lost\n", frames, lists, ctx.stats().drops.lost());
    return 0;
}

}  // namespace

int main(int argc, char** argv) try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (args.size() == 3 && args[0] == "sink") return sink(args[1], std::stol(args[2]));
    if (args.size() < 4) {
        fmt::print(stderr,
                   "usage: packet_bench answer|ask packet|bare poll|wait INTERFACE [COUNT [MICROSECONDS_BETWEEN]]\n"
                   "       packet_bench sink INTERFACE SECONDS\n");
        return 2;
    }
    const auto end = make_end(args[1], args[3], args[2] == "poll");
    if (args[0] == "answer")
        for (bool had_any = false;;) {
            if (end->receive()) {
                end->send();
                had_any = true;
            } else if (had_any) {
                return 0;
            }
        }
    const std::size_t count = args.size() > 4 ? std::stoul(args[4]) : 10'000;
    const std::chrono::microseconds pause{args.size() > 5 ? std::stol(args[5]) : 0};
    std::vector<double> us;
    std::size_t lost = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (pause.count() != 0) std::this_thread::sleep_for(pause);
        const auto begin = Clock::now();
        end->send();
        if (end->receive())
            us.push_back(std::chrono::duration<double, std::micro>{Clock::now() - begin}.count());
        else
            ++lost;
    }
    if (us.empty()) throw std::runtime_error{"no frame came back"};
    std::ranges::sort(us);
    const auto at = [&](double part) {
        return us[static_cast<std::size_t>(part * static_cast<double>(us.size() - 1))];
    };
    fmt::print("{} {} pause {} us: round trip min {:.1f} median {:.1f} 90% {:.1f} 99% {:.1f} max {:.0f} us, {} lost\n",
               args[1], args[2], pause.count(), us[0], at(0.5), at(0.9), at(0.99), us.back(), lost);
    return 0;
} catch (const std::exception& error) {
    fmt::print(stderr, "packet_bench: {}\n", error.what());
    return 1;
}
