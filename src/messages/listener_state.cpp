// SPDX-License-Identifier: Apache-2.0
#include "messages/listener_state.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/error.hpp"
#include "messages/messenger_state.hpp"
#include "messages/pending_request.hpp"

namespace pktverbs::messages {

ListenerState::ListenerState(MessengerState& messenger, const Address& address, const Options& options,
                             ListenerHandlers handlers)
    : messenger_{&messenger},
      address_{address},
      options_{options},
      handlers_{std::move(handlers)},
      id_{messenger.make_id(*this)},
      work_{std::in_place, messenger.executor()} {
    const ConnectionManager& manager = messenger.manager();
    const std::string what = "listen at " + address_.to_string();
    if (options_.backlog < 1) verbs::throw_error(EINVAL, what, "backlog must be at least 1");
    check_cm({"bind_addr", what}, [&] { return manager.bind_addr(id_.get(), address_.raw()); });
    check_cm({"listen", what}, [&] { return manager.listen(id_.get(), options_.backlog); });
    address_ = Address{*rdma_get_local_addr(id_.get())};
}

void ListenerState::on_event(const CmEvent& event) {
    const auto self = shared_from_this();  // a handler may end the listener, which owns the handler
    if (event.type == RDMA_CM_EVENT_CONNECT_REQUEST) {
        if (event.id != id_.get()) take_request(event);
    } else if (event.type == RDMA_CM_EVENT_DEVICE_REMOVAL && event.id == id_.get()) {
        const auto failure = caught(
            [&] { verbs::throw_error(ENODEV, "listen at " + address_.to_string(), "the RDMA device was removed"); });
        end();
        report_caught(failure, [this](const std::system_error& error) { report(error); });
    }
}

void ListenerState::take_request(const CmEvent& event) {
    CmId id{event.id, {&messenger_->manager()}};
    // The kernel counts only those that were not read yet, and reports none that is given up before the answer
    // (ucma_get_event() and ucma_event_handler() in Linux, drivers/infiniband/core/ucma.c).
    if (unanswered_ >= static_cast<std::size_t>(options_.backlog))
        return reject(messenger_->manager(), *id, "too many requests wait for an answer");
    std::unique_ptr<PendingRequest> pending;
    const auto failure = caught([&] {
        pending = std::make_unique<PendingRequest>(*messenger_, shared_from_this(), std::move(id), event.private_data,
                                                   options_);
    });
    // Out of memory: the id has ended, which the peer sees as a rejection.
    if (failure) return report_caught(failure, [this](const std::system_error& error) { report(error); });
    take(Request{std::move(pending)});
}

void ListenerState::take(Request request) {
    if (!waiters_.empty()) {
        auto& waiter = static_cast<RequestWaiter&>(waiters_.front());
        waiter.result_.emplace(std::move(request));
        messenger_->resume_soon(waiter);
    } else if (handlers_.request) {
        handlers_.request(std::move(request));
    } else if (keeps_requests_) {
        if (const auto failure = caught([&] { requests_.push_back(std::move(request)); }))
            report_caught(failure, [this](const std::system_error& error) { report(error); });
    }
}

bool ListenerState::request(RequestWaiter& waiter) {
    keeps_requests_ = true;
    if (!requests_.empty()) {
        waiter.result_.emplace(std::move(requests_.front()));
        requests_.pop_front();
    }
    return waiter.result_ || !messenger_;
}

void ListenerState::forget(const PendingRequest& pending) noexcept {
    const auto at = std::ranges::find_if(requests_, [&](const Request& one) { return one.pending_.get() == &pending; });
    if (at != requests_.end()) requests_.erase(at);
}

void ListenerState::end() noexcept {
    if (!messenger_) return;
    MessengerState& messenger = *std::exchange(messenger_, nullptr);
    requests_.clear();
    while (!waiters_.empty()) messenger.resume_soon(waiters_.front());
    id_.reset();
    work_.reset();
    messenger.remove(*this);
}

}  // namespace pktverbs::messages
