// SPDX-License-Identifier: Apache-2.0
// PacketSender: writes frames to a datagram socket, a batch per system call.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "soft/link/link.hpp"
#include "soft/link/super_frames.hpp"

namespace pktverbs::soft {

class PacketSender {
public:
    /// The socket stays the caller's. With super-frames, it expects a VnetHeader before each frame.
    explicit PacketSender(int socket) noexcept : socket_{socket} {}
    /// From now on runs of UDP go as super-frames, and the socket must have PACKET_VNET_HDR. Throws std::bad_alloc.
    void coalesce(std::shared_ptr<const Interface> interface, const InterfaceNews& news) {
        super_frames_ = std::make_unique<SuperFrames>(std::move(interface), news, batch);
    }

    /// As Link::send(). Takes, and counts as lost, what the kernel will never take: a frame too long, also for the
    /// other end of a veth pair, a frame to an interface that is down or gone. One call at a time.
    std::size_t send(std::span<const TxFrame> frames) noexcept;

    /// Counts frames as lost. From the sending thread.
    void lose(std::size_t frames) noexcept { lost_.fetch_add(frames, std::memory_order_relaxed); }
    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

    /// The last call found the interface down.
    bool found_down() const noexcept { return found_down_; }

private:
    static constexpr std::size_t batch = 64;
    static constexpr std::size_t pieces = 1024;  // UIO_MAXIOV: the kernel takes no more for one frame

    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds for_the_first{100};
    static constexpr std::chrono::milliseconds for_those_behind{1};

    std::size_t fill(std::span<const TxFrame> frames) noexcept;
    bool add(std::span<const TxFrame> frames, const UdpRun& run, std::size_t message) noexcept;
    std::size_t count_frames(std::size_t first, std::size_t messages) const noexcept;
    bool is_hopeless(const TxFrame& refused) noexcept;
    void went_out(std::span<const TxFrame> frames) noexcept;

    /// A queue whose next frame the device refuses.
    struct Refusal {
        const void* queue = nullptr;
        bool is_one = false;
        Clock::time_point since{};  ///< of the present frame
        Clock::time_point last{};
        Clock::duration patience{};
    };

    int socket_;
    std::unique_ptr<SuperFrames> super_frames_;
    /// More queues than these take one another's places, and their frames wait longer.
    std::array<Refusal, 16> refusals_{};
    bool has_refusals_ = false;
    bool found_down_ = false;
    std::atomic<std::uint64_t> lost_{0};
    std::array<mmsghdr, batch> messages_{};
    std::array<std::uint16_t, batch> frames_in_{};  ///< each message, if there may be more than one
    std::size_t pieces_used_ = 0;
    std::array<iovec, pieces> pieces_{};
};

}  // namespace pktverbs::soft
