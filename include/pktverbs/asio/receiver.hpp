// SPDX-License-Identifier: Apache-2.0
// AsioReceiver: receives packets in a program that runs on standalone Asio.
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

/// Receives from a Queue or Context as an I/O object of Asio.
///
/// Neither copied nor moved. Needs Asio 1.22, and not async::Executor. The source must neither move nor end before it.
/// One operation at a time; if each operation starts when the one before has completed, several threads in the
/// execution context need no strand for that.
template <class Source, class Executor = ::asio::any_io_executor>
class AsioReceiver {
public:
    /// The type of executor that completes operations.
    using executor_type = Executor;
    /// The signature with which operations complete.
    using Signature = void(std::error_code, RecvList);

    /// Throws std::system_error: EEXIST if another AsioReceiver receives from the same source, or the errno of
    /// epoll_ctl(2).
    AsioReceiver(const Executor& executor, Source& source) : source_{source}, ready_{executor} {
        std::error_code error;
        if (source.fd() >= 0) ready_.assign(source.fd(), error);
        if (error)
            verbs::throw_error(error.value(), "watch a descriptor by Asio",
                               error.value() == EEXIST ? "another AsioReceiver watches it" : "epoll_ctl");
    }
    /// Uses the executor of an execution context, such as an io_context.
    template <class ExecutionContext>
    requires std::is_convertible_v<ExecutionContext&, ::asio::execution_context&> AsioReceiver(
        ExecutionContext& context, Source& source)
        : AsioReceiver{context.get_executor(), source} {}
    AsioReceiver(const AsioReceiver&) = delete;
    AsioReceiver& operator=(const AsioReceiver&) = delete;
    /// Cancels the operation. The descriptor stays the source's.
    ~AsioReceiver() { ready_.release(); }

    /// Returns the executor that completes operations.
    executor_type get_executor() noexcept { return ready_.get_executor(); }

    /// Completes with at least one packet. Or with none and an error: operation_aborted if it was cancelled, EIO if the
    /// queue or the device failed, EOPNOTSUPP without a receive side; RecvList::outcome() distinguishes them. Takes any
    /// completion token: a callback, use_awaitable, use_future, ... Cancelling an operation, by its slot with any
    /// cancellation type or by cancel(), loses no packet: packets already taken are still delivered.
    template <class Token>
    auto async_recv(Token&& token) {
        return ::asio::async_compose<Token, Signature>(Operation{*this}, token, ready_);
    }
    /// Cancels the operation, if one waits.
    void cancel() {
        std::error_code ignored;  // without a descriptor nothing waits
        ready_.cancel(ignored);
    }

private:
    class Operation;

    Source& source_;
    ::asio::posix::basic_stream_descriptor<Executor> ready_;
};

// AsioReceiver{io_context, ctx} is an AsioReceiver<Context>, like one whose type is written out. With an executor
// instead of a context, its type has that executor.
template <class ExecutionContext, class Source>
requires std::is_convertible_v<ExecutionContext&, ::asio::execution_context&> AsioReceiver(ExecutionContext&, Source&)
->AsioReceiver<Source>;
template <class Executor, class Source>
AsioReceiver(const Executor&, Source&) -> AsioReceiver<Source, Executor>;

/// Tries to receive, and waits in between; for async_compose.
template <class Source, class Executor>
class AsioReceiver<Source, Executor>::Operation {
public:
    /// Made by async_recv().
    explicit Operation(AsioReceiver& receiver) noexcept : receiver_{&receiver} {}

    /// Runs at the start, and once more through the executor if packets were there at once: a handler never runs inside
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

    /// Runs after a wait. If there is an error, the receiver is gone.
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
