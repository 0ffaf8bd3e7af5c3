// SPDX-License-Identifier: Apache-2.0
// MessengerState: the state of a Messenger: its descriptors, devices, connections, listeners and requests.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <pktverbs/async/executor.hpp>
#include <pktverbs/async/hook.hpp>
#include <pktverbs/messages/connection_manager.hpp>
#include <pktverbs/verbs/async_event.hpp>

#include "messages/cm_id.hpp"
#include "messages/messenger_device.hpp"

namespace pktverbs::messages {

class Connection;
class ListenerState;
class PendingRequest;

class MessengerState {
public:
    using Connections = std::list<std::shared_ptr<Connection>>;

    MessengerState(async::Executor& executor, const ConnectionManager& manager);
    MessengerState(const MessengerState&) = delete;
    MessengerState& operator=(const MessengerState&) = delete;
    ~MessengerState();

    /// Keeps ended connections while their handlers may be on the stack.
    class Working {
    public:
        explicit Working(MessengerState& messenger) noexcept : messenger_{messenger} { ++messenger_.depth_; }
        Working(const Working&) = delete;
        Working& operator=(const Working&) = delete;
        ~Working() {
            if (--messenger_.depth_ == 0) messenger_.tear_down_ended();
        }

    private:
        MessengerState& messenger_;
    };

    async::Executor& executor() const noexcept { return executor_; }
    const ConnectionManager& manager() const noexcept { return manager_; }
    CmId make_id(CmIdOwner& owner);
    /// Makes it at the first connection on that device. Throws std::system_error.
    MessengerDevice& device(rdma_cm_id& id);
    /// One of its connections has ended, except for the identifier.
    void leave(MessengerDevice& device) noexcept;
    /// It failed or was removed: its connections will fail.
    void lose(MessengerDevice& device);

    /// The executor resumes it later: no coroutine runs inside another one's call.
    void resume_soon(async::Waiter& waiter) noexcept { executor_.resume_soon(waiter); }

    // For the devices. These return whether there were any.
    bool take_completions(MessengerDevice& device);
    bool take_events(MessengerDevice& device);

    void add(std::shared_ptr<Connection> connection);
    /// Tears it down once none of its calls is running.
    void retire(Connection& connection) noexcept;
    void add(std::shared_ptr<ListenerState> listener);
    void remove(ListenerState& listener) noexcept;
    void add(PendingRequest& request) { requests_.insert(&request); }
    void remove(PendingRequest& request) noexcept { requests_.erase(&request); }

private:
    struct ChannelDestroyer {
        const ConnectionManager* manager;
        void operator()(rdma_event_channel* channel) const noexcept { manager->destroy_event_channel(channel); }
    };

    bool take_cm_events();
    Connection* owner_of(const verbs::AsyncEvent& event) const noexcept;
    void tear_down_ended() noexcept;

    async::Executor& executor_;
    const ConnectionManager& manager_;
    std::unique_ptr<rdma_event_channel, ChannelDestroyer> channel_;
    async::Hook channel_hook_;
    std::vector<std::unique_ptr<MessengerDevice>> devices_;

    // Lists, so that noexcept functions move nodes and allocate nothing.
    Connections connections_;
    std::unordered_map<ListenerState*, std::shared_ptr<ListenerState>> listeners_;
    std::unordered_set<PendingRequest*> requests_;
    Connections ended_;
    int depth_ = 0;
};

}  // namespace pktverbs::messages
