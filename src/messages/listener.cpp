// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/listener.hpp>

#include <utility>

#include <pktverbs/messages/messenger.hpp>

#include "messages/listener_state.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

Listener::Listener(Messenger& messenger, const Address& address, const Options& options, ListenerHandlers handlers)
    : state_{std::make_shared<ListenerState>(*messenger.state_, address, options, std::move(handlers))} {
    messenger.state_->add(state_);
}

Listener::Listener(Listener&& other) noexcept = default;

Listener& Listener::operator=(Listener&& other) noexcept {
    const Listener old{std::move(*this)};
    state_ = std::move(other.state_);
    return *this;
}

Listener::~Listener() {
    if (state_) state_->end();
}

Address Listener::address() const { return state_->address(); }

RequestWaiter Listener::request() const noexcept { return RequestWaiter{*state_}; }

async::Task<std::optional<Socket>> Listener::accept() { return accept_from(state_); }

async::Task<std::optional<Socket>> Listener::accept_from(std::shared_ptr<ListenerState> state) {
    for (;;) {
        std::optional<Request> request = co_await RequestWaiter{*state};
        if (!request) co_return std::nullopt;
        try {
            Socket socket = request->accept();
            co_await socket.established();
            co_return std::move(socket);
        } catch (const std::system_error& error) {
            state->report(error);
        }
    }
}

RequestWaiter::RequestWaiter(ListenerState& listener) noexcept : listener_{&listener} {}
bool RequestWaiter::await_ready() { return listener_->request(*this); }
void RequestWaiter::await_suspend(std::coroutine_handle<> coroutine) noexcept { listener_->wait(*this, coroutine); }

}  // namespace pktverbs::messages
