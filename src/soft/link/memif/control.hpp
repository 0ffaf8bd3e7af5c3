// SPDX-License-Identifier: Apache-2.0
// Control: a memif link's thread: it makes connections, watches them, and makes them again.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/event_fd.hpp"
#include "soft/link/link.hpp"
#include "soft/link/memif/channel.hpp"
#include "soft/link/memif/data_path.hpp"
#include "soft/link/memif/handshake.hpp"
#include "soft/link/memif/listener.hpp"
#include "soft/link/memif/peer_record.hpp"
#include "soft/link/memif/settings.hpp"

namespace pktverbs::soft::memif {

class Control {
public:
    /// A server listens from now on. Throws std::system_error: EADDRINUSE, EBUSY. The data path watches wake().
    Control(const Settings& settings, DataPath& data, const EventFd& wake);
    ~Control();
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    /// Starts the thread, which reports to the sink. A client waits until its first try to connect is over, so that
    /// with a server there, it is up from the beginning. Throws std::system_error: EBUSY for a third end of a pipe.
    void start(Sink& sink);
    /// Takes leave of the peer, and ends the thread. The sink is not called any more.
    void stop() noexcept;

    /// After fork(): the thread, and the peer, are the parent's.
    bool is_in_child() const noexcept;

    bool is_up() const noexcept { return up_.load(std::memory_order_relaxed); }
    LinkPeer peer() const { return record_.get(); }

private:
    using Clock = std::chrono::steady_clock;

    /// A client that this server has accepted.
    struct Visit {
        std::unique_ptr<Guest> guest;
        Clock::time_point deadline;
        bool claimed = false;
    };
    /// A client's own handshake.
    struct Attempt {
        Channel channel;
        ClientHandshake handshake;
        Clock::time_point deadline;
        Offer offer = {};
        std::unique_ptr<Connection> connection = nullptr;
    };

    void run() noexcept;
    void wait() noexcept;
    void turn();
    void relieve() noexcept;
    std::optional<Clock::time_point> next_time() const noexcept;

    void accept_guests();
    void serve(Visit& visit);
    bool claim(std::uint32_t id) noexcept;
    void close(Visit& visit, std::string_view reason) noexcept;
    void drop_late_guests() noexcept;
    void drop_oldest_guest() noexcept;

    bool try_listening();
    void try_connecting();
    void end_first_try() noexcept;
    void continue_attempt();
    void fail_attempt(std::string_view reason) noexcept;
    void leave_attempt() noexcept;
    OfferShape shape_for(const ClientHandshake& handshake) const noexcept;

    template <class Handshake>
    LinkPeer describe(const Handshake& handshake, const Connection& connection) const;
    void connected(Channel& channel, std::unique_ptr<Connection> connection, LinkPeer peer, const Message* answer);
    void watch_peer() noexcept;
    void disconnected(std::string_view reason) noexcept;
    FrameForm form() const noexcept;

    const Settings settings_;
    DataPath& data_;
    const EventFd& wake_;
    const pid_t maker_;
    std::optional<Listener::Place> place_;

    std::unique_ptr<std::thread> thread_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> up_{false};
    PeerRecord record_;
    Sink* sink_ = nullptr;
    std::promise<void> tried_;  ///< to connect, by a client, once

    static constexpr Clock::duration min_stall_interval = std::chrono::microseconds{100};

    // The thread's own.
    std::vector<pollfd> polled_;
    std::vector<Visit> visits_;
    Clock::time_point accept_at_{};
    Clock::duration stall_interval_ = min_stall_interval;
    std::unique_ptr<Attempt> attempt_;
    Clock::time_point connect_at_{};
    std::optional<Channel> peer_;
    bool has_tried_ = false;
    bool was_busy_ = false;  ///< at the first try; others read it when that is over
};

}  // namespace pktverbs::soft::memif
