// SPDX-License-Identifier: Apache-2.0
// Connection: completions, and received messages.
#include <fmt/core.h>

#include <cerrno>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/connection.hpp"
#include "messages/error.hpp"
#include "messages/messenger_state.hpp"

namespace pktverbs::messages {

void Connection::on_completion_event() {
    if (!cq_) return;
    is_armed_ = false;
    service();
}

bool Connection::poll() {
    constexpr int max_batches = 8;  // then other connections get their turn
    const Unfinished unfinished{*this};
    for (int batches = 0; cq_ && state_ != State::ended; ++batches) {
        take_batch();
        if (!cq_ || state_ == State::ended) break;
        if (batches == max_batches) {
            needs_service();
            return false;
        }
        const int got = ibv_poll_cq(cq_->raw(), static_cast<int>(batch_.size()), batch_.data());
        if (got < 0) {
            fail(caught([&] { verbs::throw_error(EIO, about_peer("poll the completions of"), {}); }));
            break;
        }
        if (got == 0 && is_armed_) break;
        if (got == 0) try_to_arm();  // completions from before make no event, so poll again
        completions_ += static_cast<std::uint64_t>(got);
        batch_next_ = 0;
        batch_end_ = static_cast<std::size_t>(got);
    }
    return true;
}

void Connection::arm() {
    cq_->arm();
    is_armed_ = true;
}

void Connection::try_to_arm() {
    if (auto failure = caught([&] { arm(); })) fail(std::move(failure));
}

Connection::Unfinished::~Unfinished() {
    // A handler threw: the remaining completions are handled later.
    const bool has_more =
        connection.batch_next_ != connection.batch_end_ || !connection.is_armed_ || connection.peer_has_left_;
    if (has_more && connection.state_ != State::ended && connection.messenger_) connection.needs_service();
}

void Connection::take_batch() {
    while (batch_next_ != batch_end_ && state_ != State::ended) {
        const ibv_wc& wc = batch_[batch_next_];
        if (state_ == State::accepting && wc.status == IBV_WC_SUCCESS && (wc.opcode & IBV_WC_RECV) != 0) {
            // The message has overtaken the peer's confirmation. It is handled after that one: the handler may throw.
            messenger_->manager().notify(id_.get(), IBV_EVENT_COMM_EST);
            become_established();
            continue;
        }
        ++batch_next_;
        if ((wc.wr_id & send_bit) != 0)
            sent(wc);
        else
            received(wc);
    }
}

void Connection::sent(const ibv_wc& wc) {
    if (ring_.empty() || (wc.wr_id & ~send_bit) != ring_.first()) return unknown_completion(wc);
    Buffer* const buffer = ring_.take();
    if (wc.status == IBV_WC_SUCCESS && buffer && state_ == State::established && socket_ && handlers_.sent)
        return handlers_.sent(*socket_, Message{*buffer});
    if (buffer) buffer->pool->give_back(*buffer);
    if (wc.status != IBV_WC_SUCCESS) completion_failed(wc, true);
}

void Connection::received(const ibv_wc& wc) {
    if (wc.wr_id >= pool_->size() || !pool_->buffer(wc.wr_id).is_posted) return unknown_completion(wc);
    Buffer& buffer = pool_->buffer(wc.wr_id);
    buffer.is_posted = false;
    if (wc.status != IBV_WC_SUCCESS) {
        pool_->put_away(buffer);
        return completion_failed(wc, false);
    }
    // A write with immediate data uses up a receive but is no message; byte_len is the write's.
    if (wc.opcode != IBV_WC_RECV) return pool_->give_back(buffer);
    if (wc.byte_len > pool_->capacity()) {
        pool_->put_away(buffer);
        return fail(caught([&] {
            verbs::throw_error(EPROTO, about_peer("receive from"),
                               fmt::format("a completion reports {} bytes in a buffer of {}: the driver is broken",
                                           wc.byte_len, pool_->capacity()));
        }));
    }
    buffer.length = wc.byte_len;
    if (state_ == State::established)
        deliver(buffer);
    else
        pool_->put_away(buffer);
}

void Connection::deliver(Buffer& buffer) {
    if (!receivers_.empty()) {
        auto& waiter = static_cast<ReceiveWaiter&>(receivers_.front());
        waiter.result_.emplace(Message{buffer});
        messenger_->resume_soon(waiter);
    } else if (socket_ && handlers_.message) {
        handlers_.message(*socket_, Message{buffer});
    } else {
        inbox_.add(buffer);
    }
}

void Connection::completion_failed(const ibv_wc& wc, bool sending) {
    if (state_ >= State::leaving || peer_has_left_) return;  // flushed
    const std::string_view hint = hint_for(wc.status, sending);
    const std::string_view status = ibv_wc_status_str(wc.status);
    fail(caught([&] {
        verbs::throw_error(errno_of(wc.status), about_peer(sending ? "send to" : "receive from"),
                           hint.empty() ? std::string{status} : fmt::format("{}: {}", status, hint));
    }));
}

void Connection::unknown_completion(const ibv_wc& wc) {
    fail(caught([&] {
        verbs::throw_error(EPROTO, about_peer("use the connection to"),
                           fmt::format("a completion has the unknown wr_id {:#x}: the driver is broken", wc.wr_id));
    }));
}

void Connection::released(Buffer& buffer) noexcept {
    // A peer that has left sends nothing more, so its receives are not posted again.
    if (state_ >= State::leaving || peer_has_left_) return;
    if (buffer.home == Buffer::Home::receives)
        post_receive(buffer);
    else if (wants_buffer_ || !acquirers_.empty())
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

Message Connection::try_receive() {
    Buffer* const buffer = inbox_.take();
    return buffer ? Message{*buffer} : Message{};
}

bool Connection::receive(ReceiveWaiter& waiter) {
    if (Buffer* const buffer = inbox_.take()) waiter.result_.emplace(Message{*buffer});
    return waiter.result_.has_value() || state_ == State::ended;
}

}  // namespace pktverbs::messages
