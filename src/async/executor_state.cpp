// SPDX-License-Identifier: Apache-2.0
#include "async/executor_state.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <new>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "context/stop_wake.hpp"

namespace pktverbs::async {

namespace {

Operation& front(const WaiterList& list) noexcept { return static_cast<Operation&>(list.front()); }

/// For epoll_wait(2): rounded up, as a wait that ends early would be repeated at once.
int to_milliseconds(std::chrono::nanoseconds timeout) noexcept {
    if (timeout == std::chrono::nanoseconds::max()) return -1;
    constexpr std::chrono::milliseconds longest{INT32_MAX};
    if (timeout > longest - std::chrono::milliseconds{1}) return static_cast<int>(longest.count());
    return std::max(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()), 0);
}

}  // namespace

Executor::State::State()
    : epoll{epoll_create1(EPOLL_CLOEXEC)},
      wake_fd{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      timer_fd{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)} {
    if (!epoll || !wake_fd || !timer_fd)
        verbs::throw_error(errno, verbs::Action{"epoll_create1", "make an executor", ""});
    add(wake_fd.get());
    add(timer_fd.get());
}

void Executor::State::add(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        verbs::throw_error(errno, verbs::Action{"epoll_ctl", "make an executor", ""});
}

void Executor::State::close() noexcept {
    is_closing = true;
    while (!tasks.empty()) tasks.pop_back();
    new_tasks.clear();
    // Coroutines that are no tasks of ours hear that it's over.
    for (WaiterList* list : {&trying, &due, &waiting}) {
        while (!list->empty()) {
            Operation& operation = front(*list);
            operation.attempt(Cause::stopped);
            forget(operation);
            try {
                operation.coroutine_.resume();
            } catch (...) {  // a destructor has nobody to tell
            }
        }
    }
}

bool Executor::State::step(std::chrono::nanoseconds timeout) {
    bool did = start_tasks();
    did |= try_due();
    std::array<epoll_event, 64> events;
    const int got = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()),
                               did || has_work() ? 0 : to_milliseconds(timeout));
    bool is_woken = false;
    for (int i = 0; i < got; ++i) {
        const auto fd = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.fd);
        if (fd == static_cast<std::size_t>(wake_fd.get())) {
            is_woken = true;
        } else if (fd == static_cast<std::size_t>(timer_fd.get())) {
            did |= take_timers();
        } else if (Operation* const operation = fd < watchers.size() ? watchers[fd] : nullptr) {
            make_due(*operation, Cause::readable);
        }
    }
    if (is_woken) {
        clear_event_fd(wake_fd.get());
        take_stops();
        take_calls();  // after all events: what it throws would lose the others
    }
    did |= try_due();
    sweep_tasks();
    return did || is_woken;
}

bool Executor::State::start_tasks() {
    // First of all: a task that has been started can't be let go any more.
    if (const std::size_t needed = tasks.size() + new_tasks.size(); needed > tasks.capacity())
        tasks.reserve(std::max(needed, 2 * tasks.capacity()));
    std::vector<Task<>> starting;
    starting.swap(new_tasks);
    for (Task<>& task : starting) {
        turns_left = turns;
        Task<> started = std::move(task);
        started.start(ended_tasks, executor);
        tasks.push_back(std::move(started));
    }
    return !starting.empty();
}

/// Those that are due now: what becomes due meanwhile has its turn after new events.
bool Executor::State::try_due() {
    while (!due.empty()) trying.push(due.front());
    bool did = false;
    while (!trying.empty()) {
        Operation& operation = front(trying);
        did = true;
        turns_left = turns;
        if (!is_complete(operation)) continue;
        forget(operation);
        operation.coroutine_.resume();
    }
    return did;
}

bool Executor::State::is_complete(Operation& operation) noexcept {
    operation.unlink();
    operation.is_due_ = false;
    if (!operation.is_suspended_) return begin(operation);
    if (operation.attempt(operation.cause_)) return true;
    operation.error_ = watch(operation);
    waiting.push(operation);
    return operation.error_ != 0;
}

bool Executor::State::begin(Operation& operation) noexcept {
    if (operation.attempt(Cause::start)) return true;
    if (operation.timeout_ <= std::chrono::nanoseconds::zero()) return operation.attempt(Cause::timeout);
    operation.error_ = enlist(operation);
    if (operation.error_ != 0) forget(operation);
    return operation.error_ != 0;
}

int Executor::State::enlist(Operation& operation) noexcept try {
    operation.is_suspended_ = true;
    waiting.push(operation);
    if (const int error = watch(operation); error != 0) return error;
    // A stop that was requested since the first attempt wakes us at once.
    if (operation.stop_.stop_possible()) operation.stop_callback_.emplace(operation.stop_, Operation::Wake{executor});
    const auto now = Clock::now();
    if (operation.timeout_ > Clock::time_point::max() - now) return 0;
    operation.timer_ = timers.emplace(now + operation.timeout_, &operation);
    wind_timer();
    return 0;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

/// For one event: what is not waited for must not keep us awake.
int Executor::State::watch(Operation& operation) noexcept {
    const int fd = operation.fd();
    if (fd < 0) return 0;
    const auto index = static_cast<std::size_t>(fd);
    try {
        if (index >= watchers.size()) watchers.resize(index + 1);
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    if (watchers[index] && watchers[index] != &operation) return EBUSY;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.fd = fd;
    // Known from an earlier wait, but for the first one, and when it was closed meanwhile.
    if (epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event) != 0 &&
        (errno != ENOENT || epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0))
        return errno;
    watchers[index] = &operation;
    operation.watched_fd_ = fd;
    return 0;
}

void Executor::State::make_due(Operation& operation, Cause cause) noexcept {
    operation.cause_ = operation.is_due_ ? std::max(operation.cause_, cause) : cause;
    operation.is_due_ = true;
    due.push(operation);
}

void Executor::State::forget(Operation& operation) noexcept {
    operation.stop_callback_.reset();  // waits for one that is running: it may use us until then
    operation.unlink();
    if (operation.timer_) timers.erase(*std::exchange(operation.timer_, std::nullopt));
    if (operation.watched_fd_ >= 0)
        watchers[static_cast<std::size_t>(std::exchange(operation.watched_fd_, -1))] = nullptr;
    operation.is_suspended_ = operation.is_due_ = false;
}

void Executor::State::take_stops() noexcept {
    WaiterList seen;
    while (!waiting.empty()) {
        Operation& operation = front(waiting);
        if (operation.stop_.stop_requested())
            make_due(operation, Cause::stopped);
        else
            seen.push(operation);
    }
    while (!seen.empty()) waiting.push(seen.front());
}

bool Executor::State::take_timers() noexcept {
    std::uint64_t expirations = 0;
    if (read(timer_fd.get(), &expirations, sizeof expirations) > 0) wound_to = Clock::time_point::max();
    const auto now = Clock::now();
    bool did = false;
    for (; !timers.empty() && timers.begin()->first <= now; did = true) {
        Operation& operation = *timers.begin()->second;
        operation.timer_.reset();
        timers.erase(timers.begin());
        make_due(operation, Cause::timeout);
    }
    wind_timer();
    return did;
}

/// Only ever forward: a timer that nobody needs any more fires once for nothing, which is cheaper than to stop it.
void Executor::State::wind_timer() noexcept {
    if (timers.empty() || timers.begin()->first >= wound_to) return;
    wound_to = timers.begin()->first;
    const auto since = wound_to.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    itimerspec at{};
    at.it_value.tv_sec = seconds.count();
    at.it_value.tv_nsec = std::chrono::nanoseconds{since - seconds}.count();
    timerfd_settime(timer_fd.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void Executor::State::sweep_tasks() {
    while (ended_tasks != 0) {
        const auto at = std::ranges::find_if(tasks, [](const Task<>& task) { return task.has_ended(); });
        --ended_tasks;
        Task<> ended = std::move(*at);
        tasks.erase(at);
        ended.await_resume();
    }
}

void Executor::State::spawn(Task<> task) {
    new_tasks.push_back(std::move(task));
    wake();
}

void Executor::State::post(std::function<void()> call) {
    {
        const std::lock_guard lock{calls_mutex};
        calls.push_back(std::move(call));
    }
    wake();
}

/// Calls that were posted; those that were not called when one threw are posted again, before later ones.
class Executor::State::UncalledCalls {
public:
    explicit UncalledCalls(State& state) : state_{state} {
        const std::lock_guard lock{state_.calls_mutex};
        calls_.swap(state_.calls);
    }
    UncalledCalls(const UncalledCalls&) = delete;
    UncalledCalls& operator=(const UncalledCalls&) = delete;
    ~UncalledCalls() {
        if (calls_.empty()) return;
        {
            const std::lock_guard lock{state_.calls_mutex};
            state_.calls.splice(state_.calls.begin(), calls_);
        }
        state_.wake();
    }

    bool empty() const noexcept { return calls_.empty(); }
    void call_first() {
        Calls first;
        first.splice(first.begin(), calls_, calls_.begin());
        first.front()();
    }

private:
    State& state_;
    Calls calls_;
};

void Executor::State::take_calls() {
    UncalledCalls calls_now{*this};
    while (!calls_now.empty()) calls_now.call_first();
}

void Executor::State::wake() const noexcept { set_event_fd(wake_fd.get()); }

}  // namespace pktverbs::async
