// SPDX-License-Identifier: Apache-2.0
#include "port.hpp"

#include <algorithm>
#include <numeric>
#include <system_error>

#ifdef PKTVERBS_TOOL_SOFT
#include <pktverbs/soft/impairments.hpp>
#endif

namespace tool {

namespace {

pktverbs::Options options_for(const Port::Memory& memory, std::size_t index) {
    const auto own = memory.all.subspan(index * memory.bytes_of_port(), memory.bytes_of_port());
    pktverbs::Options options{
        .send_packets = memory.packets, .recv_packets = memory.packets, .regions = {memory.all}, .require_link = false};
    const auto bytes = static_cast<std::uint32_t>(memory.frame_bytes);
    options.recv_layout = pktverbs::Layout{}.chunk(bytes, own.first(own.size() / 2), {0, 16});
    options.send_layout = pktverbs::Layout{}.chunk(bytes, own.last(own.size() / 2), {0, 16});
    return options;
}

}  // namespace

Port::Port(const pktverbs::Device& device, const Memory& memory, std::size_t index)
    : frame_bytes_{memory.frame_bytes},
      ctx_{device, options_for(memory, index)},
      flow_{ctx_.install(pktverbs::FlowRule{})},
      is_impaired_{is_impaired()} {
    look_at_mtu();
}

void Port::look_at_mtu() noexcept {
    constexpr std::size_t ethernet_header_with_two_vlans = 22;
    const std::size_t mtu = ctx_.mtu();
    longest_ = mtu == 0 ? frame_bytes_ : std::min(frame_bytes_, mtu + ethernet_header_with_two_vlans);
}

void Port::begin(std::size_t count, std::chrono::nanoseconds hold, const std::stop_token& stop) {
    if (!free_.empty() || !ready_.empty()) return;  // this batch has begun
    free_ = ctx_.acquire(count);
    if (free_.size() == count) {
        is_stuck_ = false;
    } else if (hold > std::chrono::nanoseconds::zero() && !is_stuck_) {
        // Once: what stands behind a port that takes nothing shall not stand still, too.
        free_.append(ctx_.acquire(count - free_.size(), hold, stop));
        is_stuck_ = free_.size() < count;
    }
}

pktverbs::SendList Port::packet_for(const pktverbs::RecvPkt& pkt) {
    ++out_.offered;
    if (pkt.length() > longest_)
        ++out_.too_long;
    else if (free_.empty())
        ++out_.no_room;
    else
        return free_.pop_front();
    return {};
}

void Port::take(pktverbs::RecvPkt& pkt, Port& from) {
    auto packet = packet_for(pkt);
    if (packet.empty()) return;
    auto& out = packet.front();
    const std::span empty{out.buffer().data(), frame_bytes_};
    out.attach(*ctx_.slice(pkt.bytes()));
    pkt.retarget(*from.ctx_.slice(empty));
    ready_.append(std::move(packet));
}

void Port::copy(const pktverbs::RecvPkt& pkt) {
    auto packet = packet_for(pkt);
    if (packet.empty()) return;
    auto& out = packet.front();
    // All of it: its last frame may have been a short one without a copy.
    out.attach(*ctx_.slice(std::span{out.buffer().data(), frame_bytes_}));
    out.set_length(pkt.length());
    std::ranges::copy(pkt.bytes(), out.bytes().begin());
    ready_.append(std::move(packet));
}

void Port::send() {
    free_.cancel();
    if (ready_.empty()) return;
    out_.refused += ctx_.send(std::move(ready_)).size();
}

bool Port::is_impaired() noexcept {
    try {
        impaired_frames();
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

std::uint64_t Port::impaired_frames() {
#ifdef PKTVERBS_TOOL_SOFT
    const auto counters = pktverbs::soft::impairment_counters(ctx_.raw());
    return counters.lost + counters.overflowed;
#else
    throw std::system_error{std::make_error_code(std::errc::operation_not_supported)};
#endif
}

Port::Report Port::report() {
    const auto stats = ctx_.stats();
    Report report;
    if (is_impaired_) report.impaired = impaired_frames();
    const auto& drops = stats.drops;
    const auto failed = std::reduce(stats.send_errors.begin(), stats.send_errors.end());
    report.sent = stats.sent_packets - std::min(stats.sent_packets, drops.unsent);
    report.in_flight = stats.in_flight;
    report.losses = {{"bad", in_.bad},
                     {"out_of_buffer", drops.out_of_buffer},
                     {"not_ready", drops.not_ready},
                     {"oversize", drops.oversize},
                     {"unmatched", drops.unmatched},
                     {"link", drops.link - std::min(drops.link, report.impaired)},
                     {"too_long", out_.too_long},
                     {"no_room", out_.no_room},
                     {"refused", out_.refused},
                     {"failed", failed},
                     {"unsent", drops.unsent}};
    return report;
}

std::uint64_t Port::Report::lost() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& [reason, number] : losses) sum += number;
    return sum;
}

}  // namespace tool
