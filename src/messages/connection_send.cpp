// SPDX-License-Identifier: Apache-2.0
// Connection: sending, room for messages, and the probe whether the peer lives.
#include <fmt/core.h>

#include <cerrno>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/connection.hpp"
#include "messages/error.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

int Connection::post(const Message* message) noexcept {
    ibv_sge slice{};
    ibv_send_wr wr{};
    wr.wr_id = send_bit | ring_.next();
    wr.send_flags = IBV_SEND_SIGNALED;
    if (message) {
        wr.opcode = IBV_WR_SEND;
        slice = {reinterpret_cast<std::uint64_t>(message->data_), message->size_, message->buffer_->pool->lkey()};
        wr.sg_list = &slice;
        wr.num_sge = message->size_ != 0 ? 1 : 0;
    } else {
        // An empty write needs no receive and no memory rights, and the peer's device acknowledges it (IB
        // specification, C9-88).
        wr.opcode = IBV_WR_RDMA_WRITE;
    }
    ibv_send_wr* refused = nullptr;
    const int error = ibv_post_send(qp_->raw(), &wr, &refused);
    return error >= 0 ? error : EIO;
}

void Connection::probe_peer() {
    if (state_ != State::established || peer_has_left_) return;
    keepalive_.call_after(options_.keepalive);
    // Sends in flight are as good as a probe.
    if (std::exchange(completions_at_tick_, completions_) != completions_ || !ring_.empty()) return;
    if (const int error = post(nullptr); error != 0)
        return fail(caught([&] { verbs::throw_error(error, about_peer("probe"), {}); }));
    ring_.add_probe();
}

void Connection::check_message(const Message& message) const {
    if (message && message.buffer_->pool->device() == device_ && message.size_ <= peer_message_bytes_) return;
    const std::string what = fmt::format("send a message of {} bytes to {}", message.size_, peer_.to_string());
    if (!message) verbs::throw_error(EINVAL, what, "the message has no buffer: it was sent or moved from");
    if (message.buffer_->pool->device() != device_)
        verbs::throw_error(EINVAL, what, "its buffer belongs to another device or messenger");
    verbs::throw_error(EMSGSIZE, what, fmt::format("the peer accepts at most {} bytes", peer_message_bytes_));
}

std::error_code Connection::send_now(Message& message) {
    check_message(message);
    if (const int error = post(&message); error != 0) return {error, std::generic_category()};
    Message taken = std::move(message);
    taken.buffer_->length = taken.size_;
    ring_.add(*std::exchange(taken.buffer_, nullptr));
    return {};
}

std::error_code Connection::try_send(Message& message) {
    if (is_over()) return std::make_error_code(std::errc::not_connected);
    if (state_ == State::established && senders_.empty() && ring_.has_room()) return send_now(message);
    wants_slot_ = true;
    return std::make_error_code(std::errc::resource_unavailable_try_again);
}

Message Connection::try_acquire() {
    if (is_over()) return {};
    if (state_ == State::established && acquirers_.empty())
        if (Buffer* const buffer = pool_->take()) return Message{*buffer};
    wants_buffer_ = true;
    return {};
}

std::size_t Connection::send_capacity() const noexcept {
    return state_ == State::established && !is_over() ? options_.sends - ring_.messages() : 0;
}

void Connection::use_room() {
    if (state_ != State::established || is_leaving_) return;
    while (!acquirers_.empty()) {
        Buffer* const buffer = pool_->take();
        if (!buffer) break;
        auto& waiter = static_cast<AcquireWaiter&>(acquirers_.front());
        waiter.result_.emplace(Message{*buffer});
        messenger_->resume_soon(waiter);
    }
    while (!senders_.empty() && ring_.has_room()) {
        auto& waiter = static_cast<SendWaiter&>(senders_.front());
        send_for(waiter);
        messenger_->resume_soon(waiter);
    }
    const bool has_buffer = wants_buffer_ && pool_->has_free();
    const bool has_slot = wants_slot_ && ring_.has_room();
    if (!has_buffer && !has_slot) return;
    if (has_buffer) wants_buffer_ = false;
    if (has_slot) wants_slot_ = false;
    if (socket_ && handlers_.writable) handlers_.writable(*socket_);
}

void Connection::send_for(SendWaiter& waiter) noexcept {
    try {
        waiter.outcome_ = send_now(waiter.message_);
    } catch (...) {
        waiter.refusal_ = std::current_exception();
    }
}

bool Connection::acquire(AcquireWaiter& waiter) {
    if (is_over()) return true;
    if (state_ == State::established && acquirers_.empty())
        if (Buffer* const buffer = pool_->take()) waiter.result_.emplace(Message{*buffer});
    return waiter.result_.has_value();
}

bool Connection::send(SendWaiter& waiter) {
    if (is_over()) {
        waiter.outcome_ = std::make_error_code(std::errc::not_connected);
        return true;
    }
    if (state_ != State::established || !senders_.empty() || !ring_.has_room()) return false;
    send_for(waiter);
    return true;
}

}  // namespace pktverbs::messages
