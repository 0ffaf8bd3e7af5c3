// SPDX-License-Identifier: Apache-2.0
// SendPool: the send packets of a queue with their memory, and the free ones of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <pktverbs/memory/memory.hpp>
#include <pktverbs/send_pkt.hpp>

#include "packet/packet_buffers.hpp"

namespace pktverbs {

struct QueueSetup;

/// Free packets are kept in chains, the last freed first: its buffer is the likeliest to be in the cache still.
class SendPool {
public:
    /// Packets linked from `first` to `last`; the link of `last` means nothing.
    struct Chain {
        SendPkt* first;
        SendPkt* last;
        std::uint32_t count;
    };

    /// Makes `count` packets, all of them free. Throws std::system_error.
    void open(const QueueSetup& setup, std::uint32_t count);
    /// Ends the registration; packets and buffers stay.
    void deregister() noexcept { buffers_.deregister(); }

    void put(const Chain& chain) noexcept {
        chain.first->chain_last_ = chain.last;
        chain.first->chain_size_ = chain.count;
        chain.first->next_chain_ = free_;
        free_ = chain.first;
        change_count(size() + chain.count);
    }
    /// Takes at most `most` packets, and no more than one chain's. The pool must not be empty.
    Chain take(std::size_t most) noexcept;
    bool empty() const noexcept { return !free_; }
    /// Free packets. Any thread.
    std::uint32_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

    /// The size of the library's own memory, in bytes.
    std::size_t own_bytes() const noexcept { return buffers_.own_bytes(); }

private:
    /// One thread writes.
    void change_count(std::uint32_t count) noexcept { count_.store(count, std::memory_order_relaxed); }

    PacketBuffers buffers_;
    Memory packets_;
    SendPkt* free_ = nullptr;
    std::atomic<std::uint32_t> count_{0};
};

}  // namespace pktverbs
