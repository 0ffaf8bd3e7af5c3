// SPDX-License-Identifier: Apache-2.0
// Listener: a socket that clients connect to, for all memif servers of the process that name it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/event_fd.hpp"
#include "base/file_descriptor.hpp"
#include "soft/link/memif/channel.hpp"
#include "soft/link/memif/handshake.hpp"
#include "soft/link/memif/socket_name.hpp"

namespace pktverbs::soft::memif {

/// A client that is not connected yet.
struct Guest {
    Channel channel;
    ServerHandshake handshake;
};

class Listener : public std::enable_shared_from_this<Listener> {
public:
    /// The one of that name, or a new one. Throws std::system_error: EADDRINUSE if something else listens there.
    static std::shared_ptr<Listener> at(const SocketName& name);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// Readable when accept() might find somebody.
    int fd() const noexcept { return socket_.get(); }
    /// A new client, to which HELLO has been sent. Any of the servers' threads. Throws std::bad_alloc.
    std::unique_ptr<Guest> accept();

    /// An interface at this socket, until it ends. It keeps the listener.
    class Place {
    public:
        /// Throws std::system_error: EBUSY if the id is taken.
        Place(std::shared_ptr<Listener> listener, Terms terms);
        ~Place();
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        Listener& listener() const noexcept { return *listener_; }
        std::uint32_t id() const noexcept { return terms_.id; }
        /// Readable when guest() has one that another thread accepted.
        int fd() const noexcept { return wake_.get(); }
        std::unique_ptr<Guest> guest() noexcept;
        /// The next client may come.
        void set_free() noexcept;

    private:
        friend Listener;

        std::shared_ptr<Listener> listener_;
        Terms terms_;
        EventFd wake_;
        // Under the listener's lock.
        bool taken_ = false;
        std::unique_ptr<Guest> guest_;
    };

    /// For a guest that has agreed with a place: reserves it. False if it is taken, or gone.
    bool claim(std::uint32_t id) noexcept;
    /// Passes on a guest whose place was claimed.
    void pass(std::unique_ptr<Guest> guest) noexcept;

private:
    explicit Listener(const SocketName& name);
    void bind();
    bool is_stale() const;
    std::optional<Terms> find(std::uint32_t id);
    Place* find_place(std::uint32_t id) noexcept;

    const SocketName name_;
    FileDescriptor socket_;
    struct stat file_ {};  ///< of the socket's own file
    const pid_t maker_;
    std::mutex mutex_;
    std::vector<Place*> places_;
};

}  // namespace pktverbs::soft::memif
