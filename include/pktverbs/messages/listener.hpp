// SPDX-License-Identifier: Apache-2.0
// Listener: takes requests for connections at an address.
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

struct ListenerHandlers {
    /// To be answered now or later. Without this one, requests wait for request() and accept() once either was called,
    /// and are rejected before. Of both kinds, Options::backlog may wait.
    std::function<void(Request)> request = {};
    /// A connection that accept() took on didn't come about; or, with ENOMEM, there was no memory for a request, which
    /// is rejected; or, with ENODEV, the listener has ended with its device.
    std::function<void(const std::system_error&)> error = {};
};

/// What `co_await listener.request()` waits with: gives the next request, or nullopt when the listener ended.
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

/// Move-only. Its end rejects requests that wait, and leaves accepted ones alone. May outlive its messenger.
class PKTVERBS_EXPORT Listener {
public:
    /// Throws std::system_error: EADDRINUSE, or EADDRNOTAVAIL and ENODEV for an address that no RDMA device has, or
    /// EINVAL for a backlog below 1. Port 0 takes a free one.
    Listener(Messenger& messenger, const Address& address, const Options& options = {}, ListenerHandlers handlers = {});
    Listener(Listener&& other) noexcept;
    Listener& operator=(Listener&& other) noexcept;
    ~Listener();

    /// With the port that was taken.
    Address address() const;
    [[nodiscard]] RequestWaiter request() const noexcept;
    /// Accepts the next request and waits until it is established; nullopt when the listener ended. If one fails, the
    /// error handler hears of it, and the next one is accepted.
    async::Task<std::optional<Socket>> accept();

private:
    /// A task begins late: the listener may have moved or gone by then.
    static async::Task<std::optional<Socket>> accept_from(std::shared_ptr<ListenerState> state);

    std::shared_ptr<ListenerState> state_;
};

}  // namespace pktverbs::messages
