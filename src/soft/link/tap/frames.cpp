// SPDX-License-Identifier: Apache-2.0
#include "soft/link/tap/frames.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/frame_sizes.hpp"
#include "soft/link/vnet_header.hpp"

namespace pktverbs::soft {

TapFrames::TapFrames(int fd) : fd_{fd}, room_(batch_bytes + max_frame) {}

std::size_t TapFrames::send(std::span<const TxFrame> frames) noexcept {
    VnetHeader nothing_left;
    pieces_[0] = {&nothing_left, sizeof nothing_left};
    for (std::size_t taken = 0; taken < frames.size();) {
        const TxFrame& frame = frames[taken];
        if (frame.sge_count >= pieces) {
            lose(1);
            ++taken;
            continue;
        }
        for (std::uint32_t i = 0; i < frame.sge_count; ++i)
            pieces_[i + 1] = {reinterpret_cast<void*>(frame.sges[i].addr), frame.sges[i].length};
        if (::writev(fd_, pieces_.data(), static_cast<int>(frame.sge_count + 1)) >= 0) {
            ++taken;
            continue;
        }
        switch (errno) {
            case EINTR:
                break;
            case EAGAIN:
            case ENOBUFS:
            case ENOMEM:
                return taken;
            case EBADFD:  // the interface was removed
                gone_.store(true, std::memory_order_relaxed);
                [[fallthrough]];
            case EIO:  // it is down (tun_get_user() in drivers/net/tun.c)
                lose(frames.size() - taken);
                return frames.size();
            default:  // EINVAL: this frame never
                lose(1);
                ++taken;
        }
    }
    return frames.size();
}

std::size_t TapFrames::take(std::span<RxFrame> frames, bool& empty) noexcept {
    std::size_t used = 0;
    std::size_t taken = 0;
    while (taken < frames.size() && room_.size() - used >= max_frame) {
        std::uint8_t* const at = &room_[used];
        const ssize_t got = ::read(fd_, at, max_frame);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            empty = true;
            if (errno == EBADFD) gone_.store(true, std::memory_order_relaxed);
            break;
        }
        const auto bytes = static_cast<std::size_t>(got);
        VnetHeader left;
        if (bytes < sizeof left + ethernet_bytes) {
            damaged_.add(1);
            continue;
        }
        std::memcpy(&left, at, sizeof left);
        RxFrame& frame = frames[taken++];
        frame = {at + sizeof left, static_cast<std::uint32_t>(bytes - sizeof left)};
        frame.checksum_ok = left.finish({at + sizeof left, frame.length}) || (left.flags & VnetHeader::data_valid) != 0;
        used += bytes;
    }
    return taken;
}

void TapFrames::receive(std::size_t most, Sink& sink) noexcept {
    std::array<RxFrame, batch> frames;
    for (bool empty = false; most != 0 && !empty;) {
        const std::size_t taken = take(std::span{frames}.first(std::min(most, batch)), empty);
        if (taken != 0) sink.deliver(std::span{frames}.first(taken));
        most -= taken;
    }
}

}  // namespace pktverbs::soft
