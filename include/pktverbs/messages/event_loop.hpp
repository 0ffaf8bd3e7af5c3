// SPDX-License-Identifier: Apache-2.0
// EventLoop: waits for everything that happens to its listeners and sockets, and tells them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include <pktverbs/export.hpp>
#include <pktverbs/messages/connection_manager.hpp>
#include <pktverbs/messages/options.hpp>
#include <pktverbs/messages/socket.hpp>
#include <pktverbs/messages/task.hpp>

namespace pktverbs::messages {

class Loop;

/// Neither copied nor moved. A loop and all that belongs to it (listeners, requests, sockets, messages, tasks) is used
/// by one thread at a time; only post(), wake() and stop() may be called from any.
class PKTVERBS_EXPORT EventLoop {
public:
    /// `manager` must outlive the loop. Throws std::system_error: ENODEV or ENOENT where there is no RDMA at all.
    explicit EventLoop(const ConnectionManager& manager = system_connection_manager());
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Ends the tasks, last spawned first, then connections and listeners, at once. Not from inside run() or step().
    ~EventLoop();

    /// Until `stop` is requested or stop() called, also before. Throws what handlers and tasks throw; may be called
    /// again.
    void run(std::stop_token stop = {});
    /// Waits until something happens, `timeout` at most, and handles it; whether anything did. nanoseconds::max()
    /// waits for ever. Throws like run().
    bool step(std::chrono::nanoseconds timeout);
    /// Readable when there is something to do: for another epoll instance or poll(2), followed by step(0ns).
    int fd() const noexcept;

    /// Calls it in the loop's thread, soon. Any thread.
    void post(std::function<void()> call);
    /// Lets step() return. Any thread.
    void wake() noexcept;
    /// Lets run() return. Any thread.
    void stop() noexcept;

    /// Starts it now, and ends it with the loop if it doesn't by itself. What leaves it leaves step(), later.
    void spawn(Task<> task);
    /// Connects and waits until it is established: `co_await loop.connect("10.0.0.1")`. Throws std::system_error.
    Task<Socket> connect(std::string where, Options options = {});

private:
    friend class Listener;
    friend class Socket;
    std::unique_ptr<Loop> loop_;
};

}  // namespace pktverbs::messages
