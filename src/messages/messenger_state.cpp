// SPDX-License-Identifier: Apache-2.0
#include "messages/messenger_state.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include <pktverbs/verbs/error.hpp>

#include "messages/connection.hpp"
#include "messages/error.hpp"
#include "messages/listener_state.hpp"
#include "messages/pending_request.hpp"
#include "verbs/non_blocking.hpp"

namespace pktverbs::messages {

namespace {

/// Of one descriptor in one step: handlers may cause further events, and other descriptors need their turn.
constexpr int max_events = 64;

}  // namespace

MessengerState::MessengerState(async::Executor& executor, const ConnectionManager& manager)
    : executor_{executor},
      manager_{manager},
      channel_hook_{executor, async::Hook::call<&MessengerState::take_cm_events>(*this)} {
    errno = 0;
    channel_ = {manager.create_event_channel(), {&manager}};
    if (!channel_)
        throw_cm_error(errno != 0 ? errno : EIO, {"create_event_channel", "use the RDMA connection manager"});
    verbs::set_non_blocking(channel_->fd, verbs::Action{"fcntl", "make the event channel non-blocking", ""});
    channel_hook_.watch(channel_->fd);
}

MessengerState::~MessengerState() {
    ++depth_;
    for (const auto& connection : connections_) connection->lose_messenger();
    while (!listeners_.empty()) listeners_.begin()->second->end();
    while (!requests_.empty()) (*requests_.begin())->expire();
    tear_down_ended();
    for (const auto& connection : connections_) connection->tear_down();
}

bool MessengerState::take_cm_events() {
    const Working working{*this};
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

bool MessengerState::take_completions(MessengerDevice& device) {
    const Working working{*this};
    // A queue has at most one event until it is armed again, so looking for a second one would waste a system call.
    const int max = connections_.size() > 1 ? max_events : 1;
    bool did = false;
    for (int i = 0; i < max; ++i) {
        const auto event = device.channel().next_event();
        if (!event) break;
        did = true;
        static_cast<Connection*>(event->context)->on_completion_event();
    }
    return did;
}

bool MessengerState::take_events(MessengerDevice& device) {
    const Working working{*this};
    bool did = false;
    for (int i = 0; i < max_events; ++i) {
        std::optional<verbs::AsyncEvent> event;
        bool is_gone = false;
        try {
            event = device.device().next_event();
        } catch (...) {
            is_gone = true;  // EIO, once the kernel has removed the device
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

Connection* MessengerState::owner_of(const verbs::AsyncEvent& event) const noexcept {
    for (const auto& connection : connections_)
        if (connection->is_subject_of(event)) return connection.get();
    return nullptr;
}

void MessengerState::lose(MessengerDevice& device) {
    // Its completions are read until its connections have ended.
    device.ignore_events();
    device.set_lost();
    for (const auto& connection : connections_)
        if (connection->is_on(device)) connection->lose_device();
    if (!device.has_connections()) std::erase_if(devices_, [&](const auto& one) { return one.get() == &device; });
}

CmId MessengerState::make_id(CmIdOwner& owner) {
    rdma_cm_id* id = nullptr;
    check_cm({"create_id", "make a connection identifier"},
             [&] { return manager_.create_id(channel_.get(), &id, &owner, RDMA_PS_TCP); });
    return CmId{id, {&manager_}};
}

MessengerDevice& MessengerState::device(rdma_cm_id& id) {
    // An event that came before the one that resolves the address.
    if (!id.verbs) verbs::throw_message(ENODEV, "cannot make a connection: the kernel names no RDMA device for it");
    for (const auto& device : devices_)
        if (device->is_device_of(id)) return *device;
    devices_.push_back(std::make_unique<MessengerDevice>(*this, id));
    return *devices_.back();
}

void MessengerState::leave(MessengerDevice& device) noexcept {
    if (device.remove_connection()) std::erase_if(devices_, [&](const auto& one) { return one.get() == &device; });
}

void MessengerState::add(std::shared_ptr<Connection> connection) {
    Connection& added = *connection;
    connections_.push_back(std::move(connection));
    added.set_place(std::prev(connections_.end()));
}

void MessengerState::retire(Connection& connection) noexcept {
    const auto place = connection.leave_place();
    if (!place) return;
    ended_.splice(ended_.end(), connections_, *place);
    if (depth_ == 0) tear_down_ended();
}

void MessengerState::tear_down_ended() noexcept {
    while (!ended_.empty()) {
        const auto connection = std::move(ended_.front());
        ended_.pop_front();
        connection->tear_down();
    }
}

void MessengerState::add(std::shared_ptr<ListenerState> listener) {
    ListenerState* const key = listener.get();
    listeners_.emplace(key, std::move(listener));
}

void MessengerState::remove(ListenerState& listener) noexcept { listeners_.erase(&listener); }

}  // namespace pktverbs::messages
