// SPDX-License-Identifier: Apache-2.0
// Connection: messages and completions.
#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/connection.hpp"
#include "messages/error.hpp"
#include "messages/loop.hpp"

namespace pktverbs::messages {

namespace {

/// Of a send's wr_id; the rest is its number in the ring. A receive's is the index of its buffer.
constexpr std::uint64_t send_bit = std::uint64_t{1} << 63;

}  // namespace

void Connection::on_completion_event() {
    if (!cq_) return;
    // Armed first: what comes while we poll makes an event.
    cq_->arm();
    service();
}

void Connection::poll() {
    constexpr int most_batches = 8;  // then others have their turn
    const Unfinished unfinished{*this};
    for (int batches = 0; cq_ && state_ != State::ended; ++batches) {
        take_batch();
        if (!cq_ || state_ == State::ended) break;
        if (batches == most_batches) return needs_service();
        const int got = ibv_poll_cq(cq_->raw(), static_cast<int>(batch_.size()), batch_.data());
        if (got < 0) return fail(make_error(EIO, "poll the completions of " + peer_.to_string(), {}));
        if (got == 0) return;
        completions_ += static_cast<std::uint64_t>(got);
        batch_next_ = 0;
        batch_end_ = static_cast<std::size_t>(got);
    }
}

Connection::Unfinished::~Unfinished() {
    // A handler threw: what is left is for later.
    if (connection.batch_next_ != connection.batch_end_ && connection.loop_) connection.needs_service();
}

void Connection::take_batch() {
    while (batch_next_ != batch_end_ && state_ != State::ended) {
        const ibv_wc& wc = batch_[batch_next_++];
        if ((wc.wr_id & send_bit) != 0)
            sent(wc);
        else
            received(wc);
    }
}

void Connection::sent(const ibv_wc& wc) {
    if (ring_.empty() || (wc.wr_id & ~send_bit) != ring_.first()) return confused(wc);
    Buffer* const buffer = ring_.take();
    if (wc.status == IBV_WC_SUCCESS && buffer && state_ == State::established && socket_ && handlers_.sent)
        return handlers_.sent(*socket_, Message{*buffer});
    if (buffer) buffer->pool->give_back(*buffer);
    if (wc.status != IBV_WC_SUCCESS) completion_failed(wc, true);
}

void Connection::received(const ibv_wc& wc) {
    if (wc.wr_id >= pool_->size() || !pool_->buffer(wc.wr_id).is_posted) return confused(wc);
    Buffer& buffer = pool_->buffer(wc.wr_id);
    buffer.is_posted = false;
    if (wc.status != IBV_WC_SUCCESS || wc.byte_len > pool_->capacity()) {
        pool_->put_away(buffer);
        return completion_failed(wc, false);
    }
    // A write with immediate data takes a receive, but is no message.
    if (wc.opcode != IBV_WC_RECV) return pool_->give_back(buffer);
    buffer.length = wc.byte_len;
    if (state_ == State::accepting) {
        // The message has overtaken the peer's confirmation.
        loop_->manager().notify(id_.get(), IBV_EVENT_COMM_EST);
        become_established();
    }
    if (state_ == State::established)
        deliver(buffer);
    else
        pool_->put_away(buffer);
}

void Connection::deliver(Buffer& buffer) {
    if (!receivers_.empty()) {
        auto& waiter = static_cast<ReceiveWaiter&>(receivers_.front());
        waiter.result_.emplace(Message{buffer});
        loop_->resume_soon(waiter);
    } else if (socket_ && handlers_.message) {
        handlers_.message(*socket_, Message{buffer});
    } else {
        inbox_.add(buffer);
    }
}

void Connection::completion_failed(const ibv_wc& wc, bool sending) {
    if (state_ >= State::leaving) return;  // flushed
    const std::string what = fmt::format("{} {}", sending ? "send to" : "receive from", peer_.to_string());
    const std::string_view hint = hint_for(wc.status, sending);
    const std::string_view status = ibv_wc_status_str(wc.status);
    fail(make_error(errno_of(wc.status), what,
                    hint.empty() ? std::string{status} : fmt::format("{}: {}", status, hint)));
}

void Connection::confused(const ibv_wc& wc) {
    fail(make_error(EPROTO, "use the connection to " + peer_.to_string(),
                    fmt::format("a completion with the unknown wr_id {:#x}: the driver is broken", wc.wr_id)));
}

void Connection::released(Buffer& buffer) noexcept {
    if (state_ >= State::leaving) return;
    if (buffer.home == Buffer::Home::receives)
        post_receive(buffer);
    else if (wants_room_ || !acquirers_.empty())
        needs_service();
}

void Connection::post_receive(Buffer& buffer) noexcept {
    ibv_sge slice{reinterpret_cast<std::uint64_t>(buffer.data), pool_->capacity(), pool_->lkey()};
    ibv_recv_wr wr{};
    wr.wr_id = buffer.index;
    wr.sg_list = &slice;
    wr.num_sge = 1;
    ibv_recv_wr* refused = nullptr;
    const int error = ibv_post_recv(qp_->raw(), &wr, &refused);
    if (error == 0) {
        pool_->take(buffer);
        buffer.is_posted = true;
    } else {
        post_error_ = error > 0 ? error : EIO;
        needs_service();
    }
}

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
        // An empty write needs no receive and no right to any memory, and is answered (IB specification, C9-88).
        wr.opcode = IBV_WR_RDMA_WRITE;
    }
    ibv_send_wr* refused = nullptr;
    const int error = ibv_post_send(qp_->raw(), &wr, &refused);
    return error >= 0 ? error : EIO;
}

void Connection::ask_whether_alive() {
    if (state_ != State::established) return;
    keepalive_.set(loop_->timers(), options_.keepalive);
    // What is under way asks by itself.
    if (std::exchange(completions_at_tick_, completions_) != completions_ || !ring_.empty()) return;
    if (const int error = post(nullptr); error != 0)
        return fail(make_error(error, "ask whether the peer lives: " + peer_.to_string(), {}));
    ring_.add_question();
}

void Connection::check_message(const Message& message) const {
    if (message && message.buffer_->pool->device() == device_ && message.size_ <= peer_message_bytes_) return;
    const std::string what = fmt::format("send a message of {} bytes to {}", message.size_, peer_.to_string());
    if (!message) verbs::throw_error(EINVAL, what, "it has no buffer: it was sent or moved from");
    if (message.buffer_->pool->device() != device_)
        verbs::throw_error(EINVAL, what, "its memory belongs to another device or loop");
    verbs::throw_error(EMSGSIZE, what, fmt::format("the peer takes at most {} bytes", peer_message_bytes_));
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
    wants_room_ = true;
    return std::make_error_code(std::errc::resource_unavailable_try_again);
}

Message Connection::try_acquire() {
    if (is_over()) return {};
    if (state_ == State::established && acquirers_.empty())
        if (Buffer* const buffer = pool_->take()) return Message{*buffer};
    wants_room_ = true;
    return {};
}

Message Connection::try_receive() {
    Buffer* const buffer = inbox_.take();
    return buffer ? Message{*buffer} : Message{};
}

std::size_t Connection::send_capacity() const noexcept {
    return state_ == State::established && !is_leaving_ ? options_.sends - ring_.messages() : 0;
}

void Connection::use_room() {
    if (state_ != State::established || is_leaving_) return;
    while (!acquirers_.empty()) {
        Buffer* const buffer = pool_->take();
        if (!buffer) break;
        auto& waiter = static_cast<AcquireWaiter&>(acquirers_.front());
        waiter.result_.emplace(Message{*buffer});
        loop_->resume_soon(waiter);
    }
    while (!senders_.empty() && ring_.has_room()) {
        auto& waiter = static_cast<SendWaiter&>(senders_.front());
        send_for(waiter);
        loop_->resume_soon(waiter);
    }
    if (!wants_room_ || !ring_.has_room() || !pool_->has_free()) return;
    wants_room_ = false;
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

bool Connection::receive(ReceiveWaiter& waiter) {
    if (Buffer* const buffer = inbox_.take()) waiter.result_.emplace(Message{*buffer});
    return waiter.result_.has_value() || state_ == State::ended;
}

}  // namespace pktverbs::messages
