// SPDX-License-Identifier: Apache-2.0
// Socket: one end of a connection that carries messages both ways.
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

/// Called in the executor's thread, inside run() and step() only. They may do anything with any socket, and end it.
/// What they throw leaves run() or step().
struct SocketHandlers {
    std::function<void(Socket&)> established = {};
    /// Without this one, messages wait for receive().
    std::function<void(Socket&, Message)> message = {};
    /// The peer has it; to be filled again, or released.
    std::function<void(Socket&, Message)> sent = {};
    /// There is room after try_acquire() or try_send() found none.
    std::function<void(Socket&)> writable = {};
    /// Once, at the end, whoever brought it about. Without an error code if it was either side's wish.
    std::function<void(Socket&, std::error_code)> disconnected = {};
    /// What went wrong, in words; disconnected follows.
    std::function<void(Socket&, const std::system_error&)> error = {};
};

/// What `co_await socket.receive()` waits with: gives the next message, or nullopt after the last.
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

/// What `co_await socket.acquire()` waits with: gives an empty message to fill, or nullopt when the connection ended.
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

/// What `co_await socket.send()` waits with: gives no error once the message is under way.
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

/// What `co_await socket.established()` waits with: throws std::system_error if no connection comes about.
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

/// Move-only. Ending it ends the connection at once, without handlers; disconnect() is the gentle way. Coroutines that
/// wait for it are resumed. It may outlive its messenger: then it is disconnected. To be used in the executor's thread.
class PKTVERBS_EXPORT Socket {
public:
    /// Connects to the first of the addresses that answers; `where` is as Address::resolve() has it. Messages can be
    /// sent once it is established. Throws std::system_error; what fails later goes to the error handler.
    Socket(Messenger& messenger, std::string_view where, const Options& options = {}, SocketHandlers handlers = {});
    Socket(Messenger& messenger, std::span<const Address> where, const Options& options = {},
           SocketHandlers handlers = {});
    Socket(Socket&& other) noexcept;
    Socket& operator=(Socket&& other) noexcept;
    ~Socket();

    [[nodiscard]] EstablishedWaiter established() const noexcept { return EstablishedWaiter{*connection_}; }
    bool is_established() const noexcept;
    /// Replaces all of them. Not to be called by one of them.
    void set_handlers(SocketHandlers handlers);

    /// An empty message of this socket's, to be filled and sent; none if all `sends` of them are in use.
    Message try_acquire();
    [[nodiscard]] AcquireWaiter acquire() const noexcept { return AcquireWaiter{*connection_}; }

    /// Takes the message and sends it. If it can't now (EAGAIN: not established yet, or as many under way as can be) or
    /// never will (ENOTCONN), `message` is left as it was. Throws std::system_error for what could be known before:
    /// EMSGSIZE for more than peer_message_bytes(), EINVAL for no message or one of another messenger or device.
    /// A received message can be sent as it is, from any socket of its messenger and device.
    std::error_code try_send(Message&& message);
    /// The same, but waits its turn: `co_await socket.send(std::move(message))`.
    [[nodiscard]] SendWaiter send(Message message) const noexcept { return {*connection_, std::move(message)}; }
    std::size_t in_flight() const noexcept;      ///< messages sent that the peer hasn't confirmed
    std::size_t send_capacity() const noexcept;  ///< messages that can be sent now

    /// The next message that has come and no handler took; none if there is none now.
    Message try_receive();
    [[nodiscard]] ReceiveWaiter receive() const noexcept { return ReceiveWaiter{*connection_}; }

    /// Waits for messages under way, then takes leave of the peer; `disconnected` follows. Nothing more can be sent.
    void disconnect();

    /// The longest message that the peer takes: it said so, or Options::assumed_peer_message_bytes.
    std::size_t peer_message_bytes() const noexcept;
    const Options& options() const noexcept;
    Address peer() const;
    /// Of this end; known when it is established.
    Address local() const;
    /// Null before the peer's address is resolved and after the connection's end.
    ibv_qp* raw() const noexcept;

private:
    friend class Request;
    friend class Connection;
    explicit Socket(std::shared_ptr<Connection> connection) noexcept;

    std::shared_ptr<Connection> connection_;
};

}  // namespace pktverbs::messages
