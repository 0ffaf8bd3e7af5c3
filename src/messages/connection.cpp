// SPDX-License-Identifier: Apache-2.0
// Connection: its events and its end.
#include "messages/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/error.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

namespace {

/// Longer times count as 20 days: that many milliseconds fit into librdmacm's int, and their nanoseconds into 64 bits.
Options with_times_that_fit(Options options) {
    constexpr std::chrono::milliseconds longest = std::chrono::hours{20 * 24};
    for (auto* time : {&options.connect_timeout, &options.close_timeout, &options.keepalive})
        *time = std::clamp(*time, std::chrono::milliseconds{0}, longest);
    return options;
}

void check(const Options& options) {
    const auto refuse = [](std::string_view why) { verbs::throw_error(EINVAL, "make a socket", why); };
    if (options.message_bytes == 0) refuse("message_bytes must be at least 1");
    if (options.receives == 0 || options.sends == 0) refuse("receives and sends must be at least 1");
    if (options.ack_timeout > 31 || options.min_rnr_timer > 31) refuse("ack_timeout and min_rnr_timer must be 0 to 31");
    if (options.retry_count > 7 || options.rnr_retry > 7) refuse("retry_count and rnr_retry must be 0 to 7");
    if (options.connect_timeout.count() <= 0) refuse("connect_timeout must be at least 1 ms");
}

}  // namespace

template <void (Connection::*member)()>
bool Connection::enter() {
    const auto self = shared_from_this();
    const MessengerState::Working working{*messenger_};
    (this->*member)();
    return true;
}

Connection::Connection(MessengerState& messenger, const Options& options, SocketHandlers handlers)
    : messenger_{&messenger},
      options_{with_times_that_fit(options)},
      handlers_{std::move(handlers)},
      peer_message_bytes_{options.assumed_peer_message_bytes},
      ring_{options.sends},
      work_{std::in_place, messenger.executor()},
      service_{messenger.executor(), async::Hook::call<&Connection::enter<&Connection::service>>(*this)},
      deadline_{messenger.executor(), async::Hook::call<&Connection::enter<&Connection::on_deadline>>(*this)},
      keepalive_{messenger.executor(), async::Hook::call<&Connection::enter<&Connection::probe_peer>>(*this)} {
    check(options);
}

Connection::~Connection() { tear_down(); }

void Connection::on_event(const CmEvent& event) {
    const ConnectionManager& manager = messenger_->manager();
    switch (event.type) {
        case RDMA_CM_EVENT_ESTABLISHED:
            if (state_ == State::accepting) become_established();
            return;
        case RDMA_CM_EVENT_DISCONNECTED:
            if (state_ != State::established && state_ != State::accepting) return end({});
            if (!std::exchange(peer_has_left_, true)) manager.disconnect(id_.get());
            service();  // takes the messages that the peer sent before it left
            return;
        case RDMA_CM_EVENT_TIMEWAIT_EXIT:
            if (state_ == State::established && !peer_has_left_)
                fail(caught([&] {
                    verbs::throw_error(ECONNRESET, about_peer("keep the connection to"),
                                       "the connection manager ended it");
                }));
            return;
        case RDMA_CM_EVENT_DEVICE_REMOVAL:
            if (device_) device_->set_lost();
            fail(caught([&] {
                verbs::throw_error(ENODEV, about_peer("keep the connection to"), "its RDMA device was removed");
            }));
            return;
        default:
            if (state_ < State::established) on_setup_event(event);
    }
}

void Connection::on_async_event(const verbs::AsyncEvent& event) {
    // It has received something, perhaps a probe, which is no message (rdma_notify(3)).
    if (event.type == IBV_EVENT_COMM_EST && state_ == State::accepting)
        messenger_->manager().notify(id_.get(), event.type);
    // Where nothing is posted, no completion reports it.
    if (event.is_fatal()) lose(EIO, ibv_event_type_str(event.type));
}

void Connection::lose_device() noexcept { lose(ENODEV, "its RDMA device failed or was removed"); }

void Connection::lose(int error, std::string_view why) noexcept {
    if (loss_ || state_ >= State::leaving || peer_has_left_) return;
    loss_ = caught([&] { verbs::throw_error(error, about_peer("keep the connection to"), why); });
    needs_service();
}

bool Connection::is_subject_of(const verbs::AsyncEvent& event) const noexcept {
    return (qp_ && event.is_about(qp_->raw())) || (cq_ && event.is_about(cq_->raw()));
}

void Connection::on_deadline() {
    switch (state_) {
        case State::established:  // disconnect() has waited long enough for messages in flight
            if (peer_has_left_) return end({});
            leave();
            return;
        case State::leaving:
            end({});
            return;
        case State::accepting:
            fail(
                caught([&] { verbs::throw_error(ETIMEDOUT, connecting(), "the peer didn't confirm the connection"); }));
            return;
        default:
            try_next_address(caught([&] { throw_cm_error(ETIMEDOUT, {"connect", connecting()}); }));
    }
}

void Connection::service() {
    if (is_down_) return;
    if (state_ == State::accepting && failure_) return fail(failure_);
    const bool is_drained = poll();
    if (loss_) {
        if (is_drained) fail(loss_);
        return;
    }
    if (peer_has_left_) {
        // If the socket has ended meanwhile, there is nothing to wait for.
        if (is_drained || state_ >= State::leaving) end({});
        return;
    }
    if (post_error_ != 0 && state_ == State::established)
        fail(caught([&] { verbs::throw_error(post_error_, about_peer("receive from"), "cannot post a receive"); }));
    use_room();
    if (!is_leaving_) return;
    if (state_ == State::established && ring_.messages() == 0 && is_drained) leave();
    if (state_ < State::established) end({});
}

void Connection::disconnect() {
    if (is_leaving_ || state_ >= State::leaving) return;
    is_leaving_ = true;
    resume_all();
    if (state_ == State::established) deadline_.call_after(options_.close_timeout);
    needs_service();
}

void Connection::leave() noexcept {
    state_ = State::leaving;
    keepalive_.cancel();
    messenger_->manager().disconnect(id_.get());
    // librdmacm moves only queue pairs that it made itself to the error state.
    ibv_qp_attr attr{};
    attr.qp_state = IBV_QPS_ERR;
    messenger_->manager().provider->modify_qp(qp_->raw(), &attr, IBV_QP_STATE);
    deadline_.call_after(options_.close_timeout);
}

void Connection::fail(std::exception_ptr failure) {
    if (state_ == State::ended) return;
    failure_ = std::move(failure);
    end(code_of(failure_));
}

void Connection::end(std::error_code why) {
    if (state_ == State::ended) return;
    state_ = State::ended;
    deadline_.cancel();
    keepalive_.cancel();
    resume_all();
    messenger_->retire(*this);
    // Either handler may end the socket, and may throw.
    std::exception_ptr thrown;
    try {
        report_failure();
    } catch (...) {
        thrown = std::current_exception();
    }
    if (socket_ && handlers_.disconnected) handlers_.disconnected(*socket_, why);
    if (thrown) std::rethrow_exception(thrown);
}

void Connection::report_failure() {
    if (!failure_ || !socket_ || !handlers_.error) return;
    report_caught(failure_, [this](const std::system_error& error) { handlers_.error(*socket_, error); });
}

void Connection::drop() noexcept {
    socket_ = nullptr;
    if (!messenger_) return;
    resume_all();
    if (state_ == State::established) leave();
    if (state_ >= State::leaving) return;  // waits for the peer's answer
    state_ = State::ended;
    deadline_.cancel();
    messenger_->retire(*this);
}

void Connection::lose_messenger() noexcept {
    state_ = State::ended;
    cancel_hooks();
    resume_all();
}

void Connection::tear_down() noexcept {
    if (std::exchange(is_down_, true)) return;
    cancel_hooks();
    discard_attempt();
    messenger_ = nullptr;
    work_.reset();
}

void Connection::cancel_hooks() noexcept {
    for (async::Hook* hook : {&service_, &deadline_, &keepalive_}) hook->cancel();
}

void Connection::discard_attempt() noexcept {
    batch_next_ = batch_end_ = 0;
    qp_.reset();
    cq_.reset();
    while (!ring_.empty())
        if (Buffer* const buffer = ring_.take()) buffer->pool->give_back(*buffer);
    if (Pool* const pool = std::exchange(pool_, nullptr)) pool->abandon();
    // Before the identifier: when the last one ends, the connection manager may close the device.
    if (MessengerDevice* const device = std::exchange(device_, nullptr)) messenger_->leave(*device);
    id_.reset();
}

void Connection::resume_all() noexcept {
    // While a connection leaves, coroutines may still wait for its last messages and its end.
    if (state_ == State::ended || !socket_)
        while (!receivers_.empty()) messenger_->resume_soon(receivers_.front());
    while (!acquirers_.empty()) messenger_->resume_soon(acquirers_.front());
    while (!senders_.empty()) {
        static_cast<SendWaiter&>(senders_.front()).outcome_ = std::make_error_code(std::errc::not_connected);
        messenger_->resume_soon(senders_.front());
    }
    while (!establishers_.empty()) {
        static_cast<EstablishedWaiter&>(establishers_.front()).failure_ = failure_to_establish();
        messenger_->resume_soon(establishers_.front());
    }
}

std::exception_ptr Connection::failure_to_establish() const noexcept {
    if (failure_) return failure_;
    return caught([&] { verbs::throw_error(ECANCELED, connecting(), "the socket or its messenger ended first"); });
}

bool Connection::establish(EstablishedWaiter& waiter) noexcept {
    if (state_ >= State::leaving || is_leaving_) waiter.failure_ = failure_to_establish();
    return state_ >= State::established || is_leaving_;
}

bool Connection::is_over() const noexcept { return is_leaving_ || peer_has_left_ || state_ >= State::leaving; }

}  // namespace pktverbs::messages
