// SPDX-License-Identifier: Apache-2.0
#include "soft/link/packet_sender.hpp"

#include <algorithm>
#include <cerrno>
#include <numeric>

namespace pktverbs::soft {
namespace {

/// An error that says nothing about the frame.
bool is_of_every_frame(int error) noexcept {
    return error == EINTR || error == EAGAIN || error == ENETDOWN || error == ENXIO || error == ENODEV;
}

}  // namespace

/// Makes the message of the frames of a run, or of one frame. False if there is no room for it.
bool PacketSender::add(std::span<const TxFrame> frames, const UdpRun& run, std::size_t message) noexcept {
    const std::size_t first = pieces_used_;
    std::size_t needed = super_frames_ ? 1 : 0;
    for (const TxFrame& frame : frames) needed += frame.sge_count;
    if (needed > pieces - first) return false;
    if (super_frames_)
        pieces_[pieces_used_++] =
            run.frames > 1 ? super_frames_->front_of(message, run, frames[0]) : super_frames_->front_of(message);
    for (const TxFrame& frame : frames) {
        std::size_t left_out = run.header_bytes;
        for (std::uint32_t i = 0; i < frame.sge_count; ++i, left_out = 0) {
            if (frame.sges[i].length == left_out) continue;
            pieces_[pieces_used_++] = {reinterpret_cast<void*>(frame.sges[i].addr + left_out),
                                       frame.sges[i].length - left_out};
        }
    }
    messages_[message].msg_hdr.msg_iov = &pieces_[first];
    messages_[message].msg_hdr.msg_iovlen = pieces_used_ - first;
    frames_in_[message] = static_cast<std::uint16_t>(frames.size());
    return true;
}

/// Makes messages of as many frames as there is room for.
std::size_t PacketSender::fill(std::span<const TxFrame> frames) noexcept {
    pieces_used_ = 0;
    std::size_t filled = 0;
    for (; !frames.empty() && filled < batch; ++filled) {
        const UdpRun run = super_frames_ ? super_frames_->find(frames) : UdpRun{};
        if (!add(frames.first(run.frames), run, filled)) break;
        frames = frames.subspan(run.frames);
    }
    return filled;
}

std::size_t PacketSender::count_frames(std::size_t first, std::size_t messages) const noexcept {
    if (!super_frames_) return messages;
    const auto begin = frames_in_.begin() + static_cast<std::ptrdiff_t>(first);
    return std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(messages), std::size_t{0});
}

/// The kernel gives one error for two things: the device's queue is full, or the device has dropped the frame
/// (net_xmit_errno() in linux/netdevice.h). A full queue takes a frame in time; veth drops one too long for its peer
/// again and again (veth_xmit() in drivers/net/veth.c).
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
    if (super_frames_) super_frames_->begin();
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
                const std::size_t went = count_frames(sent, static_cast<std::size_t>(count));
                went_out(frames.subspan(taken, went));
                sent += static_cast<std::size_t>(count);
                taken += went;
                continue;
            }
            const int error = errno;
            if (count_frames(sent, 1) > 1 && !is_of_every_frame(error)) {
                super_frames_->refused(error);
                break;  // its frames go one by one
            }
            switch (error) {
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
