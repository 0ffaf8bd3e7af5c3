// SPDX-License-Identifier: Apache-2.0
// LoopDevice: a device that a loop has connections on, and what they share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <pktverbs/verbs/completion_channel.hpp>
#include <pktverbs/verbs/open_device.hpp>
#include <pktverbs/verbs/protection_domain.hpp>

#include "messages/pool.hpp"

namespace pktverbs::messages {

/// The context is the connection manager's. It keeps that open as long as there is an identifier on the device, and
/// while the device is there: so this ends with the last connection on a device that was removed. A device that is
/// removed while the loop has no connection on it goes unnoticed: end the loop before.
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

    void add_connection() noexcept { ++connections_; }
    /// Whether nobody may use it any more.
    bool remove_connection() noexcept { return --connections_ == 0 && is_removed_; }
    void set_removed() noexcept { is_removed_ = true; }

    void add(Pool& pool) { pools_.push_back(&pool); }
    void remove(Pool& pool) noexcept { std::erase(pools_, &pool); }

private:
    verbs::OpenDevice device_;
    verbs::ProtectionDomain pd_;
    verbs::CompletionChannel channel_;
    std::vector<Pool*> pools_;
    std::size_t connections_ = 0;
    bool is_removed_ = false;
};

}  // namespace pktverbs::messages
