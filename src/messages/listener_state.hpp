// SPDX-License-Identifier: Apache-2.0
// ListenerState: the state of a Listener: a listening id, and requests that were not taken yet.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>

#include <pktverbs/async/waiter.hpp>
#include <pktverbs/async/work.hpp>
#include <pktverbs/messages/listener.hpp>

#include "messages/cm_id.hpp"

namespace pktverbs::messages {

class MessengerState;
class PendingRequest;

class ListenerState final : public CmIdOwner, public std::enable_shared_from_this<ListenerState> {
public:
    /// Throws std::system_error.
    ListenerState(MessengerState& messenger, const Address& address, const Options& options, ListenerHandlers handlers);

    void on_event(const CmEvent& event) override;
    /// Ends with the listener or with its messenger.
    void end() noexcept;

    /// Calls the error handler.
    void report(const std::system_error& error) const {
        if (handlers_.error) handlers_.error(error);
    }
    const Address& address() const noexcept { return address_; }
    /// Returns true if there is no need to wait.
    bool request(RequestWaiter& waiter);
    void wait(RequestWaiter& waiter, std::coroutine_handle<> by) noexcept { waiters_.push(waiter, by); }

    // For its requests, which the program may own.
    void count_waiting() noexcept { ++unanswered_; }
    void count_answered() noexcept { --unanswered_; }
    /// The peer no longer waits for the answer: ends the Request if it was not taken yet.
    void forget(const PendingRequest& pending) noexcept;

private:
    void take_request(const CmEvent& event);
    void take(Request request);

    MessengerState* messenger_;
    Address address_;
    Options options_;
    ListenerHandlers handlers_;
    CmId id_;
    std::optional<async::Work> work_;  ///< until the end
    bool keeps_requests_ = false;      ///< request() was called
    std::size_t unanswered_ = 0;       ///< including those that the program owns
    std::deque<Request> requests_;
    async::WaiterList waiters_;
};

}  // namespace pktverbs::messages
