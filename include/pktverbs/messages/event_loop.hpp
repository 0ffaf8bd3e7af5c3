// SPDX-License-Identifier: Apache-2.0
// EventLoop: runs listeners, sockets and their tasks in one thread.
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

/// Waits for the events of its listeners and sockets, and calls their handlers.
///
/// Neither copied nor moved. One thread at a time uses a loop and everything that belongs to it (listeners, requests,
/// sockets, messages, tasks); any thread may call post(), wake() and stop().
class PKTVERBS_EXPORT EventLoop {
public:
    /// `manager` must outlive the loop. Throws std::system_error: ENODEV or ENOENT on a machine without RDMA.
    explicit EventLoop(const ConnectionManager& manager = system_connection_manager());
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    /// Ends the tasks, the last spawned first, then connections and listeners, at once. Not to be called inside run()
    /// or step().
    ~EventLoop();

    /// Runs until `stop` is requested or stop() is called, also if that was before. Throws what handlers and tasks
    /// throw; may be called again.
    void run(std::stop_token stop = {});
    /// Waits until something happens, but no longer than `timeout`, and handles it. Returns whether anything happened.
    /// nanoseconds::max() waits for ever. Throws like run().
    bool step(std::chrono::nanoseconds timeout);
    /// Returns a descriptor that is readable when there is something to do: for another epoll instance or poll(2),
    /// followed by step(0ns).
    int fd() const noexcept;

    /// Calls a function in the loop's thread, soon. Any thread may call it.
    void post(std::function<void()> call);
    /// Makes step() return. Any thread may call it.
    void wake() noexcept;
    /// Makes run() return. Any thread may call it.
    void stop() noexcept;

    /// Starts a task now, and ends it with the loop if it has not ended by then. Exceptions that leave the task leave a
    /// later step().
    void spawn(Task<> task);
    /// Connects, and waits until the connection is established: `co_await loop.connect("10.0.0.1")`. Throws
    /// std::system_error.
    Task<Socket> connect(std::string where, Options options = {});

private:
    friend class Listener;
    friend class Socket;
    std::unique_ptr<Loop> loop_;
};

}  // namespace pktverbs::messages
