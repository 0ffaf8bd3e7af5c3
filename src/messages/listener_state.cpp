// SPDX-License-Identifier: Apache-2.0
#include "messages/listener_state.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include "messages/error.hpp"
#include "messages/loop.hpp"
#include "messages/pending_request.hpp"

namespace pktverbs::messages {

ListenerState::ListenerState(Loop& loop, const Address& address, const Options& options, ListenerHandlers handlers)
    : loop_{&loop}, address_{address}, options_{options}, handlers_{std::move(handlers)}, id_{loop.make_id(*this)} {
    const ConnectionManager& manager = loop.manager();
    const std::string what = "listen at " + address_.to_string();
    check_cm({"bind_addr", what}, [&] { return manager.bind_addr(id_.get(), address_.raw()); });
    check_cm({"listen", what}, [&] { return manager.listen(id_.get(), options_.backlog); });
    address_ = Address{*rdma_get_local_addr(id_.get())};
}

void ListenerState::on_event(const CmEvent& event) {
    const auto self = shared_from_this();  // a handler may end the listener, and is part of it
    if (event.type == RDMA_CM_EVENT_CONNECT_REQUEST) {
        CmId id{event.id, {&loop_->manager()}};
        take(Request{std::make_unique<PendingRequest>(*loop_, std::move(id), event.private_data, options_)});
    } else if (event.type == RDMA_CM_EVENT_DEVICE_REMOVAL) {
        const auto failure = make_error(ENODEV, "listen at " + address_.to_string(), "the RDMA device was removed");
        end();
        try {
            std::rethrow_exception(failure);
        } catch (const std::system_error& error) {
            tell(error);
        }
    }
}

void ListenerState::take(Request request) {
    if (!waiters_.empty()) {
        auto& waiter = static_cast<RequestWaiter&>(waiters_.front());
        waiter.result_.emplace(std::move(request));
        loop_->resume_soon(waiter);
    } else if (handlers_.request) {
        handlers_.request(std::move(request));
    } else if (keeps_requests_) {
        requests_.push_back(std::move(request));
    }
}

bool ListenerState::request(RequestWaiter& waiter) {
    keeps_requests_ = true;
    if (!requests_.empty()) {
        waiter.result_.emplace(std::move(requests_.front()));
        requests_.pop_front();
    }
    return waiter.result_ || !loop_;
}

void ListenerState::end() noexcept {
    if (!loop_) return;
    Loop& loop = *std::exchange(loop_, nullptr);
    requests_.clear();
    while (!waiters_.empty()) loop.resume_soon(waiters_.front());
    id_.reset();
    loop.remove(*this);
}

}  // namespace pktverbs::messages
