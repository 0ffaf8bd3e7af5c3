// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/socket.hpp>

#include <utility>

#include <pktverbs/messages/messenger.hpp>

#include "messages/connection.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

Socket::Socket(std::shared_ptr<Connection> connection) noexcept : connection_{std::move(connection)} {
    connection_->set_socket(this);
}

Socket::Socket(Messenger& messenger, std::string_view where, const Options& options, SocketHandlers handlers)
    : Socket{messenger, Address::resolve(where), options, std::move(handlers)} {}

Socket::Socket(Messenger& messenger, std::span<const Address> where, const Options& options, SocketHandlers handlers)
    : Socket{std::make_shared<Connection>(*messenger.state_, options, std::move(handlers))} {
    connection_->connect(where);
    messenger.state_->add(connection_);
}

Socket::Socket(Socket&& other) noexcept : connection_{std::move(other.connection_)} {
    if (connection_) connection_->set_socket(this);
}

Socket& Socket::operator=(Socket&& other) noexcept {
    const Socket old{std::move(*this)};
    connection_ = std::move(other.connection_);
    if (connection_) connection_->set_socket(this);
    return *this;
}

Socket::~Socket() {
    if (connection_) connection_->drop();
}

bool Socket::is_established() const noexcept { return connection_->state() == Connection::State::established; }
void Socket::set_handlers(SocketHandlers handlers) { connection_->set_handlers(std::move(handlers)); }
Message Socket::try_acquire() { return connection_->try_acquire(); }
std::error_code Socket::try_send(Message&& message) { return connection_->try_send(message); }
std::size_t Socket::in_flight() const noexcept { return connection_->in_flight(); }
std::size_t Socket::send_capacity() const noexcept { return connection_->send_capacity(); }
Message Socket::try_receive() { return connection_->try_receive(); }
void Socket::disconnect() { connection_->disconnect(); }
std::size_t Socket::peer_message_bytes() const noexcept { return connection_->peer_message_bytes(); }
const Options& Socket::options() const noexcept { return connection_->options(); }
Address Socket::peer() const { return connection_->peer(); }
Address Socket::local() const { return connection_->local(); }
ibv_qp* Socket::raw() const noexcept { return connection_->raw(); }

bool ReceiveWaiter::await_ready() { return connection_->receive(*this); }
void ReceiveWaiter::await_suspend(std::coroutine_handle<> coroutine) noexcept { connection_->wait(*this, coroutine); }

bool AcquireWaiter::await_ready() { return connection_->acquire(*this); }
void AcquireWaiter::await_suspend(std::coroutine_handle<> coroutine) noexcept { connection_->wait(*this, coroutine); }

bool SendWaiter::await_ready() { return connection_->send(*this); }
void SendWaiter::await_suspend(std::coroutine_handle<> coroutine) noexcept { connection_->wait(*this, coroutine); }
std::error_code SendWaiter::await_resume() {
    if (refusal_) std::rethrow_exception(refusal_);
    return outcome_;
}

bool EstablishedWaiter::await_ready() noexcept { return connection_->establish(*this); }
void EstablishedWaiter::await_suspend(std::coroutine_handle<> coroutine) noexcept {
    connection_->wait(*this, coroutine);
}
void EstablishedWaiter::await_resume() const {
    if (failure_) std::rethrow_exception(failure_);
}

}  // namespace pktverbs::messages
