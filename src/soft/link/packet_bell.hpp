// SPDX-License-Identifier: Apache-2.0
// PacketBell: a descriptor that is readable once a frame has come, for threads that wait for a packet ring.
#pragma once

#include <linux/filter.h>

#include <memory>
#include <span>

#include "base/file_descriptor.hpp"
#include "interface/interface.hpp"
#include "soft/link/packet_socket.hpp"

namespace pktverbs::soft {

/// A ring's socket is readable when a block of the ring is handed over, which may be a millisecond after its first
/// frame. So here is a second socket, with the same filter and without a ring, whose queue has room for few frames.
/// Until silence() the queue is full, and the kernel drops what else comes for it: so the bell costs little where
/// nobody waits. It comes before or after the ring's socket in the kernel's list: when it rings, the frame may be still
/// on its way to the ring. One thread uses it, but attach_filter().
class PacketBell {
public:
    /// Watches the rings' sockets alone. Throws std::system_error.
    PacketBell(std::shared_ptr<const Interface> interface, std::span<const int> rings);

    /// An epoll instance: readable with any ring's socket, and while it listens also when the bell has rung.
    int fd() const noexcept { return epoll_.get(); }
    /// The rings' filter, for the bell. Returns 0 or an errno.
    int attach_filter(std::span<const sock_filter> program) const noexcept { return socket_.attach_filter(program); }

    /// The first call that switches it on makes it receive; if that fails, only the rings' sockets are watched.
    void listen(bool on) noexcept;
    /// Empties the queue. Returns whether it had rung.
    bool silence() noexcept;
    /// Takes an interface's error, which makes the descriptor readable.
    void clear_error() const noexcept;

private:
    PacketSocket socket_;
    FileDescriptor epoll_;
    bool is_bound_ = false;
    bool has_failed_ = false;
    bool listens_ = false;
};

}  // namespace pktverbs::soft
