// SPDX-License-Identifier: Apache-2.0
#include "echo.hpp"

#include <algorithm>
#include <utility>

#include "common/outcome.hpp"

namespace tool {

namespace net = pktverbs::net;
using pktverbs::MacAddress;

Echo::Echo(pktverbs::Context& ctx, const ProbePath& path)
    : ctx_{ctx}, neighbours_{ctx, {path.dst}}, flow_{ctx.install(path.rule_at_dst())} {}

void Echo::serve(std::chrono::nanoseconds timeout, const std::stop_token& stop) {
    const auto packets = ctx_.recv(timeout, stop);
    example::check_outcome(ctx_, packets.outcome());
    if (packets.empty()) return;
    auto free = ctx_.acquire(packets.size());
    pktverbs::SendList ready;
    for (const auto& pkt : packets) {
        const auto frame = pkt.bytes();
        if (!pkt.ok() || !is_request(frame)) {
            ++(neighbours_.answer(frame) ? counts_.neighbours : counts_.ignored);
            continue;
        }
        if (free.empty() || frame.size() > free.front().buffer().size()) {
            ++counts_.no_room;
            continue;
        }
        auto answer = free.pop_front();
        answer.front().set_length(frame.size());
        std::ranges::copy(frame, answer.front().bytes().begin());
        turn_round(answer.front().bytes());
        ready.append(std::move(answer));
        ++counts_.echoed;
    }
    if (ready.empty()) return;
    const auto refused = ctx_.send(std::move(ready));
    counts_.echoed -= refused.size();
    counts_.no_room += refused.size();
}

bool Echo::is_request(net::ConstBytes frame) const noexcept {
    const net::Headers found{frame};
    const auto probe = found.udp() ? Probe::read(found.payload()) : std::nullopt;
    if (!probe || probe->kind != Probe::Kind::request) return false;
    // Nobody answers a group, or in the name of one.
    if (found.ethernet().src().is_multicast() || found.ethernet().dst().is_multicast()) return false;
    if (const auto ip = found.ipv4()) return !ip.src().is_multicast() && !ip.src().is_zero();
    return !found.ipv6().src().is_multicast() && !found.ipv6().src().is_zero();
}

/// Swaps the addresses, which leaves the checksums right, and says that it is the answer, which does not.
void Echo::turn_round(net::Bytes frame) const noexcept {
    std::swap_ranges(frame.begin(), frame.begin() + MacAddress::size, frame.begin() + MacAddress::size);
    const net::Headers found{frame};
    if (const auto ip = found.ipv4()) {
        const auto src = ip.src();
        ip.set_src(ip.dst());
        ip.set_dst(src);
    } else if (const auto ipv6 = found.ipv6()) {
        const auto src = ipv6.src();
        ipv6.set_src(ipv6.dst());
        ipv6.set_dst(src);
    }
    const auto udp = found.udp();
    const auto sport = udp.src_port();
    udp.set_src_port(udp.dst_port());
    udp.set_dst_port(sport);
    net::store(found.payload().data() + Probe::kind_at, static_cast<std::uint32_t>(Probe::Kind::reply));
    if (udp.checksum() != 0)
        udp.set_checksum(
            net::udp_checksum(net::update_checksum(udp.checksum(), static_cast<std::uint32_t>(Probe::Kind::request),
                                                   static_cast<std::uint32_t>(Probe::Kind::reply))));
}

}  // namespace tool
