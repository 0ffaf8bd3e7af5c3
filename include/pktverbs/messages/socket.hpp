// SPDX-License-Identifier: Apache-2.0
// Socket: one end of a connection for messages.
#pragma once

#include <infiniband/verbs.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

#include <pktverbs/async/waiter.hpp>
#include <pktverbs/export.hpp>
#include <pktverbs/messages/address.hpp>
#include <pktverbs/messages/message.hpp>
#include <pktverbs/messages/options.hpp>

namespace pktverbs::messages {

class Connection;
class Messenger;
class Socket;

/// The functions that a socket calls, in the executor's thread.
///
/// They may do anything with any socket, and end it. Their exceptions leave Executor::run() or step().
struct SocketHandlers {
    /// The connection is established: messages can be sent.
    std::function<void(Socket&)> established = {};
    /// A message has arrived. Without this handler, messages wait for receive().
    std::function<void(Socket&, Message)> message = {};
    /// The peer has received a message, which can be filled again or released.
    std::function<void(Socket&, Message)> sent = {};
    /// There is room again after try_acquire() or try_send() found none.
    std::function<void(Socket&)> writable = {};
    /// The connection has ended, on either side; called once. The error code is 0 if one side ended it on purpose.
    std::function<void(Socket&, std::error_code)> disconnected = {};
    /// A failure, in words; disconnected follows.
    std::function<void(Socket&, const std::system_error&)> error = {};
};

/// Waits for a message: `co_await socket.receive()` returns the next one, or nullopt after the last.
class PKTVERBS_EXPORT ReceiveWaiter : public async::Waiter {
public:
    bool await_ready();
    void await_suspend(std::coroutine_handle<> coroutine) noexcept;
    std::optional<Message> await_resume() noexcept { return std::move(result_); }

private:
    friend class Connection;
    friend class Socket;
    explicit ReceiveWaiter(Connection& connection) noexcept : connection_{&connection} {}
    Connection* connection_;
    std::optional<Message> result_;
};

/// Waits for a message to fill: `co_await socket.acquire()` returns an empty one, or nullopt when the connection has
/// ended.
class PKTVERBS_EXPORT AcquireWaiter : public async::Waiter {
public:
    bool await_ready();
    void await_suspend(std::coroutine_handle<> coroutine) noexcept;
    std::optional<Message> await_resume() noexcept { return std::move(result_); }

private:
    friend class Connection;
    friend class Socket;
    explicit AcquireWaiter(Connection& connection) noexcept : connection_{&connection} {}
    Connection* connection_;
    std::optional<Message> result_;
};

/// Waits to send a message: `co_await socket.send()` returns no error once it is in flight.
class PKTVERBS_EXPORT SendWaiter : public async::Waiter {
public:
    bool await_ready();
    void await_suspend(std::coroutine_handle<> coroutine) noexcept;
    std::error_code await_resume();

private:
    friend class Connection;
    friend class Socket;
    SendWaiter(Connection& connection, Message message) noexcept
        : connection_{&connection}, message_{std::move(message)} {}
    Connection* connection_;
    Message message_;
    std::error_code outcome_;
    std::exception_ptr refusal_;
};

/// Waits for a connection: `co_await socket.established()` throws std::system_error if it is not established.
class PKTVERBS_EXPORT EstablishedWaiter : public async::Waiter {
public:
    bool await_ready() noexcept;
    void await_suspend(std::coroutine_handle<> coroutine) noexcept;
    void await_resume() const;

private:
    friend class Connection;
    friend class Socket;
    explicit EstablishedWaiter(Connection& connection) noexcept : connection_{&connection} {}
    Connection* connection_;
    std::exception_ptr failure_;
};

/// Sends and receives messages over a connection with a peer.
///
/// Move-only. When it ends, the connection ends at once, without handlers; disconnect() ends it gracefully. Coroutines
/// that wait for it are resumed. It may outlive its messenger, and is disconnected then. It must be used in the
/// executor's thread.
class PKTVERBS_EXPORT Socket {
public:
    /// Connects to the first of the addresses that answers; `where` is as for Address::resolve(). Messages can be sent
    /// once it is established. Throws std::system_error; later failures go to the error handler.
    Socket(Messenger& messenger, std::string_view where, const Options& options = {}, SocketHandlers handlers = {});
    Socket(Messenger& messenger, std::span<const Address> where, const Options& options = {},
           SocketHandlers handlers = {});
    Socket(Socket&& other) noexcept;
    Socket& operator=(Socket&& other) noexcept;
    ~Socket();

    /// Waits until the connection is established.
    [[nodiscard]] EstablishedWaiter established() const noexcept { return EstablishedWaiter{*connection_}; }
    /// Whether the connection is established.
    bool is_established() const noexcept;
    /// Replaces all handlers. Must not be called by a handler of this socket.
    void set_handlers(SocketHandlers handlers);

    /// Returns an empty message to fill and send; no message if all `sends` of them are in use.
    Message try_acquire();
    /// Waits for an empty message to fill.
    [[nodiscard]] AcquireWaiter acquire() const noexcept { return AcquireWaiter{*connection_}; }

    /// Sends the message. If it can't now (EAGAIN: not established yet, or too many in flight) or never will
    /// (ENOTCONN), `message` stays as it was. Throws std::system_error for errors of the caller: EMSGSIZE for more than
    /// peer_message_bytes(), EINVAL for no message, or one of another messenger or device. A received message can be
    /// sent as it is, by any socket of its messenger and device.
    std::error_code try_send(Message&& message);
    /// Sends the message when there is room: `co_await socket.send(std::move(message))`.
    [[nodiscard]] SendWaiter send(Message message) const noexcept { return {*connection_, std::move(message)}; }
    std::size_t in_flight() const noexcept;      ///< messages sent that the peer has not confirmed
    std::size_t send_capacity() const noexcept;  ///< messages that can be sent now

    /// Returns the next message that has arrived and was not given to a handler; no message if there is none now.
    Message try_receive();
    /// Waits for the next message.
    [[nodiscard]] ReceiveWaiter receive() const noexcept { return ReceiveWaiter{*connection_}; }

    /// Waits for messages in flight, then ends the connection with the peer; `disconnected` follows. No more messages
    /// can be sent.
    void disconnect();

    /// Returns the longest message that the peer takes: its announced limit, or Options::assumed_peer_message_bytes.
    std::size_t peer_message_bytes() const noexcept;
    /// Returns the options it was made with.
    const Options& options() const noexcept;
    /// Returns the peer's address.
    Address peer() const;
    /// Returns the local address; known when it is established.
    Address local() const;
    /// Returns the queue pair; null before the peer's address is resolved and after the connection has ended.
    ibv_qp* raw() const noexcept;

private:
    friend class Request;
    friend class Connection;
    explicit Socket(std::shared_ptr<Connection> connection) noexcept;

    std::shared_ptr<Connection> connection_;
};

}  // namespace pktverbs::messages
