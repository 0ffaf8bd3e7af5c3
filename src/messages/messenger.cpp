// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/messenger.hpp>

#include <utility>

#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

Messenger::Messenger(async::Executor& executor, const ConnectionManager& manager)
    : state_{std::make_unique<MessengerState>(executor, manager)} {}
Messenger::~Messenger() = default;

async::Executor& Messenger::executor() const noexcept { return state_->executor(); }

async::Task<Socket> Messenger::connect(std::string where, Options options) {
    Socket socket{*this, where, options};
    co_await socket.established();
    co_return std::move(socket);
}

}  // namespace pktverbs::messages
