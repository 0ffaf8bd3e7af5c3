// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/messages/request.hpp>

#include <cerrno>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/connection.hpp"
#include "messages/messenger_state.hpp"
#include "messages/pending_request.hpp"

namespace pktverbs::messages {

Request::Request(std::unique_ptr<PendingRequest> pending) noexcept : pending_{std::move(pending)} {}
Request::Request(Request&& other) noexcept = default;
Request& Request::operator=(Request&& other) noexcept = default;
Request::~Request() = default;

Address Request::peer() const { return pending_->peer(); }
Address Request::local() const { return pending_->local(); }
std::span<const std::uint8_t> Request::private_data() const noexcept { return pending_->private_data(); }

Socket Request::accept(SocketHandlers handlers) { return accept(std::move(handlers), pending_->options()); }

Socket Request::accept(SocketHandlers handlers, const Options& options) {
    MessengerState* const messenger = pending_->messenger();
    if (!messenger)
        verbs::throw_error(EINVAL, "accept a connection from " + peer().to_string(),
                           "the request was answered before, or its messenger has ended");
    auto connection = std::make_shared<Connection>(*messenger, options, std::move(handlers));
    messenger->add(connection);
    if (pending_->withdrawal()) {
        connection->fail_to_accept(pending_->peer(), pending_->withdrawal());
        pending_->reject({});
    } else {
        connection->accept(pending_->take_id(), pending_->private_data());
    }
    return Socket{std::move(connection)};
}

void Request::reject(std::string_view reason) noexcept { pending_->reject(reason); }

}  // namespace pktverbs::messages
