// SPDX-License-Identifier: Apache-2.0
// Devices: the soft devices that a program sees beside the real ones.
#pragma once

#include <infiniband/verbs.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "soft/device/soft_device.hpp"
#include "soft/link/frame_faults.hpp"

namespace pktverbs::dropin {

/// Made once and never changed: a program may keep pointers to devices as long as it likes. Any thread may use it.
class Devices {
public:
    /// Reads "[NAME=]DEVICE[;...]", what PKTVERBS_DEVICES says. Malformed entries and missing devices are skipped and
    /// reported to `complain`. Frames that arrive at the devices get the faults.
    Devices(std::string_view text, const std::optional<soft::LinkFaults>& faults, void (*complain)(std::string_view));

    std::span<ibv_device* const> list() const noexcept { return list_; }
    /// Its index in list(); nullopt for a device that is not ours.
    std::optional<std::size_t> place_of(const ibv_device* device) const noexcept;
    bool owns(const ibv_device* device) const noexcept;
    /// For a device of this list: its port comes up when another program opens the other end.
    bool waits_for_peer(const ibv_device* device) const noexcept;
    /// For a device of this list.
    __be64 guid(const ibv_device* device) const noexcept;
    /// The device whose interface has this address; null if there is none.
    ibv_device* find(const sockaddr& address) const;

private:
    class Names;

    void add(std::string_view text, Names& names);

    std::optional<soft::LinkFaults> faults_;
    std::vector<std::shared_ptr<soft::SoftDevice>> devices_;
    std::vector<ibv_device*> list_;  ///< of the devices, in their order
    std::unordered_map<const ibv_device*, std::size_t> places_;
};

}  // namespace pktverbs::dropin
