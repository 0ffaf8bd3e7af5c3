// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_sender.hpp"

#include <algorithm>
#include <cerrno>

namespace pktverbs::soft {

/// Makes messages of as many frames as there is room for.
std::size_t PacketSender::fill(std::span<const TxFrame> frames) noexcept {
    std::size_t used = 0;
    std::size_t filled = 0;
    for (; filled < frames.size() && filled < batch; ++filled) {
        const TxFrame& frame = frames[filled];
        if (frame.sge_count > pieces - used) break;
        msghdr& message = messages_[filled].msg_hdr;
        message.msg_iov = &pieces_[used];
        message.msg_iovlen = frame.sge_count;
        for (std::uint32_t i = 0; i < frame.sge_count; ++i, ++used)
            pieces_[used] = {reinterpret_cast<void*>(frame.sges[i].addr), frame.sges[i].length};
    }
    return filled;
}

/// The kernel gives one error for two things: the device's queue is full, or the device has dropped the frame
/// (net_xmit_errno() in linux/netdevice.h). A full queue takes a frame in time; veth drops one too long for its peer again
/// and again (veth_xmit() in drivers/net/veth.c).
bool PacketSender::is_hopeless(const TxFrame& refused) noexcept {
    constexpr std::chrono::seconds longest_gap{1};  // with more between two tries, it is another frame
    const auto now = Clock::now();
    auto at = std::ranges::find_if(
        refusals_, [&](const Refusal& refusal) { return refusal.is_one && refusal.queue == refused.queue; });
    if (at == refusals_.end() || now - at->last > longest_gap) {
        if (at == refusals_.end()) at = std::ranges::min_element(refusals_, {}, &Refusal::last);
        *at = {refused.queue, true, now, now, for_the_first};
        has_refusals_ = true;
        return false;
    }
    at->last = now;
    if (now - at->since < at->patience) return false;
    at->since = now;
    at->patience = for_those_behind;
    return true;
}

void PacketSender::went_out(std::span<const TxFrame> frames) noexcept {
    if (!has_refusals_) [[likely]]
        return;
    for (const TxFrame& frame : frames)
        for (Refusal& refusal : refusals_)
            if (refusal.queue == frame.queue) refusal = {};
    has_refusals_ = std::ranges::any_of(refusals_, &Refusal::is_one);
}

std::size_t PacketSender::send(std::span<const TxFrame> frames) noexcept {
    found_down_ = false;
    std::size_t taken = 0;
    while (taken < frames.size()) {
        const std::size_t filled = fill(frames.subspan(taken));
        if (filled == 0) {  // more pieces than the kernel takes
            lose(1);
            ++taken;
            continue;
        }
        for (std::size_t sent = 0; sent < filled;) {
            const int count = ::sendmmsg(socket_, &messages_[sent], static_cast<unsigned>(filled - sent), MSG_DONTWAIT);
            if (count > 0) {
                went_out(frames.subspan(taken, static_cast<std::size_t>(count)));
                sent += static_cast<std::size_t>(count);
                taken += static_cast<std::size_t>(count);
                continue;
            }
            switch (errno) {
                case EINTR:
                    break;
                case EAGAIN:
                case ENOMEM:
                    return taken;
                case ENOBUFS:
                    if (!is_hopeless(frames[taken])) return taken;
                    lose(1);
                    ++sent;
                    ++taken;
                    break;
                case ENETDOWN:
                case ENXIO:
                case ENODEV:
                    found_down_ = true;
                    lose(frames.size() - taken);
                    return frames.size();
                default:  // EMSGSIZE, EINVAL: this frame never
                    lose(1);
                    ++sent;
                    ++taken;
            }
        }
    }
    return taken;
}

}  // namespace pktverbs::soft
