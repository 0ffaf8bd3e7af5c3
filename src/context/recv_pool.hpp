// SPDX-License-Identifier: Apache-2.0
// RecvPool: the receive packets of a queue with their memory, and the list of those that are to be posted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/recv_pkt.hpp>

#include "packet/packet_buffers.hpp"

namespace pktverbs {

struct QueueSetup;

class RecvPool {
public:
    /// Packets linked from `first` to `last`.
    struct Chain {
        RecvPkt* first = nullptr;
        RecvPkt* last = nullptr;
        std::uint32_t count = 0;
    };

    /// Makes `count` packets, all of them to be posted. Throws std::system_error.
    void open(const QueueSetup& setup, std::uint32_t count);
    /// Ends the registration; packets and buffers stay.
    void deregister() noexcept { buffers_.deregister(); }

    /// Any thread: adds packets that the device refused or flushed.
    void add(const Chain& chain) noexcept;
    /// Any thread: takes all packets that are to be posted.
    Chain take_all() noexcept;
    /// Any thread: how many packets are to be posted.
    std::uint32_t size() const noexcept { return count_.load(std::memory_order_relaxed); }
    /// Counts packets that are held neither by the device nor by the user any more, after the queue was closed.
    void count_only(std::uint32_t count) noexcept { count_ += count; }

    /// The size of the library's own memory, in bytes.
    std::size_t own_bytes() const noexcept { return buffers_.own_bytes(); }

private:
    PacketBuffers buffers_;
    Memory packets_;
    Memory slices_;  ///< of datagrams: two scatter elements each, GRH and payload
    std::mutex mutex_;
    RecvPkt* first_ = nullptr;
    std::atomic<std::uint32_t> count_{0};
};

}  // namespace pktverbs
