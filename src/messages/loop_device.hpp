// SPDX-License-Identifier: Apache-2.0
// LoopDevice: a device that a loop has connections on, and what they share.
#pragma once

#include <algorithm>
#include <vector>

#include <pktverbs/verbs/completion_channel.hpp>
#include <pktverbs/verbs/open_device.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

#include "messages/pool.hpp"

namespace pktverbs::messages {

/// The context is the connection manager's, which keeps it open.
class LoopDevice {
public:
    LoopDevice(ibv_context* context, std::uint8_t port, const verbs::Provider& provider)
        : device_{verbs::OpenDevice::lent(context, port, provider)}, pd_{device_}, channel_{device_} {}
    LoopDevice(const LoopDevice&) = delete;
    LoopDevice& operator=(const LoopDevice&) = delete;
    ~LoopDevice() {
        for (Pool* pool : pools_) pool->deregister();
    }

    const verbs::OpenDevice& device() const noexcept { return device_; }
    const verbs::ProtectionDomain& pd() const noexcept { return pd_; }
    verbs::CompletionChannel& channel() noexcept { return channel_; }

    void add(Pool& pool) { pools_.push_back(&pool); }
    void remove(Pool& pool) noexcept { std::erase(pools_, &pool); }

private:
    verbs::OpenDevice device_;
    verbs::ProtectionDomain pd_;
    verbs::CompletionChannel channel_;
    std::vector<Pool*> pools_;
};

}  // namespace pktverbs::messages
