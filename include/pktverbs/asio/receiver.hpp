// SPDX-License-Identifier: Apache-2.0
// AsioReceiver: receives from a Queue or Context in a program that runs on standalone Asio.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/compose.hpp>
#include <asio/error.hpp>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <asio/post.hpp>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <type_traits>
#include <utility>

#include <pktverbs/context.hpp>
#include <pktverbs/queue.hpp>
#include <pktverbs/verbs/error.hpp>

namespace pktverbs::async {

/// An I/O object of Asio's, neither copied nor moved. Needs Asio 1.22, and nothing of async::Executor. The source must
/// neither move nor end before it. One operation at a time; with several threads in the execution context, its
/// handlers need no strand for that, if each operation starts when the one before has completed.
template <class Source, class Executor = ::asio::any_io_executor>
class AsioReceiver {
public:
    using executor_type = Executor;
    using Signature = void(std::error_code, RecvList);

    /// Throws std::system_error: EEXIST if another one receives from the same source, or what epoll_ctl(2) said.
    AsioReceiver(const Executor& executor, Source& source) : source_{source}, ready_{executor} {
        std::error_code error;
        if (source.fd() >= 0) ready_.assign(source.fd(), error);
        if (error)
            verbs::throw_error(error.value(), "watch a descriptor by Asio",
                               error.value() == EEXIST ? "another AsioReceiver does" : "epoll_ctl");
    }
    template <class ExecutionContext>
    requires std::is_convertible_v<ExecutionContext&, ::asio::execution_context&> AsioReceiver(
        ExecutionContext& context, Source& source)
        : AsioReceiver{context.get_executor(), source} {}
    AsioReceiver(const AsioReceiver&) = delete;
    AsioReceiver& operator=(const AsioReceiver&) = delete;
    /// Cancels. The descriptor stays the source's.
    ~AsioReceiver() { ready_.release(); }

    executor_type get_executor() noexcept { return ready_.get_executor(); }

    /// Completes with packets, at least one. Or with none and an error: operation_aborted if it was cancelled, EIO if
    /// the queue or the device failed, EOPNOTSUPP without a receive side; RecvList::outcome() tells these apart.
    /// Any completion token: a callback, use_awaitable, use_future, ... Cancelling an operation, by its slot with any
    /// cancellation type or by cancel(), loses no packet: what was taken already is still given.
    template <class Token>
    auto async_recv(Token&& token) {
        return ::asio::async_compose<Token, Signature>(Operation{*this}, token, ready_);
    }
    /// Ends the operation, if one waits.
    void cancel() {
        std::error_code ignored;  // without a descriptor nothing waits
        ready_.cancel(ignored);
    }

private:
    class Operation;

    Source& source_;
    ::asio::posix::basic_stream_descriptor<Executor> ready_;
};

// AsioReceiver{io_context, ctx} is an AsioReceiver<Context>, as one whose type is written out; with an executor instead
// of its context, it is of that executor.
template <class ExecutionContext, class Source>
requires std::is_convertible_v<ExecutionContext&, ::asio::execution_context&> AsioReceiver(ExecutionContext&, Source&)
->AsioReceiver<Source>;
template <class Executor, class Source>
AsioReceiver(const Executor&, Source&) -> AsioReceiver<Source, Executor>;

template <class Source, class Executor>
class AsioReceiver<Source, Executor>::Operation {
public:
    explicit Operation(AsioReceiver& receiver) noexcept : receiver_{&receiver} {}

    /// At the start, and again by way of the executor when there was something at once: a handler never runs inside
    /// the call that starts it.
    template <class Self>
    void operator()(Self& self) {
        if (is_complete_) return complete(self);
        self.reset_cancellation_state(::asio::enable_total_cancellation{});
        is_complete_ = look();
        if (!is_complete_) return wait(self);
        const auto executor = receiver_->get_executor();
        ::asio::post(executor, std::move(self));
    }

    /// After a wait. The receiver is gone if there is an error.
    template <class Self>
    void operator()(Self& self, std::error_code failure) {
        if (self.get_cancellation_state().cancelled() != ::asio::cancellation_type::none)
            failure = ::asio::error::operation_aborted;
        if (failure) return self.complete(failure, RecvList{});
        receiver_->source_.drain();
        if (!look()) return wait(self);
        complete(self);
    }

private:
    bool look() noexcept {
        Source& source = receiver_->source_;
        list_ = source.recv(std::chrono::nanoseconds::zero());
        if (list_.outcome() != Outcome::timeout) return true;
        source.arm();
        // Armed first, polled after: a packet that comes in between is either found here or makes an event.
        list_ = source.recv(std::chrono::nanoseconds::zero());
        return list_.outcome() != Outcome::timeout;
    }
    template <class Self>
    void wait(Self& self) {
        auto& ready = receiver_->ready_;
        ready.async_wait(::asio::posix::descriptor_base::wait_read, std::move(self));
    }
    template <class Self>
    void complete(Self& self) {
        std::error_code error;
        if (list_.outcome() != Outcome::packets)
            error = {list_.outcome() == Outcome::no_receive_side ? EOPNOTSUPP : EIO, std::generic_category()};
        self.complete(error, std::move(list_));
    }

    AsioReceiver* receiver_;
    RecvList list_;
    bool is_complete_ = false;
};

}  // namespace pktverbs::async
