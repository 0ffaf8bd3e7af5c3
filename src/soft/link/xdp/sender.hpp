// SPDX-License-Identifier: Apache-2.0
// Sender: sends frames through an AF_XDP socket.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soft/link/link.hpp"
#include "soft/link/xdp/socket.hpp"

namespace pktverbs::soft::xdp {

class Sender {
public:
    /// How many buffers one frame may take: the kernel has room for 17 pieces behind the first (MAX_SKB_FRAGS in
    /// linux/skbuff.h).
    static constexpr std::uint32_t max_pieces = 16;

    /// The socket must live longer. Throws std::bad_alloc.
    explicit Sender(Socket& socket);

    /// As Link::send(). One call at a time. Takes, and counts as lost, frames while the interface is down or gone,
    /// those that the kernel drops, and those that are too long. Up to `batch` of them stay with the kernel while it is
    /// down.
    std::size_t send(std::span<const TxFrame> frames) noexcept;
    /// There are frames that the kernel has and could not send yet.
    bool is_pending() const noexcept { return pending_.load(std::memory_order_relaxed); }
    /// Lets the kernel try again. Any thread.
    void push() noexcept;
    /// Gives the kernel a while for what is pending.
    void drain() noexcept;

    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
    /// The last call found the interface down or gone.
    bool found_down() const noexcept { return found_down_.load(std::memory_order_relaxed); }

private:
    static constexpr std::size_t batch = 32;  // buffers per system call: TX_BATCH_SIZE of net/xdp/xsk.c

    enum class Pushed { all, some, down };
    Pushed wake() noexcept;
    void lose(std::size_t frames) noexcept { lost_.fetch_add(frames, std::memory_order_relaxed); }
    bool is_empty() const noexcept { return consumed() == produced(); }
    std::uint32_t consumed() const noexcept { return __atomic_load_n(socket_.to_send.consumer, __ATOMIC_ACQUIRE); }
    std::uint32_t produced() const noexcept { return __atomic_load_n(socket_.to_send.producer, __ATOMIC_RELAXED); }
    void collect() noexcept;
    std::size_t put(std::span<const TxFrame> frames) noexcept;
    void copy(const TxFrame& frame, std::uint32_t at, std::uint32_t pieces) noexcept;

    Socket& socket_;
    std::vector<std::uint64_t> free_;  ///< buffers, the first free_count_
    std::size_t free_count_;
    std::size_t in_ring_ = 0;           ///< frames put since the ring was empty
    std::atomic<bool> is_gone_{false};  ///< and the socket is bound to nothing any more
    std::atomic<bool> pending_{false};
    std::atomic<bool> found_down_{false};
    std::atomic<std::uint64_t> lost_{0};
};

}  // namespace pktverbs::soft::xdp
