// SPDX-License-Identifier: Apache-2.0
// Receiver: takes the frames that an AF_XDP socket has received.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soft/link/link.hpp"
#include "soft/link/xdp/socket.hpp"

namespace pktverbs::soft::xdp {

/// One thread takes frames.
class Receiver {
public:
    /// Gives the kernel all of the socket's buffers to receive to. The socket must live longer. Throws std::bad_alloc.
    explicit Receiver(Socket& socket);

    /// Frames as they were on the wire, in memory that stays theirs until release(). Returns how many; 0: no more now.
    /// `frames` has room for at least one.
    std::size_t take(std::span<RxFrame> frames) noexcept;
    /// Gives the buffers of what the last take() gave back to the kernel.
    void release() noexcept;
    /// Lets the kernel poll the interface now: for busy polling.
    void poll() const noexcept;

    /// Frames that came and could not be given: no buffer was free, or they were too long. Any thread.
    std::uint64_t lost() const noexcept;

private:
    static constexpr std::uint32_t max_batch = 256;          // of buffers
    static constexpr std::size_t joined_bytes = 256 * 1024;  // no frame is longer that fits a skb: 17 pages and a bit

    const xdp_desc& buffer(std::uint32_t number) const noexcept {
        return *xsk_ring_cons__rx_desc(&socket_.received, first_ + number);
    }
    std::uint32_t count_buffers(std::uint32_t number, std::uint32_t available) const noexcept;
    bool join(std::uint32_t number, std::uint32_t count, RxFrame& frame) noexcept;

    Socket& socket_;
    std::uint32_t first_ = 0;           ///< buffer of the last take(), in the ring
    std::uint32_t taken_ = 0;           ///< buffers since release()
    std::vector<std::uint8_t> joined_;  ///< frames of several buffers
    std::size_t joined_used_ = 0;
    std::atomic<std::uint64_t> too_long_{0};
};

}  // namespace pktverbs::soft::xdp
