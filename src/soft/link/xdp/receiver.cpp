// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/receiver.hpp"

#include <sys/socket.h>

#include <cstring>

namespace pktverbs::soft::xdp {

Receiver::Receiver(Socket& socket) : socket_{socket}, joined_(socket.is_multi_buffer() ? joined_bytes : 0) {
    std::uint32_t at = 0;
    const std::uint32_t count = socket_.receive_buffers();
    xsk_ring_prod__reserve(&socket_.to_fill, count, &at);
    for (std::uint32_t i = 0; i < count; ++i)
        *xsk_ring_prod__fill_addr(&socket_.to_fill, at + i) = std::uint64_t{i} * socket_.buffer_bytes();
    xsk_ring_prod__submit(&socket_.to_fill, count);
}

/// Of the frame that begins there; 0 if its end is not there yet.
std::uint32_t Receiver::count_buffers(std::uint32_t number, std::uint32_t available) const noexcept {
    for (std::uint32_t count = 1; number + count <= available; ++count)
        if ((buffer(number + count - 1).options & Socket::continues) == 0) return count;
    return 0;
}

bool Receiver::join(std::uint32_t number, std::uint32_t count, RxFrame& frame) noexcept {
    std::uint8_t* const begin = joined_.data() + joined_used_;
    std::size_t used = joined_used_;
    for (std::uint32_t i = 0; i < count; ++i) {
        const xdp_desc& piece = buffer(number + i);
        if (piece.len > joined_.size() - used) return false;
        std::memcpy(joined_.data() + used, socket_.memory() + piece.addr, piece.len);
        used += piece.len;
    }
    frame = {begin, static_cast<std::uint32_t>(used - joined_used_)};
    joined_used_ = used;
    return true;
}

std::size_t Receiver::take(std::span<RxFrame> frames) noexcept {
    std::size_t taken = 0;
    while (taken == 0) {
        joined_used_ = 0;
        taken_ = 0;
        const std::uint32_t available = xsk_ring_cons__peek(&socket_.received, max_batch, &first_);
        while (taken_ < available && taken < frames.size()) {
            const std::uint32_t count = count_buffers(taken_, available);
            if (count == 0) break;
            if (count == 1) {
                const xdp_desc& whole = buffer(taken_);
                frames[taken++] = {socket_.memory() + whole.addr, whole.len};
            } else if (join(taken_, count, frames[taken])) {
                ++taken;
            } else if (joined_used_ != 0) {
                break;  // once those before it are done
            } else {
                too_long_.fetch_add(1, std::memory_order_relaxed);
            }
            taken_ += count;
        }
        xsk_ring_cons__cancel(&socket_.received, available - taken_);
        if (taken_ == 0) return 0;
        if (taken == 0) release();
    }
    return taken;
}

void Receiver::release() noexcept {
    if (taken_ == 0) return;
    // There is always room: Socket::make_memory().
    std::uint32_t at = 0;
    xsk_ring_prod__reserve(&socket_.to_fill, taken_, &at);
    for (std::uint32_t i = 0; i < taken_; ++i)
        *xsk_ring_prod__fill_addr(&socket_.to_fill, at + i) = socket_.start_of(buffer(i).addr);
    xsk_ring_prod__submit(&socket_.to_fill, taken_);
    xsk_ring_cons__release(&socket_.received, taken_);
    taken_ = 0;
    if (xsk_ring_prod__needs_wakeup(&socket_.to_fill)) [[unlikely]]
        poll();
}

void Receiver::poll() const noexcept { ::recvfrom(socket_.fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr); }

/// The kernel counts a frame for which the fill ring is empty as dropped; rx_fill_ring_empty_descs counts the same ones
/// again, or a driver's attempts (xsk_getsockopt() in net/xdp/xsk.c).
std::uint64_t Receiver::lost() const noexcept {
    xdp_statistics statistics{};
    socklen_t bytes = sizeof statistics;
    const std::uint64_t too_long = too_long_.load(std::memory_order_relaxed);
    if (::getsockopt(socket_.fd(), SOL_XDP, XDP_STATISTICS, &statistics, &bytes) != 0) return too_long;
    return too_long + statistics.rx_dropped + statistics.rx_ring_full;
}

}  // namespace pktverbs::soft::xdp
