// SPDX-License-Identifier: Apache-2.0
// LoopDevice: a device that a loop has connections on, and what they share.
#pragma once

#include <rdma/rdma_cma.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <pktverbs/verbs/completion_channel.hpp>
#include <pktverbs/verbs/open_device.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

#include "messages/pool.hpp"

namespace pktverbs::messages {

/// Opened once more, beside the connection manager: its context is the whole process's, so events that are read there
/// may be another loop's, and it closes it as it likes after the device was removed. A queue pair is known to the
/// connection manager by its number alone.
class LoopDevice {
public:
    LoopDevice(const rdma_cm_id& id, const verbs::Provider& provider)
        : device_{description(id, provider)}, pd_{device_}, channel_{device_} {}
    LoopDevice(const LoopDevice&) = delete;
    LoopDevice& operator=(const LoopDevice&) = delete;
    ~LoopDevice() {
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
    /// What its asynchronous events are watched with, as it is itself for completions.
    void* events() noexcept { return &is_lost_; }

    void add_connection() noexcept { ++connections_; }
    /// Whether nobody may use it any more.
    bool remove_connection() noexcept { return --connections_ == 0 && is_lost_; }
    bool has_connections() const noexcept { return connections_ != 0; }
    /// It failed, or was removed: it has no new connections, and ends with the last one.
    void set_lost() noexcept { is_lost_ = true; }

    void add(Pool& pool) { pools_.push_back(&pool); }
    void remove(Pool& pool) noexcept { std::erase(pools_, &pool); }

private:
    static verbs::Device description(const rdma_cm_id& id, const verbs::Provider& provider) {
        verbs::Device device;
        ibv_device* const raw = id.verbs->device;
        device.name = raw->name + ('/' + std::to_string(id.port_num));
        device.port = id.port_num;
        // Not ours to end: an open context holds it.
        device.handle = std::shared_ptr<ibv_device>{std::shared_ptr<void>{}, raw};
        device.provider = &provider;
        return device;
    }

    verbs::OpenDevice device_;
    verbs::ProtectionDomain pd_;
    verbs::CompletionChannel channel_;
    std::vector<Pool*> pools_;
    std::size_t connections_ = 0;
    bool is_lost_ = false;
};

}  // namespace pktverbs::messages
