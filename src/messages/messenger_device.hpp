// SPDX-License-Identifier: Apache-2.0
// MessengerDevice: a device that a messenger has connections on, and the objects that they share.
#pragma once

#include <rdma/rdma_cma.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include <pktverbs/async/hook.hpp>
#include <pktverbs/verbs/completion_channel.hpp>
#include <pktverbs/verbs/open_device.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

#include "messages/pool.hpp"

namespace pktverbs::messages {

class MessengerState;

/// Opens the device a second time, apart from the connection manager, which shares its context with the whole process:
/// events read there may belong to another messenger, and it may close that context at any time after the device was
/// removed. The connection manager needs only the number of a queue pair.
class MessengerDevice {
public:
    /// Throws std::system_error.
    MessengerDevice(MessengerState& messenger, const rdma_cm_id& id);
    MessengerDevice(const MessengerDevice&) = delete;
    MessengerDevice& operator=(const MessengerDevice&) = delete;
    ~MessengerDevice() {
        for (Pool* pool : pools_) pool->deregister();
    }

    /// Whether the id's connection belongs here.
    bool is_device_of(const rdma_cm_id& id) const noexcept {
        return !is_lost_ && device_.device().handle.get() == id.verbs->device;
    }
    verbs::OpenDevice& device() noexcept { return device_; }
    const verbs::OpenDevice& device() const noexcept { return device_; }
    const verbs::ProtectionDomain& pd() const noexcept { return pd_; }
    verbs::CompletionChannel& channel() noexcept { return channel_; }

    void add_connection() noexcept { ++connections_; }
    /// Returns whether the device must end now: it is lost and this was the last connection.
    bool remove_connection() noexcept { return --connections_ == 0 && is_lost_; }
    bool has_connections() const noexcept { return connections_ != 0; }
    /// It failed or was removed: it gets no new connections, and ends with its last one.
    void set_lost() noexcept { is_lost_ = true; }
    /// Reads no more events; completions are still read.
    void ignore_events() noexcept { event_hook_.cancel(); }

    void add(Pool& pool) { pools_.push_back(&pool); }
    void remove(Pool& pool) noexcept { std::erase(pools_, &pool); }

private:
    bool take_completions();
    bool take_events();

    MessengerState& messenger_;
    verbs::OpenDevice device_;
    verbs::ProtectionDomain pd_;
    verbs::CompletionChannel channel_;
    std::vector<Pool*> pools_;
    std::size_t connections_ = 0;
    bool is_lost_ = false;
    async::Hook completion_hook_;
    async::Hook event_hook_;
};

}  // namespace pktverbs::messages
