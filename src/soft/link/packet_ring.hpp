// SPDX-License-Identifier: Apache-2.0
// PacketRing: the memory where the kernel puts the frames that a packet socket receives.
#pragma once

#include <linux/if_packet.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "soft/link/link.hpp"
#include "soft/link/packet_socket.hpp"

namespace pktverbs::soft {

/// A TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst): blocks that the kernel fills with frames
/// and hands over when they are full, or when they have waited for a millisecond. One thread takes frames.
class PacketRing {
public:
    /// Makes the ring on a socket that isn't bound yet, and that must live longer. Throws std::system_error.
    explicit PacketRing(const PacketSocket& socket);
    ~PacketRing();
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;

    /// take() would give frames, or has something to clear away. No system call.
    bool ready() const noexcept { return left_in_block_ != 0 || is_ours(block_); }

    /// Frames as they were on the wire, in the ring's memory until release(). Returns how many; 0: no more now.
    /// `frames` has room for at least one.
    std::size_t take(std::span<RxFrame> frames) noexcept;
    /// Done with what the last take() gave: a block whose frames all have been taken goes back to the kernel.
    void release() noexcept;

    /// Frames that came longer than the ring holds, and were not given.
    std::uint64_t cut() const noexcept { return cut_.load(std::memory_order_relaxed); }

private:
    // The longest frame in a block is one of segmentation offload, 64 KiB.
    static constexpr std::size_t block_bytes = 256 * 1024;
    static constexpr std::size_t block_count = 32;

    tpacket_block_desc* block(std::size_t index) const noexcept;
    bool is_ours(std::size_t index) const noexcept;
    bool read(std::uint8_t* at, RxFrame& frame) noexcept;

    std::uint8_t* memory_;
    std::size_t block_ = 0;          // the one to take from
    std::size_t left_in_block_ = 0;  // frames not taken; 0: not looked into yet
    bool all_taken_ = false;         // of the block, and it is still ours
    std::uint8_t* next_frame_ = nullptr;
    std::atomic<std::uint64_t> cut_{0};
};

}  // namespace pktverbs::soft
