// SPDX-License-Identifier: Apache-2.0
// PacketFanout: the sockets by which a packet link receives, each with its ring; the kernel spreads frames over them.
#pragma once

#include <linux/filter.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "interface/interface.hpp"
#include "soft/link/link.hpp"
#include "soft/link/packet_ring.hpp"
#include "soft/link/packet_settings.hpp"
#include "soft/link/packet_socket.hpp"

namespace pktverbs::soft {

/// One socket, or a group of several (PACKET_FANOUT of packet(7)), so that processors which receive for the interface
/// at the same time don't wait for one ring's lock. A frame goes to one of them. One thread takes frames, from all.
class PacketFanout {
public:
    /// The sockets receive nothing yet. Throws std::system_error.
    PacketFanout(const std::shared_ptr<const Interface>& interface, const PacketSettings& settings);

    /// Binds the sockets to the interface and makes them a group. They refuse all frames until attach_filter(). Throws
    /// std::system_error: ENETDOWN if there are several, the interface is down, and the kernel is older than
    /// Linux 6.13.
    void bind();

    /// What memberships can be asked for with.
    const PacketSocket& first() const noexcept { return queues_.front()->socket; }
    /// Of all sockets.
    std::vector<int> fds() const;

    /// As PacketRing has them, for all rings; take() takes from one at a time, and release() goes on to the next.
    bool ready() const noexcept;
    bool begin_wait() noexcept;
    void read_whole_blocks() noexcept;
    std::size_t take(std::span<RxFrame> frames) noexcept;
    void release() noexcept;
    /// Which ring take() has just taken from, and as that has it.
    std::size_t current() const noexcept { return current_; }
    std::uint64_t place_of(const RxFrame& frame) const noexcept { return queues_[current_]->ring.place_of(frame); }
    /// PacketRing::end() of each, to the first of `ends`. Any thread.
    void ends(std::span<std::uint64_t> ends) const noexcept {
        for (std::size_t i = 0; i < queues_.size(); ++i) ends[i] = queues_[i]->ring.end();
    }

    /// Replaces the filter of each socket in one step; one for which the program is too long accepts everything.
    /// Returns 0, or an errno, and then each accepts at least what it did before. Throws std::bad_alloc.
    int attach_filter(std::span<const sock_filter> program);
    /// Takes an interface's error, which makes the descriptors readable.
    void clear_errors() const noexcept;
    /// Frames that found no room in their ring, or came longer than it holds. Any thread.
    std::uint64_t lost() noexcept;

private:
    struct Queue {
        Queue(const std::shared_ptr<const Interface>& interface, const PacketSettings& settings)
            : socket{interface}, ring{socket, settings.block_time, settings.coalesces} {}
        PacketSocket socket;
        PacketRing ring;
    };

    void join(const PacketSocket& socket, int& group) const;
    bool is_group() const noexcept { return queues_.size() > 1; }
    std::size_t after(std::size_t queue) const noexcept { return queue + 1 == queues_.size() ? 0 : queue + 1; }

    const std::shared_ptr<const Interface> interface_;
    const PacketSpread spread_;
    std::vector<std::unique_ptr<Queue>> queues_;
    std::size_t current_ = 0;          // the queue to take from
    std::vector<sock_filter> filter_;  // that all sockets have
    std::atomic<std::uint64_t> kernel_lost_{0};
};

}  // namespace pktverbs::soft
