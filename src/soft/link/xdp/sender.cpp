// SPDX-License-Identifier: Apache-2.0
#include "soft/link/xdp/sender.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace pktverbs::soft::xdp {

Sender::Sender(Socket& socket) : socket_{socket}, free_(socket.send_buffers()), free_count_{free_.size()} {
    for (std::size_t i = 0; i < free_.size(); ++i)
        free_[i] = std::uint64_t{socket.receive_buffers() + i} * socket.buffer_bytes();
}

/// Takes back the buffers of frames that were sent.
void Sender::collect() noexcept {
    std::uint32_t at = 0;
    const std::uint32_t count = xsk_ring_cons__peek(&socket_.sent, socket_.send_buffers(), &at);
    for (std::uint32_t i = 0; i < count; ++i)
        free_[free_count_++] = socket_.start_of(*xsk_ring_cons__comp_addr(&socket_.sent, at + i));
    if (count != 0) xsk_ring_cons__release(&socket_.sent, count);
}

void Sender::copy(const TxFrame& frame, std::uint32_t at, std::uint32_t pieces) noexcept {
    std::size_t sge = 0;
    std::size_t in_sge = 0;
    std::uint32_t left = frame.length;
    for (std::uint32_t i = 0; i < pieces; ++i) {
        const std::uint64_t address = free_[--free_count_];
        const std::uint32_t bytes = std::min(left, socket_.buffer_bytes());
        for (std::uint32_t filled = 0; filled < bytes;) {
            const ibv_sge& from = frame.sges[sge];
            const std::size_t count = std::min<std::size_t>(bytes - filled, from.length - in_sge);
            std::memcpy(socket_.memory() + address + filled, reinterpret_cast<const std::uint8_t*>(from.addr) + in_sge,
                        count);
            filled += static_cast<std::uint32_t>(count);
            in_sge += count;
            if (in_sge == from.length) {
                ++sge;
                in_sge = 0;
            }
        }
        left -= bytes;
        *xsk_ring_prod__tx_desc(&socket_.to_send, at + i) = {address, bytes, left == 0 ? 0 : Socket::continues};
    }
}

/// Copies frames to the ring, as many as one system call sends. Returns how many, with those that are lost.
std::size_t Sender::put(std::span<const TxFrame> frames) noexcept {
    const std::uint32_t max = socket_.is_multi_buffer() ? max_pieces : 1;
    std::size_t taken = 0;
    std::uint32_t buffers = 0;
    for (; taken < frames.size() && buffers < batch; ++taken) {
        const TxFrame& frame = frames[taken];
        const std::uint32_t pieces = (frame.length + socket_.buffer_bytes() - 1) / socket_.buffer_bytes();
        if (pieces == 0 || pieces > max) [[unlikely]] {
            lose(1);
            continue;
        }
        if (buffers != 0 && buffers + pieces > batch) break;
        std::uint32_t at = 0;
        if (pieces > free_count_ || xsk_ring_prod__reserve(&socket_.to_send, pieces, &at) == 0) break;
        copy(frame, at, pieces);
        buffers += pieces;
        ++in_ring_;
    }
    xsk_ring_prod__submit(&socket_.to_send, buffers);
    return taken;
}

/// In copy mode the kernel sends here, up to 32 buffers a call, and returns at the first frame that can't go:
/// xsk_generic_xmit() in net/xdp/xsk.c. One that is dropped is EBUSY; then it goes on behind it. For zero-copy this
/// wakes the driver up.
Sender::Pushed Sender::wake() noexcept {
    constexpr int max_idle = 3;
    for (int idle = 0; idle < max_idle;) {
        if (is_empty() || !xsk_ring_prod__needs_wakeup(&socket_.to_send)) return Pushed::all;
        const std::uint32_t before = consumed();
        const ssize_t result = ::sendto(socket_.fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0);
        const int error = result < 0 ? errno : 0;
        if (error == ENETDOWN || error == ENXIO) {
            if (error == ENXIO) is_gone_.store(true, std::memory_order_relaxed);
            return Pushed::down;
        }
        if (socket_.is_zero_copy()) return Pushed::all;
        const bool is_dropped = error == EBUSY;
        if (is_dropped) lose(1);
        idle = is_dropped || consumed() != before ? 0 : idle + 1;
    }
    return is_empty() ? Pushed::all : Pushed::some;
}

std::size_t Sender::send(std::span<const TxFrame> frames) noexcept {
    std::size_t taken = 0;
    const auto is_gone = [&] { return is_gone_.load(std::memory_order_relaxed); };
    bool is_down = is_gone() || (is_pending() && wake() == Pushed::down);
    bool is_held_up = false;
    while (!is_down && !is_held_up && taken < frames.size()) {
        collect();
        if (is_empty()) in_ring_ = 0;
        const std::size_t count = put(frames.subspan(taken));
        taken += count;
        const Pushed pushed = wake();
        is_down = pushed == Pushed::down;
        is_held_up = count == 0 || pushed == Pushed::some;
    }
    if (is_down) [[unlikely]] {
        lose(frames.size() - taken);
        taken = frames.size();
        if (is_gone()) lose(std::exchange(in_ring_, 0));
    }
    found_down_.store(is_down, std::memory_order_relaxed);
    pending_.store(!is_gone() && !socket_.is_zero_copy() && !is_empty(), std::memory_order_relaxed);
    return taken;
}

void Sender::push() noexcept {
    if (wake() == Pushed::all) pending_.store(false, std::memory_order_relaxed);
}

void Sender::drain() noexcept {
    constexpr int max_tries = 100;  // of a millisecond
    collect();
    for (int i = 0; i < max_tries && !is_empty(); ++i) {
        if (wake() == Pushed::down) return;
        if (!is_empty()) ::poll(nullptr, 0, 1);
    }
}

}  // namespace pktverbs::soft::xdp
