// SPDX-License-Identifier: Apache-2.0
// Listener: accepts connections at an address.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>

#include <pktverbs/async/task.hpp>
#include <pktverbs/async/waiter.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/messages/address.hpp>
#include <pktverbs/messages/options.hpp>
#include <pktverbs/messages/request.hpp>
#include <pktverbs/messages/socket.hpp>

namespace pktverbs::messages {

class Messenger;
class ListenerState;

/// The functions that a listener calls, in the executor's thread.
struct ListenerHandlers {
    /// Called with each request, which may be answered now or later. Without this handler, requests are rejected until
    /// request() or accept() was called for the first time; later ones wait for these. At most Options::backlog
    /// requests wait, in the listener and in the program together.
    std::function<void(Request)> request = {};
    /// Called if a connection that accept() took was not established; or with ENOMEM if there was no memory for a
    /// request, which is rejected; or with ENODEV if the listener has ended with its device.
    std::function<void(const std::system_error&)> error = {};
};

/// Waits for a request: `co_await listener.request()` returns the next one, or nullopt when the listener has ended.
class PKTVERBS_EXPORT RequestWaiter : public async::Waiter {
public:
    RequestWaiter(const RequestWaiter&) = delete;
    RequestWaiter& operator=(const RequestWaiter&) = delete;
    ~RequestWaiter() = default;

    bool await_ready();
    void await_suspend(std::coroutine_handle<> coroutine) noexcept;
    std::optional<Request> await_resume() noexcept { return std::move(result_); }

private:
    friend class Listener;
    friend class ListenerState;
    explicit RequestWaiter(ListenerState& listener) noexcept;
    ListenerState* listener_;
    std::optional<Request> result_;
};

/// Listens for connections at an address.
///
/// Move-only. When it ends, it rejects requests that wait, and leaves accepted ones alone. It may outlive its
/// messenger.
class PKTVERBS_EXPORT Listener {
public:
    /// Throws std::system_error: EADDRINUSE, or EADDRNOTAVAIL and ENODEV for an address that no RDMA device has, or
    /// EINVAL for a backlog below 1. Port 0 takes a free one.
    Listener(Messenger& messenger, const Address& address, const Options& options = {}, ListenerHandlers handlers = {});
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&& other) noexcept;
    ~Listener();

    /// Returns the address, with the port that was taken.
    Address address() const;
    /// Waits for the next request.
    [[nodiscard]] RequestWaiter request() const noexcept;
    /// Accepts the next request and waits until it is established. Returns nullopt when the listener has ended. If one
    /// fails, the error handler is called, and the next one is accepted.
    async::Task<std::optional<Socket>> accept();

private:
    /// A task starts later, when the listener may have moved or ended.
    static async::Task<std::optional<Socket>> accept_from(std::shared_ptr<ListenerState> state);

    std::shared_ptr<ListenerState> state_;
};

}  // namespace pktverbs::messages
