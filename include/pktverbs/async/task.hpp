// SPDX-License-Identifier: Apache-2.0
// Task: the return type of coroutines that run on an executor.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace pktverbs::async {

class Executor;
template <class T>
class Task;

/// Returns the executor of a coroutine, if its promise has one; else null.
template <class Promise>
Executor* executor_of(std::coroutine_handle<Promise> coroutine) noexcept {
    if constexpr (requires(Executor * found) { found = coroutine.promise().executor(); })
        return coroutine.promise().executor();
    else
        return nullptr;
}

/// The common part of the promises of all tasks.
class TaskPromise {
public:
    struct End {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> task) const noexcept {
            TaskPromise& promise = task.promise();
            if (promise.ended_) ++*promise.ended_;
            return promise.awaited_by_;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    End final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error_ = std::current_exception(); }
    void rethrow() const {
        if (error_) std::rethrow_exception(error_);
    }
    /// Returns the executor that it, or the task that awaits it, was spawned on; null if something else resumes it.
    Executor* executor() const noexcept { return executor_; }

private:
    template <class T>
    friend class Task;
    std::coroutine_handle<> awaited_by_ = std::noop_coroutine();
    Executor* executor_ = nullptr;
    std::size_t* ended_ = nullptr;  ///< counts spawned tasks that have ended
    std::exception_ptr error_;
};

template <class T>
class TaskResult : public TaskPromise {
public:
    template <class Value>
    void return_value(Value&& value) {
        value_.emplace(std::forward<Value>(value));
    }
    T take() {
        rethrow();
        return std::move(*value_);
    }

private:
    std::optional<T> value_;
};

template <>
class TaskResult<void> : public TaskPromise {
public:
    void return_void() const noexcept {}
    void take() const { rethrow(); }
};

/// Runs a coroutine, once it is awaited or spawned on an executor.
///
/// Move-only. When it ends, it destroys the coroutine, wherever that is suspended. `co_await task` returns the
/// coroutine's result or throws its exception. A coroutine's parameters are copied into it; objects that they refer to
/// are not.
template <class T = void>
class [[nodiscard]] Task {
public:
    struct promise_type : TaskResult<T> {
        Task get_return_object() noexcept { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    };

    Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> by) noexcept {
        handle_.promise().awaited_by_ = by;
        handle_.promise().executor_ = executor_of(by);
        return handle_;
    }
    T await_resume() { return handle_.promise().take(); }

    /// Starts the coroutine, for executors. `ended` is incremented when it ends.
    void start(std::size_t& ended, Executor* executor = nullptr) {
        handle_.promise().ended_ = &ended;
        handle_.promise().executor_ = executor;
        handle_.resume();
    }
    /// Whether the coroutine has ended.
    bool has_ended() const noexcept { return handle_.done(); }

private:
    explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

    std::coroutine_handle<promise_type> handle_;
};

}  // namespace pktverbs::async
