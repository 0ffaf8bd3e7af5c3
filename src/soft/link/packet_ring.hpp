// SPDX-License-Identifier: Apache-2.0
// PacketRing: the memory where the kernel puts the frames that a packet socket receives.
#pragma once

#include <linux/if_packet.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "soft/link/link.hpp"
#include "soft/link/packet_socket.hpp"

namespace pktverbs::soft {

/// A TPACKET_V3 ring (packet(7), Documentation/networking/packet_mmap.rst): blocks that the kernel fills with frames
/// and hands over when they are full, or when their time is up. One thread takes frames.
///
/// A frame doesn't wait for its block if that is read in place, while the kernel still fills it. The block must have
/// been all 0 when the kernel got it, so that nothing old can be taken for a header. Clearing costs as much as the
/// block's frames are long; blocks that carry a load are not cleared and not read in place, so that a load comes in
/// blocks.
class PacketRing {
public:
    static constexpr std::chrono::milliseconds default_block_time{1};
    // The kernel writes a frame, then its header, and says nothing then. On processors that may show the header first,
    // only the end of the block says that a frame is there.
#if defined(__x86_64__) || defined(__i386__)
    static constexpr bool stores_come_in_order = true;
#else
    static constexpr bool stores_come_in_order = false;
#endif

    /// Makes the ring on a socket that isn't bound yet, and that must live longer. Frames that a SegmentCutter can cut
    /// are given whole, like others, or with segment_bytes and as the kernel has left them, for it to cut. Throws
    /// std::system_error.
    explicit PacketRing(const PacketSocket& socket, std::chrono::milliseconds block_time = default_block_time,
                        bool leaves_super_frames = false);
    ~PacketRing();
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;

    /// take() would give frames, or has something to clear away. No system call.
    bool ready() const noexcept {
        return left_in_block_ != 0 || is_ours(block_) || (reads_in_place_ && is_written(next_frame_));
    }
    /// A thread is going to wait for a frame. Returns whether it's worth waking it for each: ready() will say so as
    /// soon as one more frame is written, and not only when its block is handed over, and they come one by one.
    bool begin_wait() noexcept {
        ++waits_;
        gave_back_ = false;
        return reads_in_place_ && is_quiet_;
    }
    /// Blocks were taken since the last wait began, and they come too fast for waking a thread for each frame.
    bool is_busy() const noexcept { return gave_back_ && !is_quiet_; }

    /// From now on no block is read in place. Before the first take().
    void read_whole_blocks() noexcept { may_read_in_place_ = reads_in_place_ = false; }

    /// Frames as they were on the wire, in the ring's memory until release(). Returns how many; 0: no more now.
    /// `frames` has room for at least one.
    std::size_t take(std::span<RxFrame> frames) noexcept;
    /// Done with what the last take() gave: a block whose frames all have been taken goes back to the kernel.
    void release() noexcept;

    /// Places of frames in all that was ever written to the ring: increasing, with gaps. Of a frame that take() has
    /// just given:
    std::uint64_t place_of(const RxFrame& frame) const noexcept {
        return sequence(block_) * block_bytes +
               static_cast<std::uint64_t>(frame.data - (memory_ + block_ * block_bytes));
    }
    /// Behind every frame that has a place by now: one that arrives later is not before it. Any thread, no system call.
    std::uint64_t end() const noexcept;

    /// Frames that came longer than the ring holds, and were not given.
    std::uint64_t cut() const noexcept { return cut_.load(std::memory_order_relaxed); }

private:
    // The longest frame in a block is one of segmentation offload, 64 KiB.
    static constexpr std::size_t block_bytes = 256 * 1024;
    static constexpr std::size_t block_count = 32;

    tpacket_block_desc* block(std::size_t index) const noexcept;
    std::uint64_t sequence(std::size_t index) const noexcept;
    bool is_ours(std::size_t index) const noexcept;
    bool is_written(const std::uint8_t* at) const noexcept;
    bool is_light(const tpacket_hdr_v1& header) const noexcept;
    bool is_quiet(const tpacket_hdr_v1& header) const noexcept;
    void begin_block() noexcept;
    bool read(std::uint8_t* at, RxFrame& frame) noexcept;
    std::size_t take_in_place(std::span<RxFrame> frames) noexcept;

    const bool leaves_super_frames_;
    std::uint8_t* memory_;
    std::uint32_t first_frame_;  // from the beginning of a block
    std::array<std::uint32_t, block_count>
        used_{};             // how far each may be other than 0 when the kernel has it; 0: cleared
    std::size_t block_ = 0;  // the one to take from
    bool may_read_in_place_ = stores_come_in_order;
    bool reads_in_place_ = false;         // until it is handed over
    std::uint32_t read_in_place_ = 0;     // frames of it, and
    std::uint32_t times_in_place_ = 0;    // how often there were some
    std::uint32_t waits_ = 0;             // for frames, since the last block was given back
    bool is_quiet_ = true;                // that block was
    bool gave_back_ = false;              // one, since the last wait began
    std::size_t left_in_block_ = 0;       // frames not taken; 0: not looked into yet
    bool all_taken_ = false;              // of the block, and it is still ours
    std::uint8_t* next_frame_ = nullptr;  // null: it was the last
    std::atomic<std::uint64_t> cut_{0};
    mutable std::atomic<std::size_t> newest_{0};  // block that the kernel has opened, or one before it
};

}  // namespace pktverbs::soft
