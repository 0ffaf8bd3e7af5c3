// SPDX-License-Identifier: Apache-2.0
// DataPath: a memif link's frames, over connections that come and go.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"
#include "base/quick_mutex.hpp"
#include "soft/link/link.hpp"
#include "soft/link/memif/connection.hpp"

namespace pktverbs::soft::memif {

/// Its locks: one of sending, one of receiving, and one of who watches, which is the innermost of all locks of a
/// device. Each is taken once per call.
class DataPath {
public:
    /// The control thread watches `wake`, which is set when it should look at fault() or relieve(). Throws
    /// std::system_error.
    DataPath(std::uint32_t max_frame, const EventFd& wake);

    // What Link says of them.
    void attach(Sink& sink) noexcept;
    void detach() noexcept;
    std::size_t send(std::span<const TxFrame> frames) noexcept;
    void receive(std::size_t most) noexcept;
    int receive_fd() const noexcept { return receive_fd_.get(); }
    int send_fd() const noexcept { return room_.get(); }
    void waited() noexcept { waited_.store(true, std::memory_order_relaxed); }
    void watched(bool on) noexcept;
    std::uint64_t lost() noexcept;
    std::uint64_t unsent() const noexcept { return unsent_.load(std::memory_order_relaxed); }

    // The control thread's.
    /// Starts a connection: from now on frames go there. Throws Refusal if its descriptors can't be waited for.
    void connect(std::unique_ptr<Connection> connection);
    /// What the peer has given is delivered yet; what it has not taken is unsent.
    void disconnect() noexcept;
    /// What the peer did wrong; null if nothing.
    const char* fault() noexcept;
    bool is_stalled() const noexcept { return stalled_.load(std::memory_order_relaxed); }
    /// Lets send() be tried again where there is room now.
    void relieve() noexcept;

private:
    static constexpr std::size_t batch = 64;
    static constexpr std::size_t max_ended = 4;  ///< connections that wait to be emptied; the oldest loses its frames

    /// A connection for receiving: the last one, or one that has ended and holds frames yet.
    struct Received {
        std::shared_ptr<Connection> connection;
        bool ended = false;
    };

    std::size_t ring_of(const void* queue) noexcept;
    void stall() noexcept;
    void set_room(bool room) noexcept;
    std::size_t take(std::size_t most) noexcept;
    void clear_events() noexcept;
    void forget(Connection& connection) noexcept;
    void make_place();
    void watch_events(const Connection& connection);
    void unwatch_events(const Connection& connection) noexcept;

    const EventFd& wake_;

    QuickMutex send_mutex_;
    std::shared_ptr<Connection> sending_;
    std::vector<const void*> queues_;  ///< in the order of their first use
    std::atomic<std::uint64_t> unsent_{0};
    std::atomic<bool> stalled_{false};
    EventFd room_;  ///< at its end, and so not writable, while stalled_

    QuickMutex receive_mutex_;
    Sink* sink_ = nullptr;
    std::vector<Received> received_;
    std::uint64_t lost_ = 0;  ///< in connections that are gone
    std::vector<std::uint8_t> room_for_frames_;
    std::array<RxFrame, batch> frames_;  ///< of one take()
    std::atomic<bool> waited_{false};
    FileDescriptor receive_fd_;  ///< an epoll instance over nudge_ and the rings' eventfds
    EventFd nudge_;

    std::mutex watch_mutex_;
    int watchers_ = 0;
    std::vector<std::shared_ptr<Connection>> watched_;  ///< those of received_
};

}  // namespace pktverbs::soft::memif
