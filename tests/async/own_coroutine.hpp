// SPDX-License-Identifier: Apache-2.0
// OwnCoroutine: a user-defined coroutine type without an executor: starts at once, destroys itself. BoundCoroutine: one
// that gets its executor from its first parameter.
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

#include <pktverbs/async/executor.hpp>

namespace pktverbs::testing {

struct OwnCoroutine {
    struct promise_type {
        OwnCoroutine get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

/// One whose exceptions leave the call that resumes it.
class ThrowingCoroutine {
public:
    struct promise_type {
        ThrowingCoroutine get_return_object() noexcept {
            return ThrowingCoroutine{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const { throw; }
    };

    /// Clang 14 needs it to make the return object.
    ThrowingCoroutine(ThrowingCoroutine&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    ThrowingCoroutine& operator=(ThrowingCoroutine&&) = delete;
    ~ThrowingCoroutine() {
        if (handle_) handle_.destroy();
    }

private:
    explicit ThrowingCoroutine(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}
    std::coroutine_handle<promise_type> handle_;
};

struct BoundCoroutine {
    struct promise_type : OwnCoroutine::promise_type {
        template <class... Others>
        explicit promise_type(async::Executor& on, Others&...) noexcept : on_{&on} {}
        BoundCoroutine get_return_object() const noexcept { return {}; }
        async::Executor* executor() const noexcept { return on_; }

    private:
        async::Executor* on_;
    };
};

}  // namespace pktverbs::testing
