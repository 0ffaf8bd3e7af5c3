// SPDX-License-Identifier: Apache-2.0
#include "async/executor_state.hpp"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <new>
#include <utility>

#include <pktverbs/verbs/error.hpp>

namespace pktverbs::async {

namespace {

Operation& front(const WaiterList& list) noexcept { return static_cast<Operation&>(list.front()); }

void move_all(const WaiterList& from, WaiterList& to) noexcept {
    while (!from.empty()) to.push(from.front());
}

/// For epoll_wait(2): rounded up, since a wait that ends early would be repeated at once.
int to_milliseconds(std::chrono::nanoseconds timeout) noexcept {
    if (timeout == std::chrono::nanoseconds::max()) return -1;
    constexpr std::chrono::milliseconds max{INT32_MAX};
    if (timeout > max - std::chrono::milliseconds{1}) return static_cast<int>(max.count());
    return std::max(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(timeout).count()), 0);
}

}  // namespace

void throw_unwatched(int error) {
    verbs::throw_error(error, "watch a descriptor on this executor",
                       error == EBUSY ? "another coroutine or hook waits for it" : "epoll_ctl");
}

Executor::State::State()
    : epoll{epoll_create1(EPOLL_CLOEXEC)}, timer_fd{timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)} {
    if (!epoll || !woken || !timer_fd)
        verbs::throw_error(errno, verbs::Action{"epoll_create1", "make an executor", ""});
    add(woken.get());
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
    // Coroutines that are not tasks of this executor are resumed as stopped.
    for (WaiterList* list : {&trying, &due, &waiting}) {
        while (!list->empty()) {
            Operation& operation = front(*list);
            operation.attempt(Cause::stopped);
            forget(operation);
            try {
                operation.coroutine_.resume();
            } catch (...) {  // a destructor must not throw
            }
        }
    }
    move_all(ready, resuming);
    while (!resuming.empty()) {
        try {
            resuming.resume_front();
        } catch (...) {
        }
        move_all(ready, resuming);
    }
}

bool Executor::State::step(std::chrono::nanoseconds timeout) {
    bool did = start_tasks();
    did |= do_due();
    std::array<epoll_event, 64> events;
    const int got = epoll_wait(epoll.get(), events.data(), static_cast<int>(events.size()),
                               did || has_work() ? 0 : to_milliseconds(timeout));
    bool is_woken = false;
    const auto fd_of = [&events](int i) { return events[static_cast<std::size_t>(i)].data.fd; };
    for (int i = 0; i < got; ++i) {
        const int fd = fd_of(i);
        if (fd == woken.get())
            is_woken = true;
        else if (fd == timer_fd.get())
            did |= take_timers();
        else if (Operation* const operation = watcher(fd).operation)
            make_due(*operation, Cause::readable);
    }
    // If one throws, no event is lost: operations have theirs already, and epoll reports those of hooks again.
    for (int i = 0; i < got; ++i)
        if (const Hook* const hook = watcher(fd_of(i)).hook) did |= hook->call_.function(hook->call_.object);
    if (is_woken) {
        woken.clear();
        take_stops();
        calls.make([this] { wake(); });
    }
    did |= do_due();
    sweep_tasks();
    return did || is_woken;
}

bool Executor::State::start_tasks() {
    // Allocates first: a task that was started must be kept.
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

bool Executor::State::do_due() {
    bool did = call_due();
    did |= try_due();
    did |= resume_ready();
    return did;
}

bool Executor::State::call_due() {
    move_all(due_hooks, calling);
    bool did = false;
    while (!calling.empty()) {
        auto& hook = static_cast<Hook&>(calling.front());
        hook.unlink();
        hook.is_due_ = false;
        did |= hook.call_.function(hook.call_.object);
    }
    return did;
}

bool Executor::State::resume_ready() {
    move_all(ready, resuming);
    bool did = false;
    while (!resuming.empty()) {
        did = true;
        turns_left = turns;
        resuming.resume_front();
    }
    return did;
}

/// Tries those that are due now; operations that become due meanwhile have their turn after new events.
bool Executor::State::try_due() {
    move_all(due, trying);
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
    // If a stop was requested since the first attempt, this wakes the executor at once.
    if (operation.stop_.stop_possible()) operation.stop_callback_.emplace(operation.stop_, Operation::Wake{executor});
    const auto now = Clock::now();
    if (operation.timeout_ > Clock::time_point::max() - now) return 0;
    operation.timer_ = timers.emplace(now + operation.timeout_, &operation);
    wind_timer();
    return 0;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

/// Watches for one event: a descriptor that no coroutine waits for must not wake the executor.
int Executor::State::watch(Operation& operation) noexcept {
    const int fd = operation.fd();
    if (fd < 0) return 0;
    if (const auto [by, hook] = watcher(fd); hook || (by && by != &operation)) return EBUSY;
    if (const int error = watch(fd, EPOLLIN | EPOLLONESHOT); error != 0) return error;
    watchers[static_cast<std::size_t>(fd)].operation = &operation;
    operation.watched_fd_ = fd;
    return 0;
}

int Executor::State::watch(Hook& hook, int fd) noexcept {
    if (const auto [operation, other] = watcher(fd); operation || other) return EBUSY;
    if (const int error = watch(fd, EPOLLIN); error != 0) return error;
    watchers[static_cast<std::size_t>(fd)].hook = &hook;
    hook.watched_fd_ = fd;
    return 0;
}

int Executor::State::watch(int fd, std::uint32_t events) noexcept {
    if (fd < 0) return EBADF;
    const auto index = static_cast<std::size_t>(fd);
    try {
        if (index >= watchers.size()) watchers.resize(index + 1);
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    // The descriptor is registered since its first wait, unless it was closed meanwhile.
    if (epoll_ctl(epoll.get(), EPOLL_CTL_MOD, fd, &event) != 0 &&
        (errno != ENOENT || epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0))
        return errno;
    return 0;
}

Executor::State::Watcher Executor::State::watcher(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);
    return fd >= 0 && index < watchers.size() ? watchers[index] : Watcher{};
}

void Executor::State::call_after(Hook& hook, std::chrono::nanoseconds time) noexcept {
    stop_time(hook);
    const auto now = Clock::now();
    hook.node_.key() = time < Clock::time_point::max() - now ? now + time : Clock::time_point::max();
    hook.timer_ = hook_timers.insert(std::move(hook.node_));
    hook.is_timed_ = true;
    wind_timer();
}

void Executor::State::call_soon(Hook& hook) noexcept {
    if (hook.is_due_) return;
    stop_time(hook);
    hook.is_due_ = true;
    due_hooks.push(hook);
    if (!is_running) wake();
}

void Executor::State::stop_time(Hook& hook) noexcept {
    hook.unlink();
    hook.is_due_ = false;
    if (std::exchange(hook.is_timed_, false)) hook.node_ = hook_timers.extract(hook.timer_);
}

void Executor::State::forget(Hook& hook) noexcept {
    stop_time(hook);
    if (hook.watched_fd_ < 0) return;
    const int fd = std::exchange(hook.watched_fd_, -1);
    watchers[static_cast<std::size_t>(fd)].hook = nullptr;
    epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Executor::State::resume_soon(Waiter& waiter) noexcept {
    ready.push(waiter);
    if (!is_running) wake();
}

void Executor::State::make_due(Operation& operation, Cause cause) noexcept {
    operation.cause_ = operation.is_due_ ? std::max(operation.cause_, cause) : cause;
    operation.is_due_ = true;
    due.push(operation);
}

void Executor::State::forget(Operation& operation) noexcept {
    operation.stop_callback_.reset();  // waits for a running callback, which may use the operation
    operation.unlink();
    if (operation.timer_) timers.erase(*std::exchange(operation.timer_, std::nullopt));
    if (operation.watched_fd_ >= 0)
        watchers[static_cast<std::size_t>(std::exchange(operation.watched_fd_, -1))].operation = nullptr;
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
    while (!hook_timers.empty() && hook_timers.begin()->first <= now) call_soon(*hook_timers.begin()->second);
    wind_timer();
    return did;
}

/// Sets the timer only to earlier times: letting it fire once without need is cheaper than stopping it.
void Executor::State::wind_timer() noexcept {
    const auto next = next_time();
    if (next >= wound_to) return;
    wound_to = next;
    const auto since = wound_to.time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    itimerspec at{};
    at.it_value.tv_sec = seconds.count();
    at.it_value.tv_nsec = std::chrono::nanoseconds{since - seconds}.count();
    timerfd_settime(timer_fd.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

auto Executor::State::next_time() const noexcept -> Clock::time_point {
    auto next = Clock::time_point::max();
    if (!timers.empty()) next = timers.begin()->first;
    if (!hook_timers.empty()) next = std::min(next, hook_timers.begin()->first);
    return next;
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
    calls.add(std::move(call));
    wake();
}

}  // namespace pktverbs::async
