// SPDX-License-Identifier: Apache-2.0
#include "messages/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/connection.hpp"
#include "messages/error.hpp"
#include "messages/listener_state.hpp"
#include "messages/pending_request.hpp"
#include "verbs/non_blocking.hpp"

namespace pktverbs::messages {

namespace {

/// Of one descriptor in one step: what a handler does may bring the next one, and others have their turn.
constexpr int max_events = 64;

}  // namespace

/// While handlers and tasks may be on the stack, nothing is torn down.
class Loop::Working {
public:
    explicit Working(Loop& loop) noexcept : loop_{loop} { ++loop_.depth_; }
    Working(const Working&) = delete;
    Working& operator=(const Working&) = delete;
    ~Working() {
        if (--loop_.depth_ != 0) return;
        loop_.bury_the_dead();
        // Also for an epoll instance that ours is part of.
        if (loop_.has_pending() || loop_.ended_tasks_ != 0) loop_.wake();
    }

private:
    Loop& loop_;
};

Loop::Loop(const ConnectionManager& manager)
    : manager_{manager}, epoll_{epoll_create1(EPOLL_CLOEXEC)}, wake_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
    if (!epoll_ || !wake_) verbs::throw_error(errno, verbs::Action{"epoll_create1", "make an event loop", ""});
    errno = 0;
    channel_ = {manager.create_event_channel(), {&manager}};
    if (!channel_)
        throw_cm_error(errno != 0 ? errno : EIO, {"create_event_channel", "use the RDMA connection manager"});
    verbs::set_non_blocking(channel_->fd, verbs::Action{"fcntl", "make the event channel non-blocking", ""});
    watch(channel_->fd, &channel_);
    watch(wake_.get(), &wake_);
    watch(timers_.fd(), &timers_);
}

Loop::~Loop() {
    ++depth_;
    while (!tasks_.empty()) tasks_.pop_back();
    for (const auto& connection : connections_) connection->lose_loop();
    while (!listeners_.empty()) listeners_.begin()->second->end();
    while (!requests_.empty()) (*requests_.begin())->expire();
    // Coroutines that are no tasks of ours hear that it's over.
    while (!ready_.empty()) ready_.resume_front();
    bury_the_dead();
    to_service_.clear();
    for (const auto& connection : connections_) connection->tear_down();
}

void Loop::watch(int fd, void* what) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = what;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
        verbs::throw_error(errno, verbs::Action{"epoll_ctl", "watch a descriptor", ""});
}

void Loop::run(const std::stop_token& stop) {
    const std::stop_callback waker{stop, [this] { wake(); }};
    while (!stop.stop_requested() && !stopped_.exchange(false)) step(std::chrono::nanoseconds::max());
}

bool Loop::step(std::chrono::nanoseconds timeout) {
    const Working working{*this};
    bool did = run_pending();
    // Rounded up: a wait that ends early would be repeated at once.
    constexpr std::chrono::milliseconds longest{INT32_MAX};
    const auto rounded = timeout > longest - std::chrono::milliseconds{1}
                             ? longest
                             : std::chrono::ceil<std::chrono::milliseconds>(timeout);
    const bool no_timeout = timeout == std::chrono::nanoseconds::max();
    std::array<epoll_event, 16> events;
    const int most = static_cast<int>(events.size());
    const int wait = did || has_pending() ? 0 : no_timeout ? -1 : static_cast<int>(std::max(rounded.count(), {}));
    const int got = epoll_wait(epoll_.get(), events.data(), most, wait);
    for (int i = 0; i < got; ++i) {
        void* const what = events[static_cast<std::size_t>(i)].data.ptr;
        if (what == &channel_)
            did |= take_cm_events();
        else if (what == &timers_)
            did |= timers_.fire();
        else if (what == &wake_)
            take_calls(), did = true;
        else if (LoopDevice* const device = find_device(what))
            did |= what == device ? take_completions(*device) : take_device_events(*device);
    }
    did |= run_pending();
    sweep_tasks();
    return did;
}

bool Loop::take_cm_events() {
    bool did = false;
    for (int i = 0; i < max_events; ++i) {
        rdma_cm_event* raw = nullptr;
        errno = 0;
        if (manager_.get_cm_event(channel_.get(), &raw) != 0) {
            if (errno == EAGAIN || errno == EINTR) return did;
            throw_cm_error(errno != 0 ? errno : EIO, {"get_cm_event", "read the event channel"});
        }
        did = true;
        std::array<std::uint8_t, UINT8_MAX> data;
        CmEvent event{raw->event, raw->status, raw->id, {}};
        const rdma_conn_param& param = raw->param.conn;
        if (param.private_data) {
            std::copy_n(static_cast<const std::uint8_t*>(param.private_data), param.private_data_len, data.begin());
            event.private_data = std::span{data.data(), param.private_data_len};
        }
        // A request's id is a new one, which has no owner yet.
        const rdma_cm_id* const owned = raw->listen_id ? raw->listen_id : raw->id;
        CmIdOwner* const owner = static_cast<CmIdOwner*>(owned->context);
        manager_.ack_cm_event(raw);
        owner->on_event(event);
    }
    return did;
}

LoopDevice* Loop::find_device(const void* watched_with) const noexcept {
    for (const auto& device : devices_)
        if (watched_with == device.get() || watched_with == device->events()) return device.get();
    return nullptr;  // it has ended since
}

bool Loop::take_completions(LoopDevice& device) {
    // A queue has one event at most until it is armed again: to look for a second one is a system call for nothing.
    const int most = connections_.size() > 1 ? max_events : 1;
    bool did = false;
    for (int i = 0; i < most; ++i) {
        const auto event = device.channel().next_event();
        if (!event) break;
        did = true;
        static_cast<Connection*>(event->context)->on_completion_event();
    }
    return did;
}

bool Loop::take_device_events(LoopDevice& device) {
    bool did = false;
    for (int i = 0; i < max_events; ++i) {
        std::optional<verbs::AsyncEvent> event;
        bool is_gone = false;
        try {
            event = device.device().next_event();
        } catch (...) {
            is_gone = true;  // EIO, once the kernel has taken the device away
        }
        if (!event && !is_gone) return did;
        did = true;
        if (is_gone || event->type == IBV_EVENT_DEVICE_FATAL) {
            lose(device);
            return did;
        }
        if (Connection* const connection = owner_of(*event)) connection->on_async_event(*event);
    }
    return did;
}

Connection* Loop::owner_of(const verbs::AsyncEvent& event) const noexcept {
    for (const auto& connection : connections_)
        if (connection->is_subject_of(event)) return connection.get();
    return nullptr;
}

void Loop::lose(LoopDevice& device) {
    // Nothing more is read from it. Its completions are, until its connections have ended.
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, device.device().async_fd(), nullptr);
    device.set_lost();
    for (const auto& connection : connections_)
        if (connection->is_on(device)) connection->lose_device();
    if (!device.has_connections()) std::erase_if(devices_, [&](const auto& one) { return one.get() == &device; });
}

void Loop::take_calls() {
    std::uint64_t count = 0;
    if (read(wake_.get(), &count, sizeof count) < 0) return;
    std::list<std::function<void()>> calls;
    {
        const std::lock_guard lock{calls_mutex_};
        calls.swap(calls_);
    }
    std::list<std::function<void()>> called;
    try {
        while (!calls.empty()) {
            called.splice(called.begin(), calls, calls.begin());
            called.front()();
        }
    } catch (...) {
        {
            const std::lock_guard lock{calls_mutex_};
            calls_.splice(calls_.begin(), calls);
        }
        wake();
        throw;
    }
}

bool Loop::run_pending() {
    bool did = false;
    // What becomes pending meanwhile has its turn in the next step, after new events.
    in_service_.swap(to_service_);
    while (!in_service_.empty()) {
        const auto connection = std::move(in_service_.front());
        connection->take_turn_from(in_service_);
        connection->service();
        did = true;
    }
    while (!ready_.empty()) {
        ready_.resume_front();
        did = true;
    }
    return did;
}

void Loop::sweep_tasks() {
    while (ended_tasks_ != 0) {
        const auto at = std::find_if(tasks_.begin(), tasks_.end(), [](const Task<>& task) { return task.has_ended(); });
        if (at == tasks_.end()) break;  // still inside spawn()
        --ended_tasks_;
        Task<> task = std::move(*at);
        tasks_.erase(at);
        task.await_resume();
    }
}

void Loop::post(std::function<void()> call) {
    {
        const std::lock_guard lock{calls_mutex_};
        calls_.push_back(std::move(call));
    }
    wake();
}

void Loop::wake() noexcept {
    constexpr std::uint64_t one = 1;
    // Fails only when it is readable anyway.
    static_cast<void>(!write(wake_.get(), &one, sizeof one));
}

void Loop::stop() noexcept {
    stopped_ = true;
    wake();
}

void Loop::spawn(Task<> task) {
    const Working working{*this};
    tasks_.push_back(std::move(task));
    // A task that spawns moves the others.
    Task<> started = std::move(tasks_.back());
    tasks_.pop_back();
    started.start(ended_tasks_);
    tasks_.push_back(std::move(started));
}

CmId Loop::make_id(CmIdOwner& owner) {
    rdma_cm_id* id = nullptr;
    check_cm({"create_id", "make a connection identifier"},
             [&] { return manager_.create_id(channel_.get(), &id, &owner, RDMA_PS_TCP); });
    return CmId{id, {&manager_}};
}

LoopDevice& Loop::device(rdma_cm_id& id) {
    // Of an event that came before the one that finds it.
    if (!id.verbs) verbs::throw_message(ENODEV, "cannot make a connection: the kernel has named no RDMA device for it");
    for (const auto& device : devices_)
        if (device->is_device_of(id)) return *device;
    auto made = std::make_unique<LoopDevice>(id, *manager_.provider);
    watch(made->channel().fd(), made.get());
    watch(made->device().async_fd(), made->events());
    devices_.push_back(std::move(made));
    return *devices_.back();
}

void Loop::leave(LoopDevice& device) noexcept {
    if (device.remove_connection()) std::erase_if(devices_, [&](const auto& one) { return one.get() == &device; });
}

void Loop::resume_soon(Waiter& waiter) noexcept {
    ready_.push(waiter);
    if (depth_ == 0) wake();
}

void Loop::service_soon(Connection& connection) noexcept {
    connection.add_turn_to(to_service_);
    if (depth_ == 0) wake();
}

void Loop::add(std::shared_ptr<Connection> connection) {
    Connection& added = *connection;
    connections_.push_back(std::move(connection));
    added.set_place(std::prev(connections_.end()));
}

void Loop::bury(Connection& connection) noexcept {
    const auto place = connection.leave_place();
    if (!place) return;
    dead_.splice(dead_.end(), connections_, *place);
    if (depth_ == 0) bury_the_dead();
}

void Loop::bury_the_dead() noexcept {
    while (!dead_.empty()) {
        const auto connection = std::move(dead_.front());
        dead_.pop_front();
        connection->tear_down();
    }
}

void Loop::add(std::shared_ptr<ListenerState> listener) {
    ListenerState* const key = listener.get();
    listeners_.emplace(key, std::move(listener));
}

void Loop::remove(ListenerState& listener) noexcept { listeners_.erase(&listener); }

}  // namespace pktverbs::messages
