// SPDX-License-Identifier: Apache-2.0
// recv: waits for packets in a coroutine.
#pragma once

#include <chrono>
#include <stop_token>
#include <utility>

#include <pktverbs/async/executor.hpp>
#include <pktverbs/context.hpp>
#include <pktverbs/queue.hpp>

namespace pktverbs::async {

/// Waits for packets: `co_await` returns what recv(timeout, stop) of a Queue or Context would, while other coroutines
/// run.
///
/// The source must neither move nor end while a coroutine waits for it; one coroutine receives from it at a time.
template <class Source>
class [[nodiscard]] Recv final : public Operation {
public:
    /// Made by recv().
    Recv(Executor* executor, Source& source, std::chrono::nanoseconds timeout, std::stop_token stop) noexcept
        : Operation{executor, timeout, std::move(stop)}, source_{source} {}
    /// Returns the packets. Throws std::system_error if the executor could not watch the source's descriptor.
    RecvList await_resume() {
        check();
        return std::move(list_);
    }

private:
    int fd() const noexcept override { return source_.fd(); }
    bool attempt(Cause cause) noexcept override {
        using std::chrono::nanoseconds;
        if (cause == Cause::stopped) {
            list_ = RecvList{Outcome::stopped};  // also when the executor ends, which no token reports
            return true;
        }
        if (cause == Cause::readable) source_.drain();
        list_ = source_.recv(nanoseconds::zero(), stop());
        if (list_.outcome() != Outcome::timeout || cause >= Cause::timeout) return true;
        source_.arm();
        // Armed first, polled after: a packet that comes in between is either found here or makes an event. A device
        // that refused to be armed is found here, too.
        list_ = source_.recv(nanoseconds::zero(), stop());
        return list_.outcome() != Outcome::timeout;
    }

    Source& source_;
    RecvList list_;
};

/// Receives from a Queue or Context, in a coroutine that knows its executor, such as a Task spawned on one.
template <class Source>
Recv<Source> recv(Source& source, std::chrono::nanoseconds timeout = no_timeout, std::stop_token stop = {}) noexcept {
    return {nullptr, source, timeout, std::move(stop)};
}
/// Receives in a coroutine of another kind.
template <class Source>
Recv<Source> recv(Executor& executor, Source& source, std::chrono::nanoseconds timeout = no_timeout,
                  std::stop_token stop = {}) noexcept {
    return {&executor, source, timeout, std::move(stop)};
}

}  // namespace pktverbs::async

namespace pktverbs {

inline async::Recv<Context> Context::async_recv(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return async::recv(*this, timeout, std::move(stop));
}
inline async::Recv<Queue> Queue::async_recv(std::chrono::nanoseconds timeout, std::stop_token stop) noexcept {
    return async::recv(*this, timeout, std::move(stop));
}

}  // namespace pktverbs
