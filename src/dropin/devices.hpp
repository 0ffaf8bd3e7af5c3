// SPDX-License-Identifier: Apache-2.0
// Devices: the soft devices that a program sees beside the real ones.
#pragma once

#include <infiniband/verbs.h>
#include <sys/socket.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <pktverbs/mac_address.hpp>
#include <pktverbs/verbs/provider.hpp>

#include "soft/device_string.hpp"

namespace pktverbs::dropin {

/// Made once and never changed: a program may keep pointers to devices as long as it likes. Any thread may use it.
class Devices {
public:
    /// Reads "[NAME=]DEVICE[;...]", what PKTVERBS_DEVICES says. What can't be read or isn't there is left out, and
    /// told to `complain`.
    Devices(std::string_view text, void (*complain)(std::string_view));

    /// Those of this process, from its environment; complaints go to stderr.
    static const Devices& of_process();

    std::span<ibv_device* const> list() const noexcept { return list_; }
    bool owns(const ibv_device* device) const noexcept;
    /// For a device that it owns.
    __be64 guid(const ibv_device* device) const noexcept;
    /// The device whose interface has this address; null if there is none.
    ibv_device* find(const sockaddr& address) const noexcept;

private:
    struct Entry {
        soft::DeviceString string;
        std::shared_ptr<ibv_device> device;
    };

    void add(std::string_view text);
    std::string free_name(std::string_view wanted) const;
    const Entry* entry(const ibv_device* device) const noexcept;

    std::vector<Entry> entries_;
    std::vector<ibv_device*> list_;
};

/// The control verbs of the soft devices of this process.
const verbs::Provider& control() noexcept;

inline bool is_soft(const ibv_context* context) noexcept { return Devices::of_process().owns(context->device); }

}  // namespace pktverbs::dropin
