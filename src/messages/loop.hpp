// SPDX-License-Identifier: Apache-2.0
// Loop: what is behind an EventLoop: the descriptors, and everything that lives in it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <pktverbs/messages/connection_manager.hpp>
#include <pktverbs/messages/task.hpp>
#include <pktverbs/messages/waiter.hpp>
#include <pktverbs/verbs/async_event.hpp>

#include "base/file_descriptor.hpp"
#include "messages/cm_id.hpp"
#include "messages/loop_device.hpp"
#include "messages/timers.hpp"

namespace pktverbs::messages {

class Connection;
class ListenerState;
class PendingRequest;

class Loop {
public:
    using Connections = std::list<std::shared_ptr<Connection>>;

    explicit Loop(const ConnectionManager& manager);
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop();

    void run(const std::stop_token& stop);
    bool step(std::chrono::nanoseconds timeout);
    int fd() const noexcept { return epoll_.get(); }
    void post(std::function<void()> call);
    void wake() noexcept;
    void stop() noexcept;
    void spawn(Task<> task);

    const ConnectionManager& manager() const noexcept { return manager_; }
    Timers& timers() noexcept { return timers_; }
    CmId make_id(CmIdOwner& owner);
    /// Makes it at the first connection on that device. Throws std::system_error.
    LoopDevice& device(rdma_cm_id& id);
    /// A connection of its has ended, but for its identifier.
    void leave(LoopDevice& device) noexcept;
    /// It failed or was removed: its connections soon fail.
    void lose(LoopDevice& device);

    /// Soon resumed by the loop: nobody's code runs inside somebody else's call.
    void resume_soon(Waiter& waiter) noexcept;
    /// Soon called: service().
    void service_soon(Connection& connection) noexcept;

    void add(std::shared_ptr<Connection> connection);
    /// Torn down when nothing of it is running any more.
    void bury(Connection& connection) noexcept;
    void add(std::shared_ptr<ListenerState> listener);
    void remove(ListenerState& listener) noexcept;
    void add(PendingRequest& request) { requests_.insert(&request); }
    void remove(PendingRequest& request) noexcept { requests_.erase(&request); }

private:
    class Working;
    struct ChannelDestroyer {
        const ConnectionManager* manager;
        void operator()(rdma_event_channel* channel) const noexcept { manager->destroy_event_channel(channel); }
    };

    void watch(int fd, void* what);
    bool take_cm_events();
    /// The device that this descriptor's data names; null if it has ended since.
    LoopDevice* find_device(const void* watched_with) const noexcept;
    bool take_completions(LoopDevice& device);
    bool take_device_events(LoopDevice& device);
    Connection* owner_of(const verbs::AsyncEvent& event) const noexcept;
    void take_calls();
    bool run_pending();
    bool has_pending() const noexcept { return !ready_.empty() || !to_service_.empty() || !in_service_.empty(); }
    void sweep_tasks();
    void bury_the_dead() noexcept;

    const ConnectionManager& manager_;
    FileDescriptor epoll_;
    FileDescriptor wake_;
    Timers timers_;
    std::unique_ptr<rdma_event_channel, ChannelDestroyer> channel_;
    std::vector<std::unique_ptr<LoopDevice>> devices_;

    // Lists, so that what is noexcept moves nodes and allocates nothing.
    Connections connections_;
    std::unordered_map<ListenerState*, std::shared_ptr<ListenerState>> listeners_;
    std::unordered_set<PendingRequest*> requests_;
    Connections to_service_;
    Connections in_service_;
    Connections dead_;
    WaiterList ready_;
    std::vector<Task<>> tasks_;
    std::size_t ended_tasks_ = 0;
    int depth_ = 0;

    std::mutex calls_mutex_;
    std::list<std::function<void()>> calls_;
    std::atomic<bool> stopped_ = false;
};

}  // namespace pktverbs::messages
