// SPDX-License-Identifier: Apache-2.0
#include "switch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <pktverbs/net/net.hpp>
#include "common/find_device.hpp"
#include "common/outcome.hpp"

namespace tool {

namespace {

using namespace std::chrono_literals;
using pktverbs::MacAddress;

/// Every frame that a port may pass on fits.
std::size_t frame_bytes_for(const std::vector<pktverbs::Device>& devices) {
    std::size_t mtu = 1500;
    for (const auto& device : devices) mtu = std::max<std::size_t>(mtu, device.mtu);
    return (mtu + 22 + 63) / 64 * 64;
}

std::uint32_t seconds_now() {
    return static_cast<std::uint32_t>(
        1 + std::chrono::duration_cast<std::chrono::seconds>(Switch::Clock::now().time_since_epoch()).count());
}

/// IEEE 802.1Q, 8.6.3: pause frames, spanning tree, LACP, LLDP; meant for the bridge itself.
bool is_for_bridges(const MacAddress& mac) {
    const auto& b = mac.bytes();
    return b[0] == 0x01 && b[1] == 0x80 && b[2] == 0xc2 && b[3] == 0 && b[4] == 0 && b[5] < 0x10;
}

}  // namespace

Switch::Switch(const std::vector<std::string>& devices, const Job& job) : job_{job}, now_{seconds_now()} {
    std::vector<pktverbs::Device> found;
    for (const auto& name : devices) found.push_back(example::find_device(name));
    Port::Memory memory;
    memory.frame_bytes = frame_bytes_for(found);
    memory.packets = memory.frame_bytes > 16384 ? 256 : 1024;
    memory_.resize(memory.bytes_of_port() * devices.size());
    memory.all = memory_;
    for (std::size_t i = 0; i < found.size(); ++i) ports_.push_back(std::make_unique<Port>(found[i], memory, i));
    wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_ < 0) throw std::system_error{errno, std::generic_category(), "cannot create an eventfd"};
}

Switch::~Switch() {
    if (wake_ >= 0) ::close(wake_);
}

std::uint32_t Switch::oldest_heard() const noexcept {
    const auto ageing = static_cast<std::uint32_t>(job_.ageing.count());
    return now_ > ageing ? now_ - ageing : 1;
}

std::size_t Switch::stations() const noexcept { return table_.count(oldest_heard()); }

void Switch::tick() {
    now_ = seconds_now();
    for (auto& port : ports_) port->look_at_mtu();
}

void Switch::flush() {
    for (auto& port : ports_) port->ctx().flush(1s);
}

void Switch::run(Clock::time_point until, const std::stop_token& stop) {
    const std::stop_callback on_stop{stop, [this] { ::eventfd_write(wake_, 1); }};
    while (!stop.stop_requested() && Clock::now() < until)
        if (!pass_all(stop) && !job_.spin) wait(until, stop);
}

/// Returns whether any frame came.
bool Switch::pass_all(const std::stop_token& stop) {
    bool any = false;
    for (std::size_t i = 0; i < ports_.size(); ++i) any = pass(i, stop) || any;
    return any;
}

bool Switch::pass(std::size_t from, const std::stop_token& stop) {
    auto& port = *ports_[from];
    const auto packets = port.ctx().recv(0ns);
    if (packets.empty()) {
        if (packets.outcome() == pktverbs::Outcome::queue_error)
            port.ctx().queue(0).recover();  // a frame was longer than its link allows, and was counted
        else
            example::check_outcome(port.ctx(), packets.outcome());
        return false;
    }
    for (auto& pkt : packets) {
        ++port.in().received;
        if (pkt.ok()) {
            port.in().bytes += pkt.length();
            pass_on(pkt, from, packets.size(), stop);
        } else {
            ++port.in().bad;
        }
    }
    for (auto& out : ports_) out->send();
    return true;
}

void Switch::pass_on(pktverbs::RecvPkt& pkt, std::size_t from, std::size_t batch, const std::stop_token& stop) {
    auto& port = *ports_[from];
    const auto to_one = [&](std::size_t to) {
        ports_[to]->begin(batch, job_.hold, stop);
        ports_[to]->take(pkt, port);
        ++port.in().forwarded;
    };
    if (ports_.size() == 2) return to_one(1 - from);

    const pktverbs::net::EthernetView<> ethernet{pkt.bytes()};
    if (!ethernet || is_for_bridges(ethernet.dst())) {
        ++port.in().filtered;
        return;
    }
    const auto src = ethernet.src();
    if (!src.is_multicast() && !src.is_zero()) table_.learn(src, static_cast<std::uint16_t>(from), now_);
    const auto dst = ethernet.dst();
    const auto known = dst.is_multicast() ? std::nullopt : table_.find(dst, oldest_heard());
    if (known == from) {
        ++port.in().filtered;
        return;
    }
    if (known) return to_one(*known);
    // The last one gets the frame itself, when the others have their copies.
    const auto last = from + 1 == ports_.size() ? ports_.size() - 2 : ports_.size() - 1;
    for (std::size_t to = 0; to < ports_.size(); ++to) {
        if (to == from) continue;
        ports_[to]->begin(batch, job_.hold, stop);
        if (to == last)
            ports_[to]->take(pkt, port);
        else
            ports_[to]->copy(pkt);
    }
    ++port.in().flooded;
}

void Switch::wait(Clock::time_point until, const std::stop_token& stop) {
    for (auto& port : ports_)
        if (!port->ctx().arm()) return;
    // What came before they were armed makes none of them readable.
    if (pass_all(stop)) return;
    std::vector<pollfd> fds{{wake_, POLLIN, 0}};
    bool in_flight = false;
    for (auto& port : ports_) {
        fds.push_back({port->ctx().fd(), POLLIN, 0});
        auto& queue = port->ctx().queue(0);
        if (!queue.arm_send()) continue;
        fds.push_back({queue.send_fd(), POLLIN, 0});
        in_flight = true;
    }
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    // A link that had no room takes the rest when it is asked again.
    if (in_flight) left = std::min<std::chrono::milliseconds>(left, 1ms);
    left = std::clamp<std::chrono::milliseconds>(left, 0ms, 1000ms);
    if (::poll(fds.data(), fds.size(), static_cast<int>(left.count())) < 0 && errno != EINTR)
        throw std::system_error{errno, std::generic_category(), "cannot wait for frames"};
    for (auto& port : ports_) {
        port->ctx().drain();
        if (!in_flight) continue;
        port->ctx().queue(0).drain_send();
        port->ctx().flush(0ns);
    }
}

}  // namespace tool
